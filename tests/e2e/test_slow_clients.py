"""Clients that stop reading while their room is written to: they are cut off, nobody else notices, and who merely
paused comes back with everything."""

import asyncio
import base64
import json
import os
import socket as sockets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from confer_kit.testing import System, running_system
from confer_kit.testing.javascript import WAYS, node
from confer_kit.testing.raw import RawClient, raw_client

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.node]

UNSENT_BYTES, QUEUED_PACKETS = 256 * 1024, 60
SLOW_CLIENTS = 10
WRITES, VALUE = 150, "x" * 50_000  # in all more than what the kernel's buffers take for one connection
SLACK_BYTES = 48 << 20  # what the interpreter and the traffic itself may take
CUT = "a client is cut off"
TOO_MUCH = f"more than {QUEUED_PACKETS} packets or {UNSENT_BYTES} bytes wait for it"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    bounds = {"CONFER_UNSENT_BYTES_MAX": str(UNSENT_BYTES), "CONFER_QUEUED_PACKETS_MAX": str(QUEUED_PACKETS)}
    async with running_system(CONFER_HEALTH_CHECK_S="600", CONFER_HANDSHAKE_S="3", **bounds) as running:
        yield running


async def entered(stack: AsyncExitStack, system: System, user: str, room: str) -> RawClient:
    client = await stack.enter_async_context(raw_client(system.url(), {"user_id": user}, name=user))
    assert (await client.call("join_patient_room", {"patient_id": room}))["status"] == "ok"
    return client


async def write(writer: RawClient, room: str, times: int = WRITES) -> None:
    for number in range(times):
        change = {"patient_id": room, "field": "f", "value": [number, VALUE]}
        assert (await writer.call("field_update", change))["status"] == "ok"


def numbers(client: Any) -> list[int]:
    return [body["value"][0] for body in client.bodies("field_updated")]


def resident_bytes(system: System) -> int:
    process = system.processes["edge"].process
    assert process
    status = Path(f"/proc/{process.pid}/statm").read_text().split()
    return int(status[1]) * os.sysconf("SC_PAGE_SIZE")


def frame(text: str) -> bytes:
    """A client's frame, masked with zeros."""
    payload = text.encode()
    assert len(payload) < 126
    return bytes((0x81, 0x80 | len(payload))) + bytes(4) + payload


async def deaf_websocket(port: int, user: str, room: str) -> sockets.socket:
    """A member that reads nothing after its join."""
    loop = asyncio.get_running_loop()
    one = sockets.socket()
    one.setblocking(False)
    one.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    await loop.sock_connect(one, ("127.0.0.1", port))
    key = base64.b64encode(bytes(16)).decode()
    head = (
        f"GET /socket.io/?EIO=4&transport=websocket&user_id={user} HTTP/1.1\r\nHost: localhost\r\n"
        f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    )
    await loop.sock_sendall(one, head.encode())
    joining = frame('421["join_patient_room",' + json.dumps({"patient_id": room}) + "]")
    sent, received = False, b""
    while b"431[" not in received:
        received += await loop.sock_recv(one, 65536)
        if not sent and b"101 " in received:
            await loop.sock_sendall(one, frame("40") + joining)
            sent = True
    return one


async def deaf_poller(http: aiohttp.ClientSession, system: System, user: str, room: str) -> None:
    """A member that polls no more after its join."""
    url = f"{system.url()}/socket.io/"
    query = {"EIO": "4", "transport": "polling", "user_id": user}
    async with http.get(url, params=query) as answer:
        query["sid"] = json.loads((await answer.text())[1:])["sid"]
    for packet in ("40", '421["join_patient_room",' + json.dumps({"patient_id": room}) + "]"):
        async with http.post(url, params=query, data=packet) as answer:
            assert answer.status == 200
    received = ""
    while "431[" not in received:
        async with http.get(url, params=query) as answer:
            received += await answer.text()


