"""A person at a browser, for end-to-end tests: a real Socket.IO client that keeps what it received, byte for byte."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import urlencode

import socketio

Transport = Literal["websocket", "polling"]
CONNECTED_WITHIN_S = 30
_EVENT = "2["  # Socket.IO v5: EVENT, namespace `/`, no ack id; then the array


@dataclass(frozen=True, slots=True)
class Received:
    """An event as it came: `body` is the JSON of its first argument, empty where there was none."""

    name: str
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class _Socket(socketio.AsyncClient):  # type: ignore[misc]
    """Keeps every event before the library parses it."""

    def __init__(self, received: list[Received], **options: Any) -> None:
        super().__init__(**options)
        self._received = received

    async def _handle_eio_message(self, data: Any) -> None:
        if isinstance(data, str) and data.startswith(_EVENT):
            name = json.loads(data[1:])[0]
            head = len(f'2["{name}",')
            self._received.append(Received(name, data[head:-1].encode()))
        await super()._handle_eio_message(data)


class Client:
    """`received` over all connections, in order; `ends` are the reasons of the connections that ended.

    Without `reconnects` a connection that ends stays so: then `ends` empty means that the socket stayed open.
    """

    def __init__(self, user: str, *, role: str = "nurse", transport: Transport = "websocket", reconnects: bool = False):
        self.user = user
        self.received: list[Received] = []
        self.ends: list[str] = []
        self.connections = 0
        self._query = {"user_id": user, "user_name": user.title(), "user_role": role}
        self._transport = transport
        timing = {"reconnection_delay": 0.2, "reconnection_delay_max": 1, "request_timeout": CONNECTED_WITHIN_S}
        self._socket = _Socket(self.received, reconnection=reconnects, **timing)
        self._socket.on("connect", self._connected)
        self._socket.on("disconnect", self.ends.append)

    def _connected(self) -> None:
        self.connections += 1

    async def connect(self, url: str, **auth: str) -> "Client":
        """`auth`: members of the CONNECT packet."""
        query = urlencode(self._query)
        await self._socket.connect(
            f"{url}?{query}", auth=auth or None, transports=[self._transport], wait_timeout=CONNECTED_WITHIN_S
        )
        return self

    @property
    def connected(self) -> bool:
        return bool(self._socket.connected)

    @property
    def sid(self) -> str:
        return cast("str", self._socket.get_sid())

    async def call(self, event: str, timeout: float = 20, **payload: Any) -> dict[str, Any]:
        """The acknowledgement; TimeoutError when none came."""
        try:
            return dict(await self._socket.call(event, payload, timeout=timeout))
        except socketio.exceptions.TimeoutError:
            raise TimeoutError(f"no acknowledgement of {event}") from None

    async def until_ok(self, event: str, within: float = 40, **payload: Any) -> dict[str, Any]:
        """Send the same request until it is accepted; only refusals that invite it are tried again."""
        async with asyncio.timeout(within):
            while (answer := await self.call(event, **payload))["status"] != "ok":
                assert answer["retry"], answer
                await asyncio.sleep(0.2)
        return answer

    def of(self, *names: str) -> list[Received]:
        """What came under these names, in order."""
        return [event for event in self.received if event.name in names]

    async def until(self, done: Callable[[], Any], within: float = 30) -> None:
        """Wait until `done()` is true; AssertionError with the latest events otherwise."""
        try:
            async with asyncio.timeout(within):
                while not done():  # noqa: ASYNC110 - it grows as packets come
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{self.user} waits in vain; ends {self.ends}; {self.received[-5:]}") from None

    async def close(self) -> None:
        await self._socket.shutdown()
