"""Two worker processes on one port: clients land on both, a killed one is started again and its clients lose nothing,
who polls is refused, SIGTERM ends all."""

import asyncio
import itertools
import os
import re
import signal
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from confer_kit.testing import System, running_system
from confer_kit.testing.javascript import JavaScriptClient, Node, node
from confer_kit.testing.ports import free_port
from confer_kit.testing.system import Process

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.node]

CLIENTS = 40
ROOM = "many hands"
PATIENCE_S = 60.0
DRAIN_S = 30
_numbers = itertools.count(1)


class Workers(NamedTuple):
    """An edge of two processes."""

    system: System
    name: str

    @property
    def url(self) -> str:
        return self.system.url(self.name)

    @property
    def supervisor(self) -> Process:
        return self.system.processes[self.name]

    async def sessions(self) -> list[int]:
        """Of each worker."""
        scrapes = [await self.system.metrics(self.name, worker) for worker in range(2)]
        return [int(scrape.value("confer_edge_sessions")) for scrape in scrapes]

    @property
    def pids(self) -> set[int]:
        process = self.supervisor.process
        assert process is not None
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        return {int(pid) for pid in children.split()}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system(CONFER_HEALTH_CHECK_S="600") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def many(system: System) -> AsyncIterator[Workers]:
    name = f"many-{next(_numbers)}"
    supervisor = await system.add_edge(name, CONFER_WORKERS="2", CONFER_DRAIN_S=str(DRAIN_S))
    async with asyncio.timeout(PATIENCE_S):
        while supervisor.log.count("listening on") < 2:
            await asyncio.sleep(0.1)
    yield Workers(system, name)
    await supervisor.kill()


async def open_page(process: Node, url: str, number: int, transport: str = "websocket") -> JavaScriptClient:
    options = {
        "transports": [transport],
        "query": {"user_id": f"user-{number}", "user_name": f"user-{number}"},
        "reconnectionDelay": 100,
        "reconnectionDelayMax": 500,
    }
    return await process.open("4.8", url, options)


def values(page: JavaScriptClient) -> list[Any]:
    return [body["value"] for body in page.bodies("field_updated")]


async def write(page: JavaScriptClient, value: int) -> None:
    """As a page should: the same operation again until it is accepted."""
    update = {"patient_id": ROOM, "field": "f", "value": value, "op": f"op-{value}"}
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                if (await page.call("field_update", update, timeout=5))["status"] == "ok":
                    return
            except TimeoutError:  # the acknowledgement was lost with the connection
                pass


async def test_clients_land_on_both_and_those_of_a_killed_one_come_back(many: Workers) -> None:
    async with node(Path(__file__).parent / "js") as process:
        pages = [await open_page(process, many.url, number) for number in range(CLIENTS)]
        for page in pages:
            await page.is_connected()
            assert (await page.call("join_patient_room", {"patient_id": ROOM}))["status"] == "ok"
        counts = await many.sessions()
        assert sum(counts) == CLIENTS
        assert min(counts) > 0
        await write(pages[0], 0)
        for page in pages:
            await page.got("field_updated")

        before = many.pids
        os.kill(min(before), signal.SIGKILL)
        lost = await _losers(pages, counts[await _killed(many)])
        for number in range(1, 10):
            await write(pages[0], number)
        for page in pages:
            await page.is_connected(times=2 if page.name in lost else 1)
            await page.until(lambda page=page: len(values(page)) >= 10, "all facts")  # type: ignore[misc]
            assert values(page) == list(range(10))
            assert page.recovered == [False, *([True] if page.name in lost else [])]
        async with asyncio.timeout(PATIENCE_S):
            while len(many.pids) < 2:
                await asyncio.sleep(0.1)
        assert len(many.pids & before) == 1
        await _newcomers_land_on_both(process, many)


async def _killed(many: Workers) -> int:
    """Its number, as the supervisor tells."""
    async with asyncio.timeout(PATIENCE_S):
        while not (told := re.search(r"worker (\d) was ended by SIGKILL; starting it again", many.supervisor.log)):
            await asyncio.sleep(0.05)
    return int(told[1])


async def _losers(pages: list[JavaScriptClient], count: int) -> set[str]:
    """Who lost the connection to the kill: so many, each of whom the kernel tells."""
    async with asyncio.timeout(PATIENCE_S):
        while len(lost := {page.name for page in pages if page.disconnects}) < count:
            await asyncio.sleep(0.05)
    return lost


async def _newcomers_land_on_both(process: Node, many: Workers) -> None:
    """As soon as the new worker listens."""
    number = CLIENTS
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                if min(await many.sessions()) > 0:
                    return
            except AssertionError:  # it does not serve its metrics yet
                pass
            number += 1
            await (await open_page(process, many.url, number)).is_connected()


async def test_who_polls_is_refused_and_told_why(many: Workers) -> None:
    url = f"{many.url}/socket.io/?EIO=4&transport=polling"
    with pytest.raises(urllib.error.HTTPError) as refusal:
        await asyncio.to_thread(urllib.request.urlopen, url, timeout=30)
    with refusal.value as answer:
        text = b'{"code":0,"message":"Transport unknown: this edge serves WebSocket clients only"}'
        assert (answer.code, answer.read()) == (400, text)
    async with node(Path(__file__).parent / "js") as process:
        page = await open_page(process, many.url, 0, "polling")
        await page.until(lambda: bool(page.connect_errors), "the refusal")
        assert not page.connected


async def test_sigterm_sends_everybody_away_and_ends_all_processes(many: Workers) -> None:
    edge = many.supervisor
    async with node(Path(__file__).parent / "js") as process:
        pages = [await open_page(process, many.url, number) for number in range(10)]
        for page in pages:
            await page.is_connected()
            await page.move(many.system.url())
        pids = many.pids
        assert len(pids) == 2
        assert await edge.stop(DRAIN_S * 2) == 0
        assert edge.log.count("stopped cleanly") == 2
        assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
        for page in pages:
            await page.is_connected(times=2)
            assert (page.details, page.recovered) == ([1012], [False, True])


async def test_workers_do_not_outlive_their_supervisor(many: Workers) -> None:
    pids = many.pids
    await many.supervisor.kill()
    async with asyncio.timeout(PATIENCE_S):
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            await asyncio.sleep(0.1)


async def test_a_port_in_use_and_workers_that_cannot_start_are_one_sentence(system: System, many: Workers) -> None:
    port = str(system.ports[many.name])
    second = await system.add_edge("second", CONFER_WORKERS="2", CONFER_PORT=port)
    assert second.process is not None
    assert await asyncio.wait_for(second.process.wait(), PATIENCE_S) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in second.log
    third = await system.add_edge("third", CONFER_WORKERS="2", CONFER_IDENTITY="jwt", CONFER_PORT=str(free_port()))
    assert third.process is not None
    assert await asyncio.wait_for(third.process.wait(), PATIENCE_S) == 1
    assert "no worker can be started" in third.log
