"""Clients that stop reading while their room is written to: what waits for them is bounded, nobody else notices, and
whoever reads again gets snapshots in place of what it lost, or comes back and has missed nothing."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from confer_kit.testing import System, running_system
from confer_kit.testing.deaf import Poller, deaf_client, poller
from confer_kit.testing.javascript import WAYS, JavaScriptClient, Node, node
from confer_kit.testing.raw import RawClient, raw_client

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.node]

UNSENT_BYTES, QUEUED_PACKETS, SLOW_S = 256 * 1024, 60, 3
HANDSHAKE_S = 8
WRITES, VALUE = 150, "x" * 50_000  # in all more than what the kernel's buffers take for one connection
STOPPED, TURNS, OWN_VALUE = 20, 50, "x" * 60_000  # in all more than what the edge's memory may grow by
TRANSPORT_BYTES = 64 * 1024 + len(OWN_VALUE)  # of each, beside what waits: what a WebSocket's transport has taken
SLACK_BYTES = 20 << 20  # what the interpreter and the traffic itself may take
CUT, RESYNC = "a client is cut off", "a session will be resynchronised"
TOO_SLOW = f"it has not read what waited for it within {SLOW_S} s"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    """Of its edges, one has little patience, and one much."""
    bounds = {"CONFER_UNSENT_BYTES_MAX": str(UNSENT_BYTES), "CONFER_QUEUED_PACKETS_MAX": str(QUEUED_PACKETS)}
    free = {"CONFER_EVENTS_PER_S": "100000", "CONFER_EVENTS_BURST": "100000", "CONFER_HEALTH_CHECK_S": "600"}
    free["CONFER_PING_TIMEOUT_S"] = "300"  # so that nobody's silence ends what its slowness should
    async with running_system(**bounds, **free) as running:
        await running.add_edge("impatient", CONFER_SLOW_CLIENT_S=str(SLOW_S), CONFER_HANDSHAKE_S=str(HANDSHAKE_S))
        await running.add_edge("patient", CONFER_SLOW_CLIENT_S="120")
        for edge in ("impatient", "patient"):
            await running.healthy(edge)
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process() -> AsyncIterator[Node]:
    async with node(Path(__file__).parent / "js") as running:
        yield running


async def entered(stack: AsyncExitStack, system: System, user: str, room: str, edge: str = "edge") -> RawClient:
    client = await stack.enter_async_context(raw_client(system.url(edge), {"user_id": user}, name=user))
    assert (await client.call("join_patient_room", {"patient_id": room}))["status"] == "ok"
    return client


async def polling(stack: AsyncExitStack, system: System, user: str, room: str, edge: str = "edge") -> Poller:
    """A member that polls no more after its join."""
    client = await stack.enter_async_context(poller(system.url(edge), user))
    assert (await client.call("join_patient_room", {"patient_id": room}))["status"] == "ok"
    return client


async def open_page(process: Node, system: System, room: str, edge: str) -> JavaScriptClient:
    way = next(way for way in WAYS if way.transports == ["websocket"])
    options = {"transports": way.transports, "query": {"user_id": "page"}, "reconnectionDelay": 100}
    page = await process.open(way.version, system.url(edge), options)
    await page.is_connected()
    assert (await page.call("join_patient_room", {"patient_id": room}))["status"] == "ok"
    return page


async def write(writer: RawClient, room: str, times: int = WRITES, value: str = VALUE, since: int = 0) -> None:
    for number in range(since, since + times):
        change = {"patient_id": room, "field": "f", "value": [number, value]}
        assert (await writer.call("field_update", change))["status"] == "ok"


def numbers(client: Any) -> list[int]:
    return [body["value"][0] for body in client.bodies("field_updated")]


def resynced(client: Any, room: str) -> list[int]:
    """The field's number in each snapshot."""
    bodies = [body for body in client.bodies("resync") if body["room"] == f"room.{room}"]
    return [body["snapshot"]["sync"]["fields"]["f"]["value"][0] for body in bodies]


def is_resynced(client: Any, room: str, times: int) -> bool:
    return len(resynced(client, room)) == times


def shows(name: str, roster: list[dict[str, Any]]) -> bool:
    return name in {user["user_id"] for user in roster}


def resident_bytes(system: System) -> int:
    process = system.processes["edge"].process
    assert process
    status = Path(f"/proc/{process.pid}/statm").read_text().split()
    return int(status[1]) * os.sysconf("SC_PAGE_SIZE")


async def until_log(system: System, edge: str, what: str, times: int = 1) -> None:
    async with asyncio.timeout(90):
        while system.processes[edge].log.count(what) < times:
            await asyncio.sleep(0.1)


