"""Clients that do not read, or read only when they are told to."""

import asyncio
import base64
import json
import socket as sockets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from confer_kit.testing.raw import PacketClient
from confer_kit.testing.received import WAIT_S

_CLOSE = 0x8


class DeafClient:
    """A WebSocket whose owner reads nothing after its join."""

    def __init__(self, socket: sockets.socket) -> None:
        self._socket = socket
        self._received = b""

    async def join(self, user: str, *rooms: str) -> None:
        key = base64.b64encode(bytes(16)).decode()
        await self._send(
            f"GET /socket.io/?EIO=4&transport=websocket&user_id={user} HTTP/1.1\r\nHost: localhost\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        await self._until(b"101 ")
        await self._send(_frame("40"))
        for number, room in enumerate(rooms):
            await self._send(_frame(f'42{number}["join_patient_room",' + json.dumps({"patient_id": room}) + "]"))
            await self._until(f"43{number}[".encode())

    async def close_frame(self) -> tuple[int, str]:
        """Read all there is: code and reason of the server's close."""
        while data := await asyncio.get_running_loop().sock_recv(self._socket, 1 << 20):
            self._received += data
        *_, (opcode, payload) = _frames(self._received.partition(b"\r\n\r\n")[2])
        assert opcode == _CLOSE
        return int.from_bytes(payload[:2]), payload[2:].decode()

    async def _send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def _until(self, text: bytes) -> None:
        async with asyncio.timeout(WAIT_S):
            while text not in self._received:
                self._received += await asyncio.get_running_loop().sock_recv(self._socket, 1 << 16)


@asynccontextmanager
async def deaf_client(port: int, user: str, *rooms: str) -> AsyncIterator[DeafClient]:
    """It has joined the rooms."""
    with sockets.socket() as socket:
        socket.setblocking(False)
        socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        await asyncio.get_running_loop().sock_connect(socket, ("127.0.0.1", port))
        client = DeafClient(socket)
        await client.join(user, *rooms)
        yield client


class Poller(PacketClient):
    """By HTTP long-polling, and nothing comes but by `poll`. `status` of the last GET."""

    def __init__(self, name: str, http: aiohttp.ClientSession, url: str, query: dict[str, str]) -> None:
        super().__init__(name)
        self._http = http
        self._url = url
        self._query = query
        self.status = 0

    async def send(self, text: str) -> None:
        async with self._http.post(self._url, params=self._query, data=text) as answer:
            assert answer.status == 200, await answer.text()

    async def poll(self) -> None:
        """One GET."""
        async with self._http.get(self._url, params=self._query) as answer:
            self.status = answer.status
            for packet in (await answer.text()).split("\x1e") if answer.status == 200 else ():
                await self.received(packet)

    async def until_polled(self, condition: Callable[[], bool], timeout: float = WAIT_S) -> None:
        async with asyncio.timeout(timeout):
            while not condition():
                await self.poll()

    async def acked(self, number: int, timeout: float = WAIT_S) -> Any:
        await self.until_polled(lambda: number in self.acks, timeout)
        return self.acks[number]


@asynccontextmanager
async def poller(url: str, user: str) -> AsyncIterator[Poller]:
    """Connected."""
    timeout = aiohttp.ClientTimeout(60)
    url, query = f"{url}/socket.io/", {"EIO": "4", "transport": "polling", "user_id": user}
    async with aiohttp.ClientSession(timeout=timeout) as http:
        async with http.get(url, params=query) as answer:
            query["sid"] = json.loads((await answer.text())[1:])["sid"]
        client = Poller(user, http, url, query)
        await client.send("40")
        while client.sid is None:
            await client.poll()
        yield client


def _frame(text: str) -> bytes:
    """A client's frame, masked with zeros."""
    payload = text.encode()
    assert len(payload) < 126
    return bytes((0x81, 0x80 | len(payload))) + bytes(4) + payload


def _frames(data: bytes) -> list[tuple[int, bytes]]:
    """Opcode and payload of a server's frames."""
    found, at = [], 0
    while at < len(data):
        size, start = data[at + 1], at + 2
        if size > 125:
            start += 2 if size == 126 else 8
            size = int.from_bytes(data[at + 2 : start])
        found.append((data[at] & 0x0F, data[start : start + size]))
        at = start + size
    return found
