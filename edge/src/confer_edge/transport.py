"""python-socketio and engineio, corrected where they differ from the specifications or from what we promise.

Each correction is a small named method that cites its reason. The library stays the protocol's brain.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import engineio
import socketio
from engineio import exceptions as eio_exceptions
from engineio.async_socket import AsyncSocket
from engineio.packet import NOOP, OPEN, Packet
from engineio.payload import Payload
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from confer_edge.packets import OrJson
from confer_edge.settings import EdgeSettings
from confer_edge.unparsed import UnparsedEvent, unparsed_event
from confer_kit.logs import logger

log = logger(__name__)

Payload.max_decode_packets = 1000  # a portal's burst in one POST is legal; the body's size is the limit
PACKETS_PER_GET_MAX: Final = 16  # python's own polling client drops a GET with more

OnEvent = Callable[[str, list[Any], int | None], Awaitable[None]]
OnBad = Callable[[str, UnparsedEvent], Awaitable[None]]
OnSession = Callable[[str, str], None]


class Socket(AsyncSocket):  # type: ignore[misc]
    """An Engine.IO session with a bounded queue."""

    def __init__(self, server: "Engine", sid: str) -> None:
        super().__init__(server, sid)
        self._waits_for_more = False

    async def poll(self) -> list[Packet]:
        """At most 16 packets for one GET or one turn of the WebSocket's writer; the rest stays queued, in order."""
        if self.queue.empty():
            self._waits_for_more = True
        try:
            first = await asyncio.wait_for(self.queue.get(), self.server.ping_interval + self.server.ping_timeout)
        except (TimeoutError, asyncio.CancelledError):
            raise eio_exceptions.QueueEmpty from None
        self.queue.task_done()
        packets: list[Packet] = []
        while first is not None:
            packets.append(first)
            if len(packets) == PACKETS_PER_GET_MAX or self.queue.empty():
                return packets
            first = self.queue.get_nowait()
            self.queue.task_done()
        if packets:  # the end mark comes after these
            self.queue.put_nowait(None)
        return packets

    async def receive(self, pkt: Packet) -> None:
        """A packet of no known type ends the session (Engine.IO v4, "packet encoding"); the library passes over it."""
        try:
            await super().receive(pkt)
        except (eio_exceptions.UnknownPacketError, IndexError):
            await self.close(wait=False, reason=self.server.reason.TRANSPORT_ERROR)
            raise

    async def handle_post_request(self, environ: dict[str, Any]) -> None:
        """What is too large or broken ends the session at once; the library would first wait until the client has
        fetched what is queued."""
        try:
            await super().handle_post_request(environ)
        except eio_exceptions.EngineIOError:
            await self.close(wait=False, reason=self.server.reason.TRANSPORT_ERROR)
            raise

    async def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:
        """A pending GET is answered when the session closes, and a WebSocket is closed, not left to the client
        (Engine.IO v4, "closing the connection")."""
        await super().close(wait=wait, abort=abort, reason=reason)
        if self.closed:
            self.queue.put_nowait(None if self.upgraded else Packet(NOOP))

    async def all_fetched(self) -> None:
        """Wait until the client has everything and waits for more: an end between two polls does not reach it, and
        the stock client drops what comes in one payload with a CLOSE packet."""
        while not self._waits_for_more:  # noqa: ASYNC110 - for a moment, once
            await asyncio.sleep(0.01)

    async def send_away(self, query: str) -> None:
        """End the connection, after what is queued, so that the client comes back by itself; `query` is that of its
        handshake.

        Who polls is told by a CLOSE packet, except python's client: it would stay away, and comes back after a
        request that fails. A WebSocket is closed.
        """
        told = not self.upgraded and not from_python(query)
        await self.close(wait=False, abort=not told, reason=self.server.reason.TRANSPORT_CLOSE)

    def queue_packet(self, packet: Packet, queued_max: int) -> bool:
        """Put a packet behind all others; False when too many wait: the client is too slow."""
        if self.closed:
            return True
        if self.queue.qsize() >= queued_max:
            return False
        self._waits_for_more = False
        self.queue.put_nowait(packet)
        return True


def from_python(query: str) -> bool:
    """Whether a handshake is python-socketio's: its query has the revision at the end, that of others before it."""
    return "&transport=" in f"&{query}" and "EIO=4" in query.rpartition("transport=")[2]