async def test_what_waits_for_the_deaf_is_bounded_and_nobody_else_notices(system: System) -> None:
    """Each has a room of its own, so that nothing of what waits for one is shared with another; and one room is all
    theirs. Whoever reads is in each of them."""
    rooms, resident, waiting = [f"deaf-{number}" for number in range(STOPPED)], [], []
    async with AsyncExitStack() as stack:
        writer, member = [await entered(stack, system, name, "the-deaf") for name in ("writer", "member")]
        for number, room in enumerate(rooms):
            join = {"patient_id": room}
            assert (await member.call("join_patient_room", join))["status"] == "ok"
            if number % 2:
                await stack.enter_async_context(deaf_client(system.ports["edge"], f"deaf-{number}", "the-deaf", room))
            else:
                poller = await polling(stack, system, f"poller-{number}", "the-deaf")
                assert (await poller.call("join_patient_room", join))["status"] == "ok"
        before, numbers_before = resident_bytes(system), await system.metrics()
        told_before = {what: system.processes["edge"].log.count(what) for what in (RESYNC, CUT)}
        for turn in range(TURNS):
            for number, room in enumerate(rooms):
                await write(writer, room, 1, OWN_VALUE, since=turn * STOPPED + number)
            await write(writer, "the-deaf", 1, VALUE, since=TURNS * STOPPED + turn)
            await writer.emit("live_typing", {"patient_id": "the-deaf", "field": "f", "content": str(turn)})
            resident.append(resident_bytes(system) - before)
            waiting.append((await system.metrics()).value("confer_edge_waiting_bytes"))
        written = [turn * STOPPED + number for turn in range(TURNS) for number in range(STOPPED)]
        await member.until(lambda: len(numbers(member)) == len(written) + TURNS, "all updates", timeout=60)
        own, shared = (
            [n for n in numbers(member) if n < len(written)],
            [n for n in numbers(member) if n >= len(written)],
        )
        assert (own, shared) == (written, list(range(len(written), len(written) + TURNS)))
        assert not member.ended
        assert not member.bodies("resync")
        assert not writer.ended

        assert max(waiting) <= STOPPED * UNSENT_BYTES
        assert max(waiting) > 0, "else it shows nothing"
        in_transports = STOPPED * TRANSPORT_BYTES
        assert max(resident) < STOPPED * UNSENT_BYTES + in_transports + SLACK_BYTES
        assert len(written) * len(OWN_VALUE) > 1.5 * (STOPPED * UNSENT_BYTES + in_transports + SLACK_BYTES)
        for what, before_it in told_before.items():
            await until_log(system, "edge", what, before_it + STOPPED)
        await system.risen(numbers_before, "confer_edge_resyncs_total", by=STOPPED, reason="behind")
        await system.risen(numbers_before, "confer_edge_limits_total", by=STOPPED, limit="slow_client")
        await system.risen(numbers_before, "confer_edge_disconnects_total", by=STOPPED, reason="cut_off")
        await system.risen(numbers_before, "confer_edge_dropped_total", by=None, reason="behind")


async def test_a_deaf_websocket_is_cut_off_in_the_end_and_told_why(system: System) -> None:
    room = "deaf-websocket"
    async with AsyncExitStack() as stack:
        writer = await entered(stack, system, "writer", room)
        deaf = await stack.enter_async_context(deaf_client(system.ports["impatient"], "deaf", room))
        cut, before = system.processes["impatient"].log.count(CUT), await system.metrics("impatient")
        await write(writer, room)
        await until_log(system, "impatient", CUT, cut + 1)
        await system.risen(before, "confer_edge_limits_total", limit="slow_client")
        await system.risen(before, "confer_edge_disconnects_total", reason="cut_off")
        async with asyncio.timeout(30):
            assert await deaf.close_frame() == (1013, TOO_SLOW)


async def test_a_poller_that_stays_away_is_cut_off_in_the_end(system: System) -> None:
    room = "deaf-poller"
    async with AsyncExitStack() as stack:
        writer = await entered(stack, system, "writer", room)
        away = await polling(stack, system, "away", room, "impatient")
        cut = system.processes["impatient"].log.count(CUT)
        await write(writer, room, QUEUED_PACKETS + 1, "x")
        await until_log(system, "impatient", CUT, cut + 1)
        await away.poll()
        assert away.status == 400


async def test_a_page_that_paused_gets_snapshots_for_what_it_lost_and_goes_on(system: System, process: Node) -> None:
    room = "paused-page"
    async with AsyncExitStack() as stack:
        writer = await entered(stack, system, "writer", room)
        page = await open_page(process, system, room, "patient")
        behind = system.processes["patient"].log.count(RESYNC)
        process.freeze()
        try:
            await write(writer, room)
            await until_log(system, "patient", RESYNC, behind + 1)
        finally:
            process.thaw()
        await page.until(lambda: resynced(page, room) == [WRITES - 1], "a snapshot of the end", timeout=60)
        got = numbers(page)
        assert got == list(range(len(got))), "without a hole until the loss"
        assert len(got) < WRITES
        await write(writer, room, 5, "x", since=WRITES)
        await page.until(lambda: numbers(page)[-1:] == [WRITES + 4], "what came later")
        assert numbers(page) == [*got, *range(WRITES, WRITES + 5)]
        assert page.recovered == [False]
        await page.cut()
        await page.is_connected(times=2)
        await write(writer, room, 1, "x", since=WRITES + 5)
        await page.until(lambda: numbers(page)[-1:] == [WRITES + 5], "what came after the cut")
        assert numbers(page) == [*got, *range(WRITES, WRITES + 6)]
        assert page.recovered == [False, True]
        await page.close()


