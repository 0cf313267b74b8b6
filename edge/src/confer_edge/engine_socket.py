"""An Engine.IO session (protocol revision 4) on any transport: what the library does per client with a queue, a task
and an ASGI send is done in place for WebSockets; who polls stays on the library's way."""

import asyncio
import base64
from typing import TYPE_CHECKING, Any, Final

from engineio import exceptions as eio_exceptions
from engineio.async_socket import AsyncSocket
from engineio.packet import CLOSE, NOOP, Packet
from engineio.packet import PING as PING_PACKET

from confer_edge.frames import BINARY, PING, PONG, TEXT, frame
from confer_edge.packets import Outgoing
from confer_edge.rate import Inflow, Verdict
from confer_edge.websocket import EXTENSION, NORMAL, RESTART, WebSocket
from confer_kit.logs import logger

if TYPE_CHECKING:
    from confer_edge.engine import Engine

log = logger(__name__)

PACKETS_PER_GET_MAX: Final = 16  # python's own polling client drops a GET with more
PACKETS_PER_POST_MAX: Final = 1000  # a portal's burst in one POST is legal; the body's size is the limit
_SEPARATOR: Final = "\x1e"
_MESSAGE, _PONG, _CLOSE = b"4"[0], b"3"[0], b"1"[0]
_PASSED_OVER: Final = b"56"  # an upgrade that is done, a noop
_PING: Final = Outgoing.of(Packet(PING_PACKET))
_CLOSED: Final = Outgoing.of(Packet(CLOSE))
_NOOP: Final = Outgoing.of(Packet(NOOP))
_PROBE, _PROBED = b"2probe", Outgoing(b"3probe")


