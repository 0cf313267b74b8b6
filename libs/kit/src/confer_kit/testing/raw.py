"""A Socket.IO client that sends whatever bytes a test wants, over one WebSocket (Engine.IO 4, Socket.IO 5)."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp

from confer_kit.tasks import Tasks
from confer_kit.testing.received import WAIT_S, Received

OVER: Final = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


class PacketClient(Received):
    """What there is to say and to hear, whatever the transport. `acks` by number, as they came. `refused` is the body
    of a CONNECT_ERROR; `goodbye` the code and reason with which a WebSocket was closed."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.acks: dict[int, Any] = {}
        self.sid: str | None = None
        self.pid: str | None = None
        self.refused: Any = None
        self.goodbye: tuple[int, str] | None = None
        self.ended = False
        self._number = 0

    async def send(self, text: str) -> None:
        """One Engine.IO packet."""
        raise NotImplementedError

    async def emit(self, event: str, *args: Any) -> None:
        await self.send("42" + json.dumps([event, *args]))

    async def call(self, event: str, *args: Any, timeout: float = WAIT_S) -> Any:
        number = self.next_number()
        await self.send(f"42{number}" + json.dumps([event, *args]))
        return await self.acked(number, timeout)

    async def acked(self, number: int, timeout: float = WAIT_S) -> Any:
        await self.until(lambda: number in self.acks, f"ack {number}", timeout=timeout)
        return self.acks[number]

    def next_number(self) -> int:
        self._number += 1
        return self._number

    async def received(self, text: str) -> None:
        """One Engine.IO packet came."""
        if text == "2":
            await self.send("3")
        elif text.startswith("40"):
            answer = json.loads(text[2:])
            self.sid, self.pid = answer["sid"], answer.get("pid")
        elif text.startswith("44{"):  # of the main namespace
            self.refused = json.loads(text[2:])
        elif text.startswith("42"):
            name, *args = json.loads(text[2:])
            self.put(name, args)
        elif text.startswith("43"):
            digits = len(text[2:]) - len(text[2:].lstrip("0123456789"))
            self.acks[int(text[2 : 2 + digits])] = json.loads(text[2 + digits :])[0]
        self.changed()


class RawClient(PacketClient):
    """Over one WebSocket."""

    def __init__(self, name: str, socket: aiohttp.ClientWebSocketResponse) -> None:
        super().__init__(name)
        self._socket = socket

    async def send(self, text: str) -> None:
        await self._socket.send_str(text)

    async def send_bytes(self, data: bytes) -> None:
        """The binary part of the packet before it."""
        await self._socket.send_bytes(data)

    async def close(self) -> None:
        await self._socket.close()

    async def read(self) -> None:
        """Until the connection ends."""
        while (message := await self._socket.receive()).type not in OVER:
            if message.type is aiohttp.WSMsgType.TEXT:
                await self.received(message.data)
        if message.type is aiohttp.WSMsgType.CLOSE:
            self.goodbye = message.data, message.extra or ""
        self.ended = True
        self.changed()


@asynccontextmanager
async def raw_client(
    url: str, query: Mapping[str, str] | None = None, auth: Any = None, name: str = "raw"
) -> AsyncIterator[RawClient]:
    """Connected, or refused."""
    tasks = Tasks()
    parameters = {"EIO": "4", "transport": "websocket", **(query or {})}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url}/socket.io/", params=parameters, max_msg_size=0, heartbeat=None) as socket,
    ):
        client = RawClient(name, socket)
        tasks.start(client.read(), name)
        await client.send("40" + ("" if auth is None else json.dumps(auth)))
        await client.until(lambda: client.sid is not None or client.refused is not None or client.ended, "CONNECT")
        try:
            yield client
        finally:
            await socket.close()
            await asyncio.sleep(0)
            await tasks.cancel()
