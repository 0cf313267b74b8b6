"""Two worker processes on one port: clients land on both, a killed one is started again and its clients lose nothing,
who polls is refused, SIGTERM ends all."""

import asyncio
import os
import signal
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from confer_kit.testing import System, running_system
from confer_kit.testing.javascript import JavaScriptClient, Node, node
from confer_kit.testing.nats import free_port

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.node]

CLIENTS = 40
ROOM = "many hands"
PATIENCE_S = 60.0


@pytest_asyncio.fixture(loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system(CONFER_HEALTH_CHECK_S="600") as running:
        await running.add_edge("many", CONFER_WORKERS="2")
        await running.healthy("many")
        yield running


async def sessions(system: System) -> list[int]:
    """Of each worker."""
    scrapes = [await system.metrics("many", worker) for worker in range(2)]
    return [int(scrape.value("confer_edge_sessions")) for scrape in scrapes]


def workers(system: System) -> set[int]:
    """Process ids."""
    process = system.processes["many"].process
    assert process is not None
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return {int(pid) for pid in children.split()}


async def open_page(process: Node, system: System, number: int, transport: str = "websocket") -> JavaScriptClient:
    options = {
        "transports": [transport],
        "query": {"user_id": f"user-{number}", "user_name": f"user-{number}"},
        "reconnectionDelay": 100,
        "reconnectionDelayMax": 500,
    }
    return await process.open("4.8", system.url("many"), options)


def values(page: JavaScriptClient) -> list[Any]:
    return [body["value"] for body in page.bodies("field_updated")]


async def write(page: JavaScriptClient, value: int) -> None:
    """As a page should: the same operation again until it is accepted."""
    update = {"patient_id": ROOM, "field": "f", "value": value, "op": f"op-{value}"}
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                if (await page.call("field_update", update, timeout=2))["status"] == "ok":
                    return
            except TimeoutError:  # the acknowledgement was lost with the connection
                pass


async def test_clients_land_on_both_and_those_of_a_killed_one_come_back(system: System) -> None:
    async with node(Path(__file__).parent / "js") as process:
        pages = [await open_page(process, system, number) for number in range(CLIENTS)]
        for page in pages:
            await page.is_connected()
            assert (await page.call("join_patient_room", {"patient_id": ROOM}))["status"] == "ok"
        counts = await sessions(system)
        assert sum(counts) == CLIENTS
        assert min(counts) > 0
        await write(pages[0], 0)
        for page in pages:
            await page.got("field_updated")

        before = workers(system)
        killed = min(before)
        os.kill(killed, signal.SIGKILL)
        lost = {page.name for page in pages if await _loses(page)}
        assert len(lost) in counts
        for number in range(1, 10):
            await write(pages[0], number)
        for page in pages:
            await page.is_connected(times=2 if page.name in lost else 1)
            await page.until(lambda page=page: len(values(page)) >= 10, "all facts")  # type: ignore[misc]
            assert values(page) == list(range(10))
            assert page.recovered == [False, *([True] if page.name in lost else [])]
        async with asyncio.timeout(PATIENCE_S):
            while len(workers(system)) < 2:
                await asyncio.sleep(0.1)
        assert len(workers(system) & before) == 1
        assert "was ended by SIGKILL; starting it again" in system.processes["many"].log
        await _newcomers_land_on_both(process, system)


async def _loses(page: JavaScriptClient) -> bool:
    """Whether it loses its connection to the kill: at once, for the kernel closes it."""
    try:
        await page.until(lambda: bool(page.disconnects), timeout=0.2)
    except AssertionError:
        return False
    return True


async def _newcomers_land_on_both(process: Node, system: System) -> None:
    """As soon as the new worker listens."""
    number = CLIENTS
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                if min(await sessions(system)) > 0:
                    return
            except AssertionError:  # it does not serve its metrics yet
                pass
            number += 1
            await (await open_page(process, system, number)).is_connected()


async def test_who_polls_is_refused_and_told_why(system: System) -> None:
    url = f"{system.url('many')}/socket.io/?EIO=4&transport=polling"
    with pytest.raises(urllib.error.HTTPError) as refusal:
        await asyncio.to_thread(urllib.request.urlopen, url, timeout=5)
    with refusal.value as answer:
        text = b'{"code":0,"message":"Transport unknown: this edge serves WebSocket clients only"}'
        assert (answer.code, answer.read()) == (400, text)
    async with node(Path(__file__).parent / "js") as process:
        page = await open_page(process, system, 0, "polling")
        await page.until(lambda: bool(page.connect_errors), "the refusal")
        assert not page.connected


async def test_sigterm_sends_everybody_away_and_ends_all_processes(system: System) -> None:
    edge = system.processes["many"]
    async with node(Path(__file__).parent / "js") as process:
        pages = [await open_page(process, system, number) for number in range(10)]
        for page in pages:
            await page.is_connected()
            await page.move(system.url())
        pids = workers(system)
        assert len(pids) == 2
        assert await edge.stop(30) == 0
        assert edge.log.count("stopped cleanly") == 2
        assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
        for page in pages:
            await page.is_connected(times=2)
            assert (page.details, page.recovered) == ([1012], [False, True])


async def test_workers_do_not_outlive_their_supervisor(system: System) -> None:
    pids = workers(system)
    await system.processes["many"].kill()
    async with asyncio.timeout(PATIENCE_S):
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            await asyncio.sleep(0.1)


async def test_a_port_in_use_and_workers_that_cannot_start_are_one_sentence(system: System) -> None:
    port = str(system.ports["many"])
    second = await system.add_edge("second", CONFER_WORKERS="2", CONFER_PORT=port)
    assert second.process is not None
    assert await asyncio.wait_for(second.process.wait(), PATIENCE_S) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in second.log
    third = await system.add_edge("third", CONFER_WORKERS="2", CONFER_IDENTITY="jwt", CONFER_PORT=str(free_port()))
    assert third.process is not None
    assert await asyncio.wait_for(third.process.wait(), PATIENCE_S) == 1
    assert "no worker can be started" in third.log
