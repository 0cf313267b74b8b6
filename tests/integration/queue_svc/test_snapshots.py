"""A replica starts from a snapshot and the tail of the log, and is as if it had read all of it."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from prometheus_client import REGISTRY

from confer_contracts.subjects import snapshots_of
from confer_kit import clock
from confer_kit.jetstream import replace
from confer_kit.service import Service

HEAD = "snapshot.queue.head"


def count(outcome: str) -> float:
    return REGISTRY.get_sample_value("confer_snapshots_total", {"outcome": outcome}) or 0.0


async def kept(service: Service) -> None:
    """A snapshot is made now."""
    assert service.kept is not None
    before = count("written")
    async with asyncio.timeout(60):
        while count("written") == before:
            await service.kept.keep()
            await asyncio.sleep(0.02)


async def subjects(clinic: Any) -> set[str]:
    info = await clinic.link.nc.jetstream().stream_info(snapshots_of("queue"), subjects_filter=">")
    return set(info.state.subjects or {})


async def test_a_replica_from_a_snapshot_knows_what_one_from_the_log_knows(clinic: Any) -> None:
    async with AsyncExitStack() as first:
        service = await clinic.replica(stack=first, queue_snapshot_facts=1)
        op = clock.new_id()
        for number in range(6):
            await clinic.ok("queue_enqueue", queue="a", patient_id=f"p{number}")
        called = await clinic.ask("queue_call_next", queue="a", op=op)
        done = await clinic.ok("queue_call_next", queue="a")
        await clinic.ok("queue_done", queue="a", ticket=done["ticket"]["ticket"], token=done["token"])
        await kept(service)
        tail = await clinic.ok("queue_enqueue", queue="a", patient_id="tail")
        other = await clinic.ok("queue_enqueue", queue="b", patient_id="p1")
        asked = {"queue_get": {"queue": "a"}, "queue_statistics": {"queue": "a"}}
        before = {event: await clinic.ok(event, **request) for event, request in asked.items()}

    read = count("read")
    again = await clinic.replica()
    assert count("read") == read + 1
    assert await clinic.ask("queue_call_next", queue="a", op=op) == called  # operations from before it are known
    after = {event: await clinic.ok(event, **request) for event, request in asked.items()}
    assert after["queue_get"]["rows"] == before["queue_get"]["rows"]
    for figures in ("waiting", "today", "tickets"):
        assert after["queue_statistics"][figures] == before["queue_statistics"][figures]
    second = await clinic.ok("queue_enqueue", queue="a", patient_id="tail")  # of the tail
    assert second["ticket"] == tail["ticket"]
    assert (await clinic.ok("queue_position", queue="b", patient_id="p1"))["ticket"] == other["ticket"]
    assert again.position == service.position


async def test_of_two_replicas_one_makes_it_and_what_was_before_is_purged(clinic: Any) -> None:
    one = await clinic.replica(queue_snapshot_facts=1)
    other = await clinic.replica(queue_snapshot_facts=1)
    for number in range(3):
        await clinic.ok("queue_enqueue", queue="a", patient_id=f"p{number}")
        await kept(one)
        assert len(await subjects(clinic)) == 2  # the head, and the one part that it names
    assert one.kept is not None and other.kept is not None
    made = count("written") + count("late")
    await clinic.ok("queue_enqueue", queue="a", patient_id="p9")
    async with asyncio.timeout(60):
        while count("written") + count("late") < made + 1:
            await asyncio.gather(one.kept.keep(), other.kept.keep())
    async with asyncio.timeout(60):
        while len(await subjects(clinic)) != 2:
            await asyncio.sleep(0.02)


async def test_a_snapshot_that_is_not_whole_is_left_aside(clinic: Any) -> None:
    async with AsyncExitStack() as first:
        service = await clinic.replica(stack=first, queue_snapshot_facts=1)
        await clinic.ok("queue_enqueue", queue="a", patient_id="p1")
        await kept(service)
    (part,) = await subjects(clinic) - {HEAD}
    for damage in ((part, b"nonsense"), (HEAD, b'{"version": 0}')):
        unusable = count("unusable") + count("none")
        await replace(clinic.link.nc, *damage, expected=None, timeout=5)
        async with AsyncExitStack() as next_one:
            await clinic.replica(stack=next_one)
            assert count("unusable") + count("none") == unusable + 1
            assert (await clinic.ok("queue_position", queue="a", patient_id="p1"))["queue_position"] == 1
