"""Many connections that end at once: each session can be taken up, or is gone for good, as its client meant it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import nats.js.errors
import orjson
import pytest

from confer_contracts.subjects import SESSIONS
from confer_edge.app import Edge
from confer_edge.listening import listening
from confer_edge.recovery import SessionRecord, _subject
from confer_edge.settings import EdgeSettings
from confer_kit.process import connected
from confer_kit.testing import nats_server
from confer_ops.provision import provision

CLIENTS = 150  # more than are seen off before others get a turn
PATIENCE_S = 120.0
TRANSPORT = {"EIO": "4", "transport": "websocket"}


@pytest.fixture
async def edge() -> AsyncIterator[tuple[Edge, str]]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server())
        settings = EdgeSettings(nats_url=server.url, port=0, identity="trusted-query", drain_s=2, metrics_port=0)
        link = await stack.enter_async_context(connected(settings, "confer-edge", asyncio.Event()))
        await provision(link.nc)
        edge = Edge(link, settings)
        await edge.start()
        stack.push_async_callback(edge.drain)
        port = await stack.enter_async_context(listening(edge.application, settings, edge.opens))
        yield edge, f"http://127.0.0.1:{port}/socket.io/"


async def record_of(edge: Edge, pid: str) -> SessionRecord | None:
    """What is stored; None: it was emptied."""
    stored = await edge._link.nc.jetstream().get_last_msg(SESSIONS, _subject(pid))
    return SessionRecord.model_validate_json(stored.data) if stored.data else None


async def begun(socket: aiohttp.ClientWebSocketResponse) -> str:
    """The pid of a session whose record has been stored: its inbox's `sync_point` comes after that."""
    await socket.receive_str()
    await socket.send_str("40")
    pid = str(orjson.loads((await socket.receive_str())[2:])["pid"])
    while "sync_point" not in await socket.receive_str():
        pass
    return pid


async def test_lost_ones_are_marked_and_those_that_said_goodbye_are_emptied(
    edge: tuple[Edge, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("confer_edge.recovery.TIMEOUT_S", PATIENCE_S)  # what is not stored in time never is
    it, url = edge
    async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        sockets = [await http.ws_connect(url, params={**TRANSPORT, "user_id": f"u{n}"}) for n in range(CLIENTS)]
        pids = await asyncio.gather(*map(begun, sockets))
        before = await record_of(it, pids[0])
        assert before is not None
        assert before.lost_at is None
        goodbyes, lost = pids[: CLIENTS // 3], pids[CLIENTS // 3 :]
        for socket in sockets[: len(goodbyes)]:
            await socket.send_str("41")
        while len(it.doorway.sessions) > len(lost):  # a reset would take back what the edge has not read yet
            await asyncio.sleep(0.01)
        for socket in sockets:
            socket._response.close()  # without a closing handshake
        while it.doorway.sessions:
            await asyncio.sleep(0.01)
        for pid in goodbyes:
            while await record_of(it, pid) is not None:
                await asyncio.sleep(0.01)
        for pid in lost:
            while (record := await record_of(it, pid)) is None or record.lost_at is None:
                await asyncio.sleep(0.01)
            assert set(record.memberships) >= {"role.user", "all.all"}, "what it was in is part of the record"


async def test_nats_that_does_not_answer_holds_nobody_up(edge: tuple[Edge, str]) -> None:
    it, url = edge
    async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as http:
        socket = await http.ws_connect(url, params={**TRANSPORT, "user_id": "u1"})
        pid = await begun(socket)
        await it._link.nc.jetstream().delete_stream(SESSIONS)
        await socket.close()
        while it.doorway.sessions:
            await asyncio.sleep(0.01)
        with pytest.raises(nats.js.errors.NotFoundError):
            await record_of(it, pid)
        again = await http.ws_connect(url, params={**TRANSPORT, "user_id": "u1"})
        assert (await again.receive_str()).startswith("0")
