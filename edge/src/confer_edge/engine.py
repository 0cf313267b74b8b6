"""Engine.IO (protocol revision 4): engineio, with sockets of our own and one wheel for all heartbeats.

Each correction is a small named method that cites its reason. The library stays the protocol's brain.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import engineio
from engineio.packet import OPEN, Packet
from engineio.payload import Payload

from confer_edge.engine_socket import Socket
from confer_edge.packets import Outgoing
from confer_edge.wheel import Wheel
from confer_kit.logs import logger
from confer_kit.tasks import Tasks

log = logger(__name__)

Payload.max_decode_packets = 1000  # a portal's burst in one POST is legal; the body's size is the limit

# Called with the Socket.IO packet of a text message, or the bytes of a binary one
OnMessage = Callable[[Socket, bytes, bool], None]


class Engine(engineio.AsyncServer):  # type: ignore[misc]
    """The Engine.IO server of this edge. The callbacks are set by the Socket.IO server above it. `leaving`: no new
    session is taken; the client tries elsewhere."""

    leaving = False

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.queued_max = 0
        self.unsent_max = 0
        self.on_message: OnMessage
        self.on_slow: Callable[[Socket, str], None]
        self._tasks = Tasks()
        self._written: list[Socket] = []
        self._wheel: Wheel | None = None

    def written(self, socket: Socket) -> None:
        """This socket has something to flush at the end of the turn."""
        if not self._written:
            asyncio.get_running_loop().call_soon(self._flush)
        self._written.append(socket)

    def _flush(self) -> None:
        written, self._written = self._written, []
        for socket in written:
            socket.flush()

    def end(self, socket: Socket, reason: str, *, abort: bool = False) -> None:
        """Close from where nothing can be awaited."""
        if not socket.closed and not socket.closing:
            self._tasks.start(socket.close(wait=False, abort=abort, reason=reason), "close")

    def violation(self, socket: Socket, why: str) -> None:
        log.info("protocol violation", reason=why)
        self.end(socket, self.reason.TRANSPORT_ERROR)

    async def _handle_connect(self, environ: dict[str, Any], transport: str, jsonp_index: int | None = None) -> Any:
        """The library names its socket class here, so the handshake is spelled out to use ours."""
        if self.leaving:
            text = b"This edge is going away: connect again."
            return {"status": "503 SERVICE UNAVAILABLE", "headers": [("Content-Type", "text/plain")], "response": text}
        if self._wheel is None:
            self._wheel = Wheel(self.ping_interval, self.ping_timeout)
        sid = self.generate_id()
        socket = self.sockets[sid] = Socket(self, sid)
        socket.write(Outgoing.of(Packet(OPEN, self._handshake(sid, transport))))
        refused = await self._trigger_event("connect", sid, environ, run_async=False)
        if refused is not None and refused is not True:
            del self.sockets[sid]
            return self._unauthorized(refused or None)
        self._wheel.add(socket)
        if transport == "websocket":
            return await socket.handle_get_request(environ)
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