class Engine(engineio.AsyncServer):  # type: ignore[misc]
    """Engine.IO (protocol revision 4). `leaving`: no new session is taken; the client tries elsewhere."""

    leaving = False

    async def _handle_connect(self, environ: dict[str, Any], transport: str, jsonp_index: int | None = None) -> Any:
        """The library names its socket class here, so the handshake is spelled out to use ours."""
        if self.leaving:
            text = b"This edge is going away: connect again."
            return {"status": "503 SERVICE UNAVAILABLE", "headers": [("Content-Type", "text/plain")], "response": text}
        if self.start_service_task:  # type: ignore[has-type]
            self.start_service_task = False
            self.service_task_handle = self.start_background_task(self._service_task)
        sid = self.generate_id()
        socket = self.sockets[sid] = Socket(self, sid)
        await socket.send(Packet(OPEN, self._handshake(sid, transport)))
        refused = await self._trigger_event("connect", sid, environ, run_async=False)
        if refused is not None and refused is not True:
            del self.sockets[sid]
            return self._unauthorized(refused or None)
        socket.schedule_ping()
        if transport == "websocket":
            answer = await socket.handle_get_request(environ)
            if socket.closed:
                self.sockets.pop(sid, None)
            return answer
        socket.connected = True
        return self._ok(await socket.poll(), jsonp_index=jsonp_index)

    def _handshake(self, sid: str, transport: str) -> dict[str, Any]:
        """Milliseconds; the library rounds an interval to whole seconds."""
        return {
            "sid": sid,
            "upgrades": self._upgrades(sid, transport),
            "pingTimeout": int(self.ping_timeout * 1000),
            "pingInterval": int(self.ping_interval * 1000),
            "maxPayload": self.max_http_buffer_size,
        }


class Server(socketio.AsyncServer):  # type: ignore[misc]
    """Socket.IO (protocol revision 5) whose events go to one receiver, in the order in which they came."""

    def __init__(self, settings: EdgeSettings, origins: list[str]) -> None:
        super().__init__(
            async_mode="asgi",
            json=OrJson,
            cors_allowed_origins=origins,
            cors_credentials=False,
            ping_interval=settings.ping_interval_s,
            ping_timeout=settings.ping_timeout_s,
            max_http_buffer_size=settings.payload_bytes_max,
            logger=False,
            engineio_logger=False,
        )
        self.on_event: OnEvent
        self.on_bad_event: OnBad
        self.on_opened: OnSession
        self.on_closed: OnSession

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        """After the library's handshake, so that nothing precedes the CONNECT packet."""
        if self.manager.sid_from_eio_sid(eio_sid, namespace or "/") is not None:
            return  # a second CONNECT changes nothing
        await super()._handle_connect(eio_sid, namespace, data)
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace or "/")
        if sid is not None and self.manager.is_connected(sid, namespace or "/"):
            self.on_opened(sid, eio_sid)

    async def _handle_disconnect(self, eio_sid: str, namespace: str | None, reason: str | None = None) -> None:
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace or "/")
        await super()._handle_disconnect(eio_sid, namespace, reason)
        if sid is not None:
            self.on_closed(sid, reason or "")

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str | None) -> None:
        """A Socket.IO DISCONNECT means to go. An Engine.IO close alone is a lost connection: the stock client comes
        back after it by itself."""
        own = reason == self.reason.CLIENT_DISCONNECT
        await super()._handle_eio_disconnect(eio_sid, self.reason.TRANSPORT_CLOSE if own else reason)

    async def _handle_event(self, eio_sid: str, namespace: str | None, id: int | None, data: Any) -> None:  # noqa: A002
        """An event is a non-empty array that begins with a name (Socket.IO v5, "Packet types"); else close."""
        if not isinstance(data, list) or not data or not isinstance(data[0], str):
            await self._violation(eio_sid, "an event must be an array that begins with its name")
            return
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace or "/")
        if sid is not None and self.manager.is_connected(sid, namespace or "/"):
            await self.on_event(sid, data, id)

    async def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        """A packet that does not parse closes the connection; JSON that is only unacceptable gets an error ack."""
        try:
            await super()._handle_eio_message(eio_sid, data)
        except (ValueError, TypeError, IndexError, KeyError, AttributeError, RecursionError) as error:
            self._binary_packet.pop(eio_sid, None)
            sid = self.manager.sid_from_eio_sid(eio_sid, "/")
            event = unparsed_event(data) if isinstance(data, str) and sid else None
            if event is None or sid is None:
                await self._violation(eio_sid, f"not a Socket.IO packet: {type(error).__name__}")
            else:
                await self.on_bad_event(sid, event)

    async def _violation(self, eio_sid: str, why: str) -> None:
        log.info("protocol violation", reason=why)
        socket = self.eio.sockets.get(eio_sid)
        if socket is not None:
            await socket.close(wait=False, reason=self.eio.reason.TRANSPORT_ERROR)


def bounded_bodies(application: ASGIApp, bytes_max: int) -> ASGIApp:
    """A body beyond the limit is not read on: the library collects all of it before it looks at Content-Length."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        taken = 0

        async def bounded() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b"")) if message["type"] == "http.request" else 0
            return message if taken <= bytes_max else {"type": "http.request", "body": b"", "more_body": False}

        await application(scope, bounded if scope["type"] == "http" else receive, send)

    return serve