async def until_cut(system: System, times: int, reason: str) -> None:
    async with asyncio.timeout(20):
        while sum(CUT in line and reason in line for line in system.processes["edge"].log.splitlines()) < times:
            await asyncio.sleep(0.1)


async def test_deaf_websockets_are_cut_off_and_nobody_else_notices(system: System) -> None:
    room = "deaf-websockets"
    async with AsyncExitStack() as stack:
        writer, member = [await entered(stack, system, name, room) for name in ("writer", "member")]
        for number in range(SLOW_CLIENTS):
            one = await deaf_websocket(system.ports["edge"], f"deaf-{number}", room)
            stack.callback(one.close)
        before = resident_bytes(system)
        await write(writer, room)
        await member.until(lambda: len(numbers(member)) == WRITES, "all updates")
        assert numbers(member) == list(range(WRITES))
        await until_cut(system, SLOW_CLIENTS, TOO_MUCH)
        assert resident_bytes(system) - before < SLOW_CLIENTS * UNSENT_BYTES + SLACK_BYTES
        assert not member.ended
        assert not writer.ended


async def test_deaf_pollers_are_cut_off_and_nobody_else_notices(system: System) -> None:
    room = "deaf-pollers"
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        writer, member = [await entered(stack, system, name, room) for name in ("writer", "member")]
        for number in range(SLOW_CLIENTS):
            await deaf_poller(http, system, f"poller-{number}", room)
        before = resident_bytes(system)
        await write(writer, room)
        await member.until(lambda: len(numbers(member)) == WRITES, "all updates")
        assert numbers(member) == list(range(WRITES))
        await until_cut(system, SLOW_CLIENTS, TOO_MUCH)
        assert resident_bytes(system) - before < QUEUED_PACKETS * len(VALUE) * SLOW_CLIENTS + SLACK_BYTES


async def test_a_page_that_paused_comes_back_and_has_missed_nothing(system: System) -> None:
    room, way = "paused-page", next(way for way in WAYS if way.transports == ["websocket"])
    async with AsyncExitStack() as stack:
        writer = await entered(stack, system, "writer", room)
        process = await stack.enter_async_context(node(Path(__file__).parent / "js"))
        options = {"transports": way.transports, "query": {"user_id": "page"}, "reconnectionDelay": 100}
        page = await process.open(way.version, system.url(), options)
        await page.is_connected()
        assert (await page.call("join_patient_room", {"patient_id": room}))["status"] == "ok"
        cut_before = system.processes["edge"].log.count(CUT)
        process.freeze()
        try:
            await write(writer, room)
            async with asyncio.timeout(20):
                while system.processes["edge"].log.count(CUT) == cut_before:
                    await asyncio.sleep(0.1)
        finally:
            process.thaw()
        await page.until(lambda: len(numbers(page)) >= WRITES, "all updates", timeout=30)
        assert numbers(page) == list(range(WRITES))
        assert page.recovered == [False, True]


async def test_a_connection_without_connect_is_closed(system: System) -> None:
    """Of both transports; who is connected stays."""
    url, query = f"{system.url()}/socket.io/", {"EIO": "4", "user_id": "silent"}
    async with AsyncExitStack() as stack:
        member = await entered(stack, system, "member", "handshake")
        http = await stack.enter_async_context(aiohttp.ClientSession())
        async with http.ws_connect(url, params={**query, "transport": "websocket"}) as socket, asyncio.timeout(15):
            async for _ in socket:
                pass
        query["transport"] = "polling"
        async with http.get(url, params=query) as answer:
            query["sid"] = json.loads((await answer.text())[1:])["sid"]
        async with asyncio.timeout(15), http.get(url, params=query) as answer:
            assert (await answer.text()) == "1"
        assert system.processes["edge"].log.count("no CONNECT within 3 s") == 2
        assert (await member.call("ping"))["status"] == "ok"
