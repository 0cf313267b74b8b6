"""A WebSocket as uvicorn's protocol class. An ordinary handshake is answered in place (`Engine.open`); any other passes
through ASGI and engineio, whose task then ends. The socket lives here, without queue, task or copy in between."""

import asyncio
import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final, Protocol, cast
from urllib.parse import unquote

from confer_edge import metrics
from confer_edge.batch import Batch
from confer_edge.frames import CLOSE, Reader, Violation, close_frame
from confer_kit.logs import logger

log = logger(__name__)

EXTENSION: Final = "confer.websocket"
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
EARLY_BYTES_MAX: Final = 64 * 1024  # frames that come before the upgrade is answered
HANDSHAKE_BYTES_MAX: Final = 8 * 1024
CLOSING_S: Final = 5.0
NORMAL, RESTART, TRY_AGAIN_LATER = 1000, 1012, 1013


class Receiver(Protocol):
    """Whoever a connection belongs to."""

    def receive_frame(self, opcode: int, payload: bytes) -> None:
        """A message, PING or PONG."""

    def link_lost(self) -> None:
        """The end; once."""

    def link_writable(self) -> None:
        """It is not `paused` any more."""


class WebSocket(asyncio.Protocol):
    """One connection. `attach` gives it to whoever receives its messages. `paused`: the peer reads more slowly than
    it is sent to, and what is written now only grows the transport's buffer. `direct`: all that was written has left,
    so that the next may go past the transport to `fd`. `free`: what comes for everybody may go there as well."""

    __slots__ = (
        "_app", "_closing", "_early", "_events", "_key", "_open", "_reader", "_receiver", "_server", "_size_max",
        "direct", "fd", "free", "paused", "transport",
    )  # fmt: skip

    def __init__(self, config: Any, server_state: Any, app_state: Any, _loop: Any = None) -> None:
        self._app = config.loaded_app
        self._server = server_state
        self._size_max = config.ws_max_size
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._key = b""
        self._early = b""
        self._events: asyncio.Queue[dict[str, Any]] | None = None
        self._reader: Reader | None = None
        self._receiver: Receiver | None = None
        self._closing = False
        self.fd = -1  # the socket's; -1: it is the transport's alone
        self.direct = False
        self._open = False  # whoever reads it takes what comes for everybody
        self.free = False
        self.paused = False

    # --- uvicorn and the event loop call these --------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """An exception that escaped from here would cost the connection without a word."""
        if self._receiver is not None:
            self._receive(data)
        elif len(self._early) + len(data) > EARLY_BYTES_MAX:
            self.transport.abort()
        else:
            self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._end_directness()
        receiver, self._receiver = self._receiver, _NOBODY
        if receiver is not None:
            receiver.link_lost()
        elif self._events is not None:
            self._events.put_nowait({"type": "websocket.disconnect", "code": 1006})

    def eof_received(self) -> None: ...

    def pause_writing(self) -> None:
        self.paused, self.free = True, False

    def resume_writing(self) -> None:
        self.paused = False
        if self._receiver is not None:
            self._receiver.link_writable()

    def shutdown(self) -> None:
        """uvicorn stops; the edge has said goodbye to its clients before."""
        self.close(RESTART)

    # --- the upgrade ----------------------------------------------------------------------------------

    def scope(self, request: Mapping[str, Any], target: bytes) -> dict[str, Any] | None:
        """The ASGI scope of a handshake that uvicorn has parsed, with this object in it; None: it is refused."""
        headers = request["headers"]
        if len(target) + sum(map(len, chain.from_iterable(headers))) > HANDSHAKE_BYTES_MAX:
            self._refuse(b"HTTP/1.1 400 Bad Request\r\n")
            return None
        told = dict(headers)
        self._key = told.get(b"sec-websocket-key", b"")
        if told.get(b"sec-websocket-version") != b"13" or not _is_key(self._key):
            self._refuse(b"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n")
            return None
        path, _, query = target.partition(b"?")
        return {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if request["scheme"] == "https" else "ws",
            "server": request["server"],
            "client": request["client"],
            "root_path": "",
            "path": unquote(path.decode("ascii", "replace")),
            "raw_path": path,
            "query_string": query,
            "headers": headers,
            "subprotocols": [],
            "state": {},
            "extensions": {EXTENSION: self},
        }

    def run(self, scope: dict[str, Any]) -> None:
        """The application decides."""
        self._events = asyncio.Queue()
        self._events.put_nowait({"type": "websocket.connect"})
        task = asyncio.get_running_loop().create_task(self._run(scope))
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    async def _run(self, scope: dict[str, Any]) -> None:
        assert self._events is not None
        try:
            await self._app(scope, self._events.get, self._send)
        except Exception:
            log.exception("an upgrade failed")
        if self._receiver is None:
            self.transport.close()
        self._events = None

    async def _send(self, message: dict[str, Any]) -> None:
        """What ASGI wants sent before the socket is attached: the acceptance, or a refusal."""
        if message["type"] == "websocket.accept":
            self.accept()
        elif message["type"] == "websocket.http.response.start":
            lines = b"".join(b"%b: %b\r\n" % header for header in message["headers"])
            self.transport.write(b"HTTP/1.1 %d Refused\r\n%bConnection: close\r\n\r\n" % (message["status"], lines))
        elif message["type"] == "websocket.http.response.body":
            self.transport.write(message.get("body", b""))
        elif message["type"] == "websocket.close":
            self._refuse(b"HTTP/1.1 403 Forbidden\r\n")

    def accept(self, first: bytes = b"") -> None:
        """RFC 6455, 4.2.2; with the first frames, where they are known already."""
        digest = base64.b64encode(hashlib.sha1(self._key + _GUID, usedforsecurity=False).digest())
        self._key = b""
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n%b" % (digest, first)
        )

    def _refuse(self, head: bytes) -> None:
        self.transport.write(head + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        self.transport.close()

    # --- the life of the socket -----------------------------------------------------------------------

    def attach(self, receiver: Receiver) -> None:
        """From now on it is this one's."""
        self._reader = Reader(self._size_max)
        if not self.transport.is_closing() and not self.transport.get_extra_info("sslcontext"):
            self.fd = self.transport.get_extra_info("socket").fileno()
        self._receiver = receiver
        early, self._early = self._early, b""
        if self.transport.is_closing():
            asyncio.get_running_loop().call_soon(self.connection_lost, None)
        elif early:
            self._receive(early)

    def let(self, *, open: bool) -> None:  # noqa: A002
        """Whether what comes for everybody may pass."""
        self._open = open
        self.free = open and self.direct

    def pass_on(self, receiver: Receiver) -> None:
        """Somebody else has it from now on."""
        self._receiver = receiver

    def write(self, data: bytes) -> None:
        """Behind all that was written before; nothing after a close frame (RFC 6455, 5.5.1). Straight to the socket
        while the transport holds nothing (ADR 17); what the socket does not take is the transport's, and so is every
        error: it tells `connection_lost`."""
        if self.direct or self._may_be_direct():
            try:
                sent = os.write(self.fd, data)
            except OSError:
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
        self._give_to_transport(data)

    def go_on(self, data: bytes, sent: int) -> None:
        """A batch has written so many bytes to the socket; -1: nobody knows."""
        if sent < 0:
            self.transport.abort()
        elif sent < len(data):
            self._give_to_transport(data[sent:])

    def _give_to_transport(self, data: bytes) -> None:
        self.direct = self.free = False
        if not self._closing:
            self.transport.write(data)

    def _may_be_direct(self) -> bool:
        self.direct = self.fd >= 0 and not self.transport.get_write_buffer_size()
        self.free = self.direct and self._open
        return self.direct

    def _end_directness(self) -> None:
        """From here on the descriptor may become another connection's."""
        self._closing, self.direct, self.free, self.fd = True, False, False, -1

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Send what is queued and a close frame; cut after five seconds if the peer does not read."""
        if not self._closing:
            self._end_directness()
            self.transport.write(close_frame(code, reason))
            self.transport.close()
            asyncio.get_running_loop().call_later(CLOSING_S, self.transport.abort)

    def _receive(self, data: bytes) -> None:
        assert self._reader is not None and self._receiver is not None
        try:
            for opcode, payload in self._reader.feed(data):
                if self._closing:
                    return
                if opcode == CLOSE:
                    self.close(int.from_bytes(payload[:2]) if payload else NORMAL)
                else:
                    self._receiver.receive_frame(opcode, payload)
        except Violation as violation:
            metrics.VIOLATIONS.inc()
            log.info("protocol violation", reason=violation.reason)
            self.close(violation.code, violation.reason)
        except Exception:
            log.exception("a message could not be handled")
            self.close(1011)


def write_all(links: Sequence[WebSocket], data: Sequence[bytes], batch: Batch) -> None:
    """As `write` to each of them what is its own; all are direct."""
    for at in range(0, len(links), batch.size):
        some, theirs = links[at : at + batch.size], data[at : at + batch.size]
        took = batch.write([link.fd for link in some], theirs)
        if took is not None:
            for link, one, sent in zip(some, theirs, took, strict=True):
                link.go_on(one, sent)


class _Nobody:
    def receive_frame(self, opcode: int, payload: bytes) -> None: ...

    def link_lost(self) -> None: ...

    def link_writable(self) -> None: ...


_NOBODY: Final = _Nobody()


def _is_key(value: bytes) -> bool:
    """RFC 6455, 4.1: 16 bytes in base64."""
    try:
        return len(base64.b64decode(value, validate=True)) == 16
    except ValueError:
        return False
