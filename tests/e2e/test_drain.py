"""SIGTERM to one of two edges under load, with two hundred stock JavaScript clients: nobody is cut off in the middle of
a call, all are sent away one by one, come back to the other edge, and have missed nothing."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from confer_contracts.ids import patient_room
from confer_kit.tasks import Tasks
from confer_kit.testing import System, running_system
from confer_kit.testing.javascript import JavaScriptClient, Node, node
from confer_kit.testing.log import log_reader
from confer_kit.testing.raw import RawClient, raw_client

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.node]

EACH = 100  # clients of each transport
ROOMS = [f"D{n}" for n in range(10)]
DEADLINE_S = 100  # a part of it is for pollers on a busy machine to fetch what is there
PATIENCE_S = 120.0
TRANSPORTS = ("polling", "websocket")
CLOSED = "transport closed by the server"  # how the client shows an Engine.IO CLOSE
CROSSED = 400  # the answer to a request that was under way when its session was closed


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system(CONFER_HEALTH_CHECK_S="600") as running:
        await running.add_edge("leaving", CONFER_DRAIN_S=str(DEADLINE_S))
        await running.healthy("leaving")
        yield running


class Page:
    """A client, what it has written with acknowledgement, and when it lost its first connection."""

    def __init__(self, client: JavaScriptClient, user: str, transport: str, room: str) -> None:
        self.client = client
        self.user = user
        self.transport = transport
        self.room = room
        self.acknowledged: list[str] = []
        self.refused = 0

    async def write(self, op: str) -> None:
        """As a page should: the same operation again until it is accepted, over any number of connections."""
        update = {"patient_id": self.room, "field": self.user, "value": op, "op": op}
        while True:
            try:
                answer = await self.client.call("field_update", update, timeout=15)
            except TimeoutError:  # the acknowledgement was lost with the connection
                continue
            if answer["status"] == "ok":
                self.acknowledged.append(op)
                return
            assert answer["retry"], answer
            self.refused += 1
            await asyncio.sleep(1)

    @property
    def seen(self) -> list[Any]:
        return [body["value"] for body in self.client.bodies("field_updated")]

    async def saw(self, count: int) -> None:
        await self.client.until(lambda: len(self.seen) >= count, f"{count} facts")


async def open_page(process: Node, url: str, transport: str, number: int, *, room: str = "") -> Page:
    user = f"{transport}-{number}"
    options = {"transports": [transport], "query": {"user_id": user, "user_name": user, "user_role": "nurse"}}
    page = Page(await process.open("4.8", url, options, name=user), user, transport, room or ROOMS[number % len(ROOMS)])
    await page.client.is_connected()
    answer = await page.client.call("join_patient_room", {"patient_id": page.room}, timeout=PATIENCE_S)
    assert answer["status"] == "ok"
    return page


async def _open_some(process: Node, system: System, first: int, count: int) -> list[Page]:
    url, numbers = system.url("leaving"), range(first, first + count)
    return await asyncio.gather(*(open_page(process, url, way, n) for n in numbers for way in TRANSPORTS))


async def write_on(writer: RawClient, stop: asyncio.Event) -> None:
    """Facts for everybody, through the edge that stays."""
    number = 0
    while not stop.is_set():
        number += 1
        for room in ROOMS:
            update = {"patient_id": room, "field": "writer", "value": f"{room}-{number}"}
            await writer.call("field_update", update, timeout=PATIENCE_S)
        await asyncio.sleep(0.1)


async def test_two_hundred_clients_leave_one_by_one_and_miss_nothing(system: System) -> None:
    edge, sync = system.processes["leaving"], system.processes["sync-svc"]
    tasks, stop = Tasks(), asyncio.Event()
    async with node(Path(__file__).parent / "js") as process, raw_client(system.url(), {"user_id": "writer"}) as writer:
        pages = [page for number in range(0, EACH, 10) for page in await _open_some(process, system, number, 10)]
        # who only listens, and where nobody speaks, has one GET that waits: nothing can cross its goodbye
        quiet = [await open_page(process, system.url("leaving"), "polling", EACH + n, room=f"Q{n}") for n in range(3)]
        for page in quiet:
            await page.client.move(system.url())
        ends: list[str] = []
        for page in pages:
            await page.client.move(system.url())
            tasks.start(_note_end(page, ends), "end")
        writing = tasks.start(write_on(writer, stop), "facts")

        sync.freeze()
        in_flight = [tasks.start(page.write(f"{page.user}/1"), "in flight") for page in pages]
        await asyncio.sleep(1)
        assert not any(call.done() for call in in_flight), "no call was in flight"
        stopping = tasks.start(edge.stop(DEADLINE_S + 10), "stop")
        async with asyncio.timeout(PATIENCE_S):
            while await system.status("/readyz", "leaving") != 503:
                await asyncio.sleep(0.05)
        refused = [tasks.start(page.write(f"{page.user}/2"), "while it goes away") for page in pages]
        sync.thaw()
        await asyncio.wait_for(asyncio.gather(*in_flight, *refused), PATIENCE_S)

        assert await stopping == 0
        assert "stopped cleanly" in edge.log
        for page in [*pages, *quiet]:
            await page.client.is_connected(times=2)
        stop.set()
        await writing
        await _compare_with_log(system, pages)
        await tasks.finished(1)
    assert "Exception" not in edge.log
    told = Counter((p.transport, p.client.details[0]) for p in pages)
    assert told["websocket", 1012] == EACH
    assert any(page.client.details[0] == CLOSED for page in quiet)
    assert set(told) <= {("websocket", 1012), ("polling", CLOSED), ("polling", CROSSED)}, told
    assert not any("server" in reason for p in pages for reason in p.client.disconnects)
    assert all(p.client.recovered == [False, True] for p in pages)
    assert any(p.refused for p in pages), "nothing was asked of the edge while it went away"
    assert len(ends) == 2 * EACH
    assert ends != sorted(ends, key=[page.user for page in pages].index), "they left in the order in which they came"


async def _note_end(page: Page, ends: list[str]) -> None:
    await page.client.until(lambda: bool(page.client.disconnects), "the end", timeout=PATIENCE_S * 2)
    ends.append(page.user)


async def _compare_with_log(system: System, pages: list[Page]) -> None:
    """Each room's facts reached each of its members once and in order; each acknowledged write is in the log once."""
    async with log_reader(system.nats.url) as log:
        for room in ROOMS:
            facts = [m for m in await log.live(f"room.{patient_room(room)}") if _is_update(m.headers)]
            values = [json.loads(fact.data or b"")["value"] for fact in facts]
            assert len(values) == len(set(values))
            for page in (p for p in pages if p.room == room):
                await page.saw(len(values))
                assert page.seen == values, (page.user, page.client.details)
                assert sorted(page.acknowledged) == [f"{page.user}/1", f"{page.user}/2"]
                assert set(page.acknowledged) <= set(values)


def _is_update(headers: dict[str, str] | None) -> bool:
    return (headers or {}).get("Confer-Event") == "field_updated"