class Socket(AsyncSocket):  # type: ignore[misc]
    """An Engine.IO session. `write` puts one packet behind all earlier ones; what is written within one turn of the
    event loop leaves as one write."""

    def __init__(self, server: "Engine", sid: str) -> None:
        super().__init__(server, sid)
        self.connected: bool
        self.upgrading: bool
        self.closing: bool
        self.closed: bool
        self.link: WebSocket | None = None
        self.heard = True
        self.inflow = Inflow(server.events_per_s, server.events_burst, asyncio.get_running_loop().time())
        self._turn: list[bytes] | None = None  # what this turn has written so far
        self._waits_for_more = False
        self._polled = False  # a GET waits for packets
        self._close_code = NORMAL

    # --- out --------------------------------------------------------------------------------------------

    def write(self, outgoing: Outgoing) -> None:
        """Bounded: a client that does not read is cut off (`on_slow`)."""
        if self.link is not None:
            if self._turn is None:
                self._turn = [outgoing.wire]
                self.server.written(self)
            else:
                self._turn.append(outgoing.wire)
        elif not self.closed:
            if self.queue.qsize() >= self.server.queued_max:
                self.server.on_slow(self, f"more than {self.server.queued_max} packets wait for it")
            else:
                self._waits_for_more = False
                self.queue.put_nowait(outgoing.packet)

    def flush(self) -> None:
        """The end of the turn: one write for all of it."""
        frames, self._turn = self._turn, None
        if not frames or self.link is None:
            return
        transport = self.link.transport
        transport.write(frames[0] if len(frames) == 1 else b"".join(frames))
        if transport.get_write_buffer_size() > self.server.unsent_max:
            self.server.on_slow(self, f"more than {self.server.unsent_max} bytes wait for it")

    async def send(self, pkt: Packet) -> None:
        """The library's own packets take the same way, so that all keep their order."""
        if self.closed:
            raise eio_exceptions.SocketIsClosedError
        self.write(Outgoing.of(pkt))

    # --- in ---------------------------------------------------------------------------------------------

    def receive_frame(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self._pong(self.link, payload)
        elif opcode != TEXT:
            self.server.on_message(self, payload, True)
        elif not payload:
            self.server.violation(self, "an empty packet")
        elif payload[0] == _MESSAGE:
            self.server.on_message(self, payload[1:], False)
        elif payload[0] == _PONG:
            if self.heard:  # nobody has asked
                self._affordable()
            self.heard = True
        elif payload[0] == _CLOSE:
            self.server.end(self, self.server.reason.CLIENT_DISCONNECT)
        elif payload[0] not in _PASSED_OVER:
            self.server.violation(self, "not an Engine.IO packet")
        else:
            self._affordable()

    def _pong(self, link: WebSocket | None, payload: bytes) -> None:
        if link is not None and self._affordable():
            link.transport.write(frame(payload, PONG))

    def _affordable(self) -> bool:
        """What nobody needs costs as much as an event."""
        verdict = self.inflow.judge(b"", asyncio.get_running_loop().time())
        if verdict is not Verdict.PASS:
            self.server.on_flood(self, b"", verdict)
        return verdict is Verdict.PASS

    async def _receive_payload(self, body: str) -> None:
        """By POST (Engine.IO v4, "HTTP long-polling"): each packet takes the way of a WebSocket's frames, its text as
        it came; the library would parse what looks like JSON. ValueError: it breaks the protocol."""
        packets = body.split(_SEPARATOR) if body else []
        if len(packets) > PACKETS_PER_POST_MAX:
            raise ValueError("too many packets")
        if not packets:
            self._affordable()
        for packet in packets:
            if packet.startswith("b"):
                self.receive_frame(BINARY, base64.b64decode(packet[1:], validate=True))
            elif packet.startswith("1"):
                await self.close(wait=False, abort=True, reason=self.server.reason.CLIENT_DISCONNECT)
                return
            elif packet[:1] in ("3", "4", "5", "6"):
                self.receive_frame(TEXT, packet.encode())
            else:
                raise ValueError("not an Engine.IO packet")

    # --- heartbeat (the wheel calls these) ----------------------------------------------------------------

    def ping(self) -> None:
        self.write(_PING)

    def silent(self) -> None:
        self.server.end(self, self.server.reason.PING_TIMEOUT)

    def schedule_ping(self) -> None:
        """The wheel has it from the beginning."""

    async def check_ping_timeout(self) -> bool:
        return not self.closed

    # --- the upgrade --------------------------------------------------------------------------------------

    async def _upgrade_websocket(self, environ: dict[str, Any]) -> Any:
        """Accept, and let the ASGI task end: the socket lives on in its protocol object."""
        link = environ["asgi.scope"].get("extensions", {}).get(EXTENSION)
        if link is None or self.upgraded or self.upgrading:
            return self.server._bad_request("This session has a WebSocket already")
        await environ["asgi.send"]({"type": "websocket.accept"})
        if self.connected:
            self.upgrading = True
            link.attach(lambda opcode, payload: self._probe(link, opcode, payload), self._probe_failed)
        else:
            self.connected = True
            self._live(link)
        return ""  # the response is over

    def _probe(self, link: WebSocket, opcode: int, payload: bytes) -> None:
        """Engine.IO v4, "Upgrading": ping probe, pong probe, the poll is released, upgrade."""
        if opcode == TEXT and payload == _PROBE:
            link.transport.write(_PROBED.wire)
            self.queue.put_nowait(_NOOP.packet)
        elif opcode == TEXT and payload[:1] == b"5" and not self.closed:
            link._on_message, link._on_lost = self.receive_frame, self._lost
            self._live(link, attached=True)
        elif opcode == PING:
            self._pong(link, payload)
        else:
            link.close()

    def _probe_failed(self) -> None:
        self.upgrading = False

    def _live(self, link: WebSocket, *, attached: bool = False) -> None:
        """From here on every write goes to the WebSocket; what waited for a poll goes first."""
        waiting = []
        while not self.queue.empty():
            packet = self.queue.get_nowait()
            self.queue.task_done()
            if packet is not None and packet.packet_type != NOOP:
                waiting.append(packet)
        self.upgraded, self.upgrading, self.link = True, False, link
        link.transport.set_write_buffer_limits(high=self.server.unsent_max)
        for packet in waiting:
            self.write(Outgoing.of(packet))
        if not attached:
            link.attach(self.receive_frame, self._lost)

    def _lost(self) -> None:
        if not self.closed:
            self.link = None
            self.server.end(self, self.server.reason.TRANSPORT_CLOSE, abort=True)

    # --- the end ------------------------------------------------------------------------------------------

    async def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:
        """Tell the application once, then the client. A pending GET is answered when its session closes."""
        if self.closed or self.closing:
            return
        self.closing = True
        await self.server._trigger_event(
            "disconnect", self.sid, reason or self.server.reason.SERVER_DISCONNECT, run_async=False
        )
        told = not abort and self._close_code != RESTART
        if told:
            self.write(_CLOSED)
        self.flush()
        self.closed = True
        link, self.link = self.link, None
        if link is not None:
            if abort:
                link.transport.abort()
            else:
                link.close(self._close_code)
        elif not told:
            self.queue.put_nowait(_NOOP.packet)
        if link is not None:
            self.server.sockets.pop(self.sid, None)
        else:  # its next GET is told the end; but perhaps none comes
            asyncio.get_running_loop().call_later(self.server.ping_timeout, self.server.sockets.pop, self.sid, None)

    async def all_fetched(self) -> None:
        """Wait until a client that polls has everything and waits for more: an end between two polls does not reach
        it."""
        while self.link is None and not self._waits_for_more and not self.closed:  # noqa: ASYNC110 - a moment, once
            await asyncio.sleep(0.01)

    async def send_away(self, query: str) -> None:
        """End the connection, after what is queued, so that the client comes back by itself; `query` is that of its
        handshake.

        A WebSocket is closed with 1012. Who polls is told by a CLOSE packet, alone in its payload: what comes beside
        it the stock client keeps until it is back, without having moved its offset, and shows it a second time.
        Python's client would stay away after one. Whoever is not told comes back after a request that fails.
        """
        if self.link is not None:
            self._close_code = RESTART
        untold = self.link is None and (from_python(query) or not self._waits_for_more)
        await self.close(wait=False, abort=untold, reason=self.server.reason.TRANSPORT_CLOSE)

    async def poll(self) -> list[Packet]:
        """At most 16 packets for one GET; the rest stays queued, in order. A second GET beside one that waits ends the
        session (Engine.IO v4, "HTTP long-polling"): the library would give each a part of the packets."""
        if self._polled:
            raise eio_exceptions.QueueEmpty
        if self.queue.empty():
            self._waits_for_more = True
        self._polled = True
        try:
            first = await asyncio.wait_for(self.queue.get(), self.server.ping_interval + self.server.ping_timeout)
        except (TimeoutError, asyncio.CancelledError):
            raise eio_exceptions.QueueEmpty from None
        finally:
            self._polled = False
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

    async def handle_post_request(self, environ: dict[str, Any]) -> None:
        """What is too large or broken ends the session at once; the library would answer 200, or first wait until the
        client has fetched what is queued. A body may come without Content-Length (RFC 9112, 6.3)."""
        size_max = self.server.max_http_buffer_size
        try:
            if int(environ.get("CONTENT_LENGTH", "0")) > size_max:
                raise ValueError("the body is too large")
            body = await environ["wsgi.input"].read()
            if len(body) > size_max:
                raise ValueError("the body is too large")
            await self._receive_payload(body.decode())
        except ValueError as error:
            log.info("protocol violation", reason=type(error).__name__)
            await self.close(wait=False, reason=self.server.reason.TRANSPORT_ERROR)
            raise eio_exceptions.EngineIOError from None


def from_python(query: str) -> bool:
    """Whether a handshake is python-socketio's: its query has the revision at the end, that of others before it."""
    return "&transport=" in f"&{query}" and "EIO=4" in query.rpartition("transport=")[2]
