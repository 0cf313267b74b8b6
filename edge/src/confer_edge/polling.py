"""The requests of an Engine.IO session that polls, which come by way of the library."""

import asyncio
import base64
from typing import Any, Final

from engineio import exceptions as eio_exceptions
from engineio.async_socket import AsyncSocket
from engineio.packet import Packet

from confer_edge import metrics
from confer_edge.bodies import BODY, TOO_LARGE
from confer_edge.frames import BINARY, TEXT
from confer_edge.outlet import Outlet
from confer_kit.logs import logger

log = logger(__name__)

PACKETS_PER_POST_MAX: Final = 1000  # a portal's burst in one POST is legal; the body's size is the limit
_SEPARATOR: Final = "\x1e"


class PollingSocket(AsyncSocket):  # type: ignore[misc]
    """`parting`: how the GET is answered that waits when the client is turned away."""

    out: Outlet
    closed: bool

    def __init__(self, server: Any, sid: str) -> None:
        super().__init__(server, sid)
        self.parting: dict[str, Any] | None = None
        self._is_posting = False

    def receive_frame(self, opcode: int, payload: bytes) -> None:
        """A packet came, as by WebSocket."""
        raise NotImplementedError

    def affordable(self) -> bool:
        """Whether the client may still send what nobody needs."""
        raise NotImplementedError

    async def poll(self) -> list[Packet]:
        """What one GET gets. A second one beside one that waits ends the session (Engine.IO v4, "Receiving data"): the
        library would give each a part of the packets."""
        if self.out.polled:
            raise eio_exceptions.QueueEmpty
        try:
            packets = await self.out.fetch(self.server.ping_interval + self.server.ping_timeout)
        except (TimeoutError, asyncio.CancelledError):
            raise eio_exceptions.QueueEmpty from None
        return [packet.packet for packet in packets]

    async def handle_get_request(self, environ: dict[str, Any]) -> Any:
        answer = await super().handle_get_request(environ)
        return self.parting if self.parting is not None and isinstance(answer, list) else answer

    async def handle_post_request(self, environ: dict[str, Any]) -> None:
        """What is too large or broken ends the session at once; the library would answer 200, or first wait until the
        client has fetched what is queued. So does a second POST beside one that is not whole yet (Engine.IO v4,
        "Sending data"): its packets would come before the first one's."""
        try:
            if self._is_posting:
                raise ValueError("two POSTs at once")
            self._is_posting = True
            try:
                body = await self._body(environ)
            finally:
                self._is_posting = False
            await self._receive_payload(body)
        except ValueError as error:
            if not self.closed:
                metrics.VIOLATIONS.inc()
                log.info("protocol violation", reason=type(error).__name__)
            await self.close(wait=False, reason=self.server.reason.TRANSPORT_ERROR)
            self.server.sockets.setdefault(self.sid, self)  # the library has an answer for those alone whom it knows
            raise eio_exceptions.EngineIOError from None

    async def _body(self, environ: dict[str, Any]) -> str:
        """A body may come without Content-Length (RFC 9112, 6.3). ValueError: it is too large, or no text."""
        scope = environ["asgi.scope"]
        if int(environ.get("CONTENT_LENGTH", "0")) > self.server.max_http_buffer_size:
            scope[BODY] = TOO_LARGE
            raise ValueError(TOO_LARGE)
        body: bytes = await environ["wsgi.input"].read()
        if BODY in scope:
            raise ValueError(scope[BODY])
        return body.decode()

    async def _receive_payload(self, body: str) -> None:
        """Each packet takes the way of a WebSocket's frames, its text as it came; the library would parse what looks
        like JSON (Engine.IO v4, "HTTP long-polling"). ValueError: it breaks the protocol."""
        packets = body.split(_SEPARATOR) if body else []
        if len(packets) > PACKETS_PER_POST_MAX:
            raise ValueError("too many packets")
        if self.closed:
            raise ValueError("the session has ended meanwhile")
        if not packets:
            self.affordable()
        for packet in packets:
            if self.closed:
                return
            if packet.startswith("b"):
                self.receive_frame(BINARY, base64.b64decode(packet[1:], validate=True))
            elif packet.startswith("1"):
                await self.close(wait=False, abort=True, reason=self.server.reason.CLIENT_DISCONNECT)
                return
            elif packet[:1] in ("3", "4", "5", "6"):
                self.receive_frame(TEXT, packet.encode())
            else:
                raise ValueError("not an Engine.IO packet")
