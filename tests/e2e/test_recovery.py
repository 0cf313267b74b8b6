"""Connection state recovery with the stock JavaScript clients: back on this edge or another one, with exactly what was
missed; and a new start where that cannot be known."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import nats
import pytest
import pytest_asyncio

from confer_kit.testing import System, running_system
from confer_kit.testing.javascript import WAYS, JavaScriptClient, Node, Way, node

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.node]

every_way = pytest.mark.parametrize("way", WAYS, ids=str)
_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    """Nobody counts as gone while an edge starts, however long that takes."""
    patience = {
        "CONFER_DROP_GRACE_S": "120",
        "CONFER_PRESENCE_DROPPED_GRACE_S": "120",
        "CONFER_PRESENCE_LEASE_S": "120",
        "CONFER_PRESENCE_GONE_S": "120",
    }
    async with running_system(CONFER_HEALTH_CHECK_S="600", **patience) as running:
        await running.add_edge("second")
        await running.healthy("second")
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process() -> AsyncIterator[Node]:
    async with node(Path(__file__).parent / "js") as running:
        yield running


async def join(process: Node, url: str, way: Way, user: str, rooms: list[str], **query: str) -> JavaScriptClient:
    options: dict[str, Any] = {
        "transports": way.transports,
        "query": {"user_id": user, "user_name": user, "user_role": "nurse", **query},
        "reconnectionDelay": 100,
        "reconnectionDelayMax": 500,
    }
    client = await process.open(way.version, url, options, name=user)
    await client.is_connected()
    for room in rooms:
        assert (await client.call("join_patient_room", {"patient_id": room}))["status"] == "ok"
    if len(way.transports) > 1:
        await client.until(lambda: client.upgrades == ["websocket"], "the upgrade")
    return client


async def write(client: JavaScriptClient, room: str, value: Any) -> None:
    answer = await client.call("field_update", {"patient_id": room, "field": "f", "value": value})
    assert answer["status"] == "ok"


def fresh(count: int) -> list[str]:
    return [f"R{next(_numbers)}" for _ in range(count)]


def seen(client: JavaScriptClient) -> list[tuple[str, Any]]:
    """(room, value) of every update that this client was sent, in order."""
    return [(body["patient_id"], body["value"]) for body in client.bodies("field_updated")]


@every_way
async def test_what_was_missed_in_three_rooms_comes_once_and_in_order(system: System, process: Node, way: Way) -> None:
    rooms = fresh(3)
    writer = await join(process, system.url(), way, "writer", [])
    reader = await join(process, system.url(), way, "reader", rooms)
    numbers = itertools.count()

    async def write_on(times: int) -> None:
        for _ in range(times):
            for room in rooms:
                await write(writer, room, next(numbers))

    await write_on(3)
    writing = asyncio.get_running_loop().create_task(write_on(40))
    for connections in (2, 3, 4):
        await asyncio.sleep(0.15)
        await reader.cut()
        await reader.is_connected(times=connections)
    await writing
    await write_on(1)
    expected = next(numbers)
    await reader.until(lambda: len(seen(reader)) >= expected, "all updates")
    assert seen(reader) == [(rooms[n % 3], n) for n in range(expected)]
    assert reader.recovered == [False, True, True, True]
    assert len(set(reader.sids)) == 1
    assert not reader.bodies("error")


@every_way
async def test_another_edge_takes_over_from_one_that_was_killed(system: System, process: Node, way: Way) -> None:
    room = fresh(1)[0]
    first = await system.add_edge("first")
    await system.healthy("first")
    port = system.ports["first"]
    writer = await join(process, system.url(), way, "writer", [])
    reader = await join(process, system.url("first"), way, "reader", [room])
    other = await join(process, system.url(), way, "other", [room])
    await write(writer, room, "before")
    await reader.got("field_updated")
    await first.kill()
    await write(writer, room, "while its edge was dead")
    heir = await system.add_edge("first", CONFER_PORT=str(port))
    system.ports["first"] = port
    await write(writer, room, "while another edge came up")
    await system.healthy("first")
    await reader.is_connected(times=2)
    await write(writer, room, "after")
    await reader.got("field_updated", lambda body: body["value"] == "after")
    values = ["before", "while its edge was dead", "while another edge came up", "after"]
    assert seen(reader) == [(room, value) for value in values]
    assert reader.recovered == [False, True]
    assert "reader" not in other.bodies("user_left")
    await reader.close()
    assert await heir.stop() == 0


async def test_the_views_are_current_after_a_recovery(system: System, process: Node) -> None:
    room, way = fresh(1)[0], WAYS[-2]
    reader = await join(process, system.url(), way, "reader", [room])
    before = len(reader.events)
    await reader.cut()
    await reader.is_connected(times=2)
    users = await reader.got("active_users_updated", since=before)
    assert [user["user_id"] for user in users] == ["reader"]
    await reader.got("step_status_updated", since=before)
    await reader.got("notification_counts", since=before)


async def test_who_leaves_begins_anew(system: System, process: Node) -> None:
    room, way = fresh(1)[0], WAYS[-2]
    reader = await join(process, system.url(), way, "reader", [room])
    await reader.close()
    await reader.connect()
    await reader.is_connected(times=2)
    assert reader.recovered == [False, False]
    assert reader.sids[0] != reader.sids[1]


async def test_a_new_log_means_a_new_start(system: System, process: Node) -> None:
    """Without a word a client would miss what the old log held. Who is there is told by snapshots, and goes on from
    them; who was away then begins anew."""
    room, way = fresh(1)[0], WAYS[-2]
    writer = await join(process, system.url(), way, "writer", [])
    reader, away = [await join(process, system.url(), way, name, [room]) for name in ("reader", "away")]
    await write(writer, room, 1)
    for client in (reader, away):
        await client.got("field_updated")
    nc = await nats.connect(system.nats.url)
    await nc.jetstream().delete_stream("LIVE")
    await nc.close()
    await away.cut()
    await system.provision()
    await reader.until(lambda: len(reader.bodies("resync")) >= 2, "resync of the room and of the inbox")
    await reader.cut()
    await write(writer, room, 2)
    await reader.is_connected(times=2)
    await away.is_connected(times=2)
    assert (reader.recovered, away.recovered) == ([False, True], [False, False])
    await reader.got("field_updated", lambda body: body["value"] == 2)
    await away.call("join_patient_room", {"patient_id": room})
    await write(writer, room, 3)
    for client in (reader, away):
        await client.got("field_updated", lambda body: body["value"] == 3)


@pytest.mark.parametrize("offset", [None, 5, "x", "a.b", "00000000.1", "{epoch}.999999999", "{epoch}.-1", "{epoch}."])
async def test_forged_offsets_and_pids_begin_anew(system: System, process: Node, offset: Any) -> None:
    """Nobody gets anything of a session by guessing; nobody is refused for trying."""
    way = WAYS[-2]
    options = {
        "transports": way.transports,
        "query": {"user_id": "thief", "user_name": "thief", "user_role": "nurse"},
        "auth": {"pid": "guessed", "offset": offset},
    }
    thief = await process.open(way.version, system.url(), options)
    await thief.is_connected()
    assert thief.recovered == [False]
    await thief.got("system_status")


async def test_no_event_of_the_edge_is_taken_for_an_offset(system: System, process: Node) -> None:
    """The stock client takes any string at the end of an event for the offset, even the event's name."""
    room, way = fresh(1)[0], WAYS[-2]
    reader = await join(process, system.url(), way, "reader", [room])
    leaver = await join(process, system.url(), way, "leaver", [room])
    await reader.emit("ping", None)
    await reader.got("pong")
    await leaver.emit("leave_patient_room", {"patient_id": room})
    assert await reader.got("user_left") == "leaver"
    for event in reader.events:
        last = event.args[-1] if event.args else event.name
        assert not isinstance(last, str) or last.partition(".")[2].isdecimal(), event
    await reader.cut()
    await reader.is_connected(times=2)
    assert reader.recovered == [False, True]


async def test_python_clients_and_those_who_do_not_want_it_see_no_offsets(system: System, process: Node) -> None:
    room, way = fresh(1)[0], WAYS[-2]
    plain = await join(process, system.url(), way, "plain", [room], recovery="0")
    await write(plain, room, 1)
    await plain.got("field_updated")
    assert all(len(event.args) == 1 for event in plain.events if event.name != "pong"), plain.events