async def test_a_page_that_is_cut_off_comes_back_and_has_missed_nothing(system: System, process: Node) -> None:
    """Between its loss and its snapshots: then it was never told of the loss, and gets the facts themselves."""
    room = "cut-page"
    async with AsyncExitStack() as stack:
        writer = await entered(stack, system, "writer", room)
        page = await open_page(process, system, room, "impatient")
        cut = system.processes["impatient"].log.count(CUT)
        process.freeze()
        try:
            await write(writer, room)
            await until_log(system, "impatient", CUT, cut + 1)
        finally:
            process.thaw()
        await page.until(lambda: len(numbers(page)) >= WRITES, "all updates", timeout=60)
        assert numbers(page) == list(range(WRITES))
        first, *others = page.recovered  # one that is slow to read it all is cut off again
        assert (first, set(others)) == (False, {True})
        assert not page.bodies("resync")
        await page.close()


async def test_a_poller_that_was_away_gets_the_newest_view_alone_and_every_fact(system: System) -> None:
    room = "views"
    async with AsyncExitStack() as stack:
        member = await entered(stack, system, "member", room)
        away = await polling(stack, system, "away", room)
        await away.until_polled(lambda: f"room.{room}" in {point["room"] for point in away.bodies("sync_point")})
        facts, views = len(away.bodies("user_joined")), len(away.bodies("active_users_updated"))
        before, numbers_before = len(member.bodies("active_users_updated")), await system.metrics()
        people = [f"visitor-{number}" for number in range(5)]
        for name in people:
            await entered(stack, system, name, room)
            await member.got("active_users_updated", partial(shows, name))
        assert len(member.bodies("active_users_updated")) - before >= len(people)
        await system.risen(numbers_before, "confer_edge_waiting_bytes", by=None)
        await away.until_polled(lambda: len(away.bodies("user_joined")) - facts >= len(people))
        assert [user["user_id"] for user in away.bodies("user_joined")[facts:]] == people
        newest = away.bodies("active_users_updated")[views:]
        assert len(newest) == 1
        await system.risen(numbers_before, "confer_edge_dropped_total", by=None, reason="superseded")
        assert {"member", "away", *people} == {user["user_id"] for user in newest[0]}


async def test_a_poller_that_falls_behind_again_and_again_is_cut_off(system: System) -> None:
    room, since = "again-and-again", 0
    async with AsyncExitStack() as stack:
        writer = await entered(stack, system, "writer", room)
        slow = await polling(stack, system, "slow", room)
        before, numbers_before = system.processes["edge"].log.count(RESYNC), await system.metrics()
        for loss in range(3):
            await write(writer, room, QUEUED_PACKETS + 1, "x", since=since)
            since += QUEUED_PACKETS + 1
            await until_log(system, "edge", RESYNC, before + loss + 1)
            await slow.until_polled(partial(is_resynced, slow, room, loss + 1))
            assert resynced(slow, room)[-1] == since - 1
        assert numbers(slow) == [], "what was dropped is not sent"
        await write(writer, room, 1, "x", since=since)
        await slow.until_polled(lambda: numbers(slow) == [since])
        await write(writer, room, QUEUED_PACKETS + 1, "x", since=since + 1)
        await until_log(system, "edge", "it fell behind more than 3 times within 60 s")
        await system.risen(numbers_before, "confer_edge_limits_total", limit="losses")
        await slow.poll()
        assert slow.status == 400


async def test_a_connection_without_connect_is_closed(system: System) -> None:
    """Of both transports; who is connected stays."""
    url, query = f"{system.url('impatient')}/socket.io/", {"EIO": "4", "user_id": "silent"}
    async with AsyncExitStack() as stack:
        member = await entered(stack, system, "member", "handshake", "impatient")
        http = await stack.enter_async_context(aiohttp.ClientSession())
        async with http.ws_connect(url, params={**query, "transport": "websocket"}) as socket, asyncio.timeout(60):
            while (last := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
            assert (last.data, last.extra) == (1000, f"no CONNECT within {HANDSHAKE_S} s")
        query["transport"] = "polling"
        async with http.get(url, params=query) as answer:
            query["sid"] = json.loads((await answer.text())[1:])["sid"]
        async with asyncio.timeout(60), http.get(url, params=query) as answer:
            assert (await answer.text()) == "1"
        assert system.processes["impatient"].log.count(f"no CONNECT within {HANDSHAKE_S} s") == 2
        assert (await member.call("ping"))["status"] == "ok"
