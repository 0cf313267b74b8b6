"""What provisioning makes does what the edges and services rely on, on a real server."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import StreamConfig, StreamSource

from confer_contracts.subjects import ACTIVITY, LIVE, Header
from confer_kit.follower import EPOCH
from confer_kit.testing import NatsServer, nats_server
from confer_ops import streams
from confer_ops.provision import Ages, log_streams, provision

RECORD, TICKET, TICK = "log.sync.room.p1.record", "log.queue.queue.q1.p1", "log.edge.probe.e1.tick"


@pytest.fixture
async def server() -> AsyncIterator[NatsServer]:
    async with nats_server() as running:
        yield running


async def connected(server: NatsServer) -> Client:
    async def silent(_: Exception) -> None: ...

    return await nats.connect(server.url, max_reconnect_attempts=-1, reconnect_time_wait=1, error_cb=silent)


async def audience(nc: Client, subject: str, count: int, stream: str = LIVE) -> list[Msg]:
    """The first `count` messages of a subject; fewer when no more come."""
    feed = await nc.jetstream().subscribe(subject, stream=stream, ordered_consumer=True)
    found: list[Msg] = []
    try:
        while len(found) < count:
            found.append(await feed.next_msg(timeout=10))
    except nats.errors.TimeoutError:
        pass
    await feed.unsubscribe()
    return found


def bodies(messages: Sequence[Msg]) -> list[bytes]:
    return [message.data for message in messages]


async def test_a_second_run_changes_nothing(server: NatsServer) -> None:
    nc = await connected(server)
    said: list[str] = []
    await provision(nc, say=said.append)
    assert len(said) == len(log_streams()) + 9
    before = (await nc.jetstream().stream_info(LIVE)).config
    said.clear()
    await provision(nc, say=said.append)
    assert said == []
    assert (await nc.jetstream().stream_info(LIVE)).config == before
    assert len((before.metadata or {})[EPOCH]) == 8
    await nc.close()


async def test_a_thousand_facts_of_two_services_arrive_in_order_and_once(server: NatsServer) -> None:
    nc = await connected(server)
    await provision(nc)
    js = nc.jetstream()
    for start in range(0, 500, 50):
        numbers = [f"{n}".encode() for n in range(start, start + 50)]
        await asyncio.gather(*(js.publish(RECORD, n) for n in numbers), *(js.publish(TICKET, n) for n in numbers))
    for stream, subject, of in ((LIVE, "room.p1", "SYNC"), (LIVE, "queue.q1", "QUEUE")):
        seen = [m for m in await audience(nc, subject, 1000, stream) if (m.headers or {})[Header.SOURCE].startswith(of)]
        assert bodies(seen) == bodies(await audience(nc, RECORD if of == "SYNC" else TICKET, 500, of))
        assert len(seen) == 500
    assert len(await audience(nc, ">", 1000, ACTIVITY)) == 1000
    await nc.close()


async def test_a_ticket_reaches_the_queue_and_the_patients_room(server: NatsServer) -> None:
    nc = await connected(server)
    await provision(nc)
    await nc.jetstream().publish(TICKET, b"called", headers={Header.EVENT: "ticket_called"})
    for subject in ("queue.q1", "room.p1"):
        (copy,) = await audience(nc, subject, 1)
        assert copy.data == b"called"
        assert (copy.headers or {})[Header.EVENT] == "ticket_called"
    await nc.close()


async def test_a_quiet_services_facts_survive_a_crash_of_the_server(server: NatsServer) -> None:
    """A stream of which LIVE holds nothing, used in the first moments after the crash (docs/adr/0008)."""
    nc = await connected(server)
    await provision(nc)
    js = nc.jetstream()
    await js.publish(RECORD, b"before")
    await js.publish(TICK, b"")
    await nc.close()
    await server.kill()
    await server.start()
    nc = await connected(server)
    js = nc.jetstream()
    for n in range(30):
        await js.publish(TICKET, f"{n}".encode())
        await js.publish(TICK, b"")
    expected = [f"{n}".encode() for n in range(30)]
    assert bodies(await audience(nc, "queue.q1", 30)) == expected
    assert bodies(await audience(nc, "room.p1", 31)) == [b"before", *expected]
    await nc.close()


async def test_live_made_anew_has_a_new_epoch_and_no_history(server: NatsServer) -> None:
    nc = await connected(server)
    await provision(nc)
    js = nc.jetstream()
    first = (await js.stream_info(LIVE)).config.metadata
    await js.publish(RECORD, b"history")
    await js.delete_stream(LIVE)
    await js.publish(RECORD, b"nobody follows")
    await provision(nc)
    await js.publish(RECORD, b"new")
    assert bodies(await audience(nc, "room.p1", 1)) == [b"new"]
    assert (await js.stream_info(LIVE)).config.metadata != first
    await nc.close()


async def test_live_without_one_of_its_consumers_is_made_anew(server: NatsServer) -> None:
    nc = await connected(server)
    await provision(nc)
    js = nc.jetstream()
    first = (await js.stream_info(LIVE)).config.metadata
    await js.delete_consumer("SYNC", "live")
    await provision(nc)
    await js.publish(RECORD, b"after")
    assert bodies(await audience(nc, "room.p1", 1)) == [b"after"]
    assert (await js.stream_info(LIVE)).config.metadata != first
    await nc.close()


async def test_live_from_before_the_logs_of_queues_were_in_segments_is_made_anew(server: NatsServer) -> None:
    nc = await connected(server)
    await provision(nc)
    js = nc.jetstream()
    first = (await js.stream_info(LIVE)).config.metadata
    consumer = (await js.consumer_info("QUEUE", "live-room")).config
    await js.add_consumer("QUEUE", consumer.evolve(filter_subject="log.queue.queue.*.*"))
    await provision(nc)
    await js.publish("log.queue.queue-3.q1.p1", b"in a later segment")
    for one in ("queue.q1", "room.p1"):
        assert bodies(await audience(nc, one, 1)) == [b"in a later segment"]
    assert (await js.stream_info(LIVE)).config.metadata != first
    await nc.close()


async def test_a_forgotten_setting_is_put_right(server: NatsServer) -> None:
    nc = await connected(server)
    await provision(nc)
    js = nc.jetstream()
    config = (await js.stream_info("EDGE")).config
    await js.update_stream(config.evolve(max_age=3600.0))
    said: list[str] = []
    await provision(nc, say=said.append)
    assert said == ["adjusted stream EDGE: max_age"]
    assert (await js.stream_info("EDGE")).config.max_age == streams.TICK_AGE_S
    await nc.close()


async def test_the_ages_of_the_activity_log_and_of_audit_are_settings(server: NatsServer) -> None:
    nc = await connected(server)
    await provision(nc, ages=Ages(activity_days=7, audit_days=2))
    js = nc.jetstream()

    async def days() -> list[float]:
        return [((await js.stream_info(name)).config.max_age or 0) / streams.DAY for name in (ACTIVITY, "AUDIT")]

    assert await days() == [7, 2]
    said: list[str] = []
    await provision(nc, say=said.append, ages=Ages(activity_days=30, audit_days=2))
    assert said == ["adjusted stream ACTIVITY: max_age"]
    assert await days() == [30, 2]
    await provision(nc)
    assert await days() == [30, 2], "what is not said stays"
    await nc.close()


async def test_what_audit_is_told_is_in_the_activity_log_and_never_live(server: NatsServer) -> None:
    nc = await connected(server)
    await provision(nc)
    await nc.jetstream().publish("log.audit.room.p1.snapshot", b"read")
    await nc.jetstream().publish(RECORD, b"written")
    assert bodies(await audience(nc, "room.p1", 2)) == [b"written"]
    assert bodies(await audience(nc, "log.audit.room.p1.snapshot", 1, ACTIVITY)) == [b"read"]
    await nc.close()


async def test_an_activity_log_that_takes_more_than_is_known_stays(server: NatsServer) -> None:
    """As after a way back to this version, or without a service that there was: it alone has what others let go."""
    nc = await connected(server)
    await provision(nc)
    js = nc.jetstream()
    await js.add_stream(StreamConfig(name="TALLY", subjects=["log.tally.>"]))
    now = (await js.stream_info(ACTIVITY)).config
    await js.update_stream(now.evolve(sources=[*(now.sources or []), StreamSource(name="TALLY")]))
    await js.publish(RECORD, b"old")
    assert bodies(await audience(nc, RECORD, 1, ACTIVITY)) == [b"old"]
    await js.purge_stream("SYNC")
    said: list[str] = []
    await provision(nc, say=said.append)
    assert said == []
    assert bodies(await audience(nc, RECORD, 1, ACTIVITY)) == [b"old"]
    await nc.close()


async def test_an_installation_from_before_audit_keeps_its_activity_log(server: NatsServer) -> None:
    """It takes from the new stream as well, and nothing twice."""
    nc = await connected(server)
    await provision(nc)
    js = nc.jetstream()
    before = streams.activity().evolve(sources=[s.source() for s in streams.activity_sources() if s.stream != "AUDIT"])
    await js.delete_stream("AUDIT")
    await js.delete_stream(ACTIVITY)
    for sourced in streams.activity_sources()[:-1]:
        await js.delete_consumer(sourced.stream, sourced.name)
        await js.add_consumer(sourced.stream, sourced.consumer())
    await js.add_stream(before)
    await js.publish(RECORD, b"old")
    assert bodies(await audience(nc, RECORD, 1, ACTIVITY)) == [b"old"]
    made = (await js.stream_info(ACTIVITY)).created
    said: list[str] = []
    await provision(nc, say=said.append)
    assert said == ["made stream AUDIT", "stream ACTIVITY takes from AUDIT as well"]
    await js.publish("log.audit.room.p1.snapshot", b"read")
    await js.publish(RECORD, b"new")
    assert sorted(bodies(await audience(nc, ">", 4, ACTIVITY))) == [b"new", b"old", b"read"]
    assert (await js.stream_info(ACTIVITY)).created == made
    await nc.close()
