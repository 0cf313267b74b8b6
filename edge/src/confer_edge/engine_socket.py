"""An Engine.IO session (protocol revision 4) on any transport: what the library does per client with a queue, a task
and an ASGI send is done in place (`outlet`); requests of clients that poll still come by way of the library."""

import asyncio
from typing import TYPE_CHECKING, Any, Final

from engineio import exceptions as eio_exceptions
from engineio.packet import CLOSE, NOOP, Packet
from engineio.packet import PING as PING_PACKET

from confer_edge import metrics
from confer_edge.frames import PING, PONG, TEXT, frame
from confer_edge.outbox import ANSWERS, Outbox
from confer_edge.outlet import Outlet
from confer_edge.packets import Outgoing
from confer_edge.polling import PollingSocket
from confer_edge.rate import Inflow, Verdict
from confer_edge.websocket import EXTENSION, NORMAL, RESTART, WebSocket
from confer_kit.logs import logger

if TYPE_CHECKING:
    from confer_edge.engine import Engine

log = logger(__name__)

CUT_OFF: Final = "cut off"  # beside the library's reasons for an end
_MESSAGE, _PONG, _CLOSE = b"4"[0], b"3"[0], b"1"[0]
_PASSED_OVER: Final = b"56"  # an upgrade that is done, a noop
_PING: Final = Outgoing.of(Packet(PING_PACKET))
_CLOSED: Final = Outgoing.of(Packet(CLOSE))
_NOOP: Final = Outgoing.of(Packet(NOOP))
_PROBE, _PROBED = b"2probe", Outgoing(b"3probe")


class Socket(PollingSocket):
    """An Engine.IO session. `write` puts one packet behind all earlier ones, on any transport."""

    def __init__(self, server: "Engine", sid: str, query: str) -> None:
        super().__init__(server, sid)
        self.query = query  # of the handshake
        self.connected: bool
        self.upgrading: bool
        self.closing: bool
        self.link: WebSocket | None = None
        self.heard = True
        self.inflow = Inflow(server.events_per_s, server.events_burst, asyncio.get_running_loop().time())
        self._close_code, self.close_reason = NORMAL, ""
        self.out = Outlet(Outbox(server.queued_max, server.unsent_max), server.turn, self)

    def write(self, packet: Outgoing) -> None:
        self.out.write(packet)

    async def ready(self) -> None:
        """Wait with the next answer while too much waits for the client."""
        if self.out.crowded():
            await self.taken()

    async def taken(self) -> bool:
        """Wait until the client has read what was written. False: it is gone; or was too slow, and is cut off."""
        try:
            async with asyncio.timeout(self.server.patience_s):
                await self.out.drained()
        except TimeoutError:
            metrics.LIMITS.labels("slow_client").inc()
            self.server.cut(self, f"it has not read what waited for it within {self.server.patience_s:g} s")
            return False
        return not self.out.over

    def cut(self, why: str) -> None:
        self.server.cut(self, why)

    def overflow(self) -> None:
        """Of answers, which nothing can replace."""
        metrics.LIMITS.labels("unsent").inc()
        limits = f"{ANSWERS * self.server.queued_max} packets or {ANSWERS * self.server.unsent_max} bytes"
        self.server.cut(self, f"more than {limits} of answers wait for it")

    async def send(self, pkt: Packet) -> None:
        """The library's own packets take the same way, so that all keep their order."""
        if self.closed:
            raise eio_exceptions.SocketIsClosedError
        self.write(Outgoing.of(pkt))

    # --- in ---------------------------------------------------------------------------------------------

    def receive_frame(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self._pong(payload)
        elif opcode == PONG:
            self.affordable()
        elif opcode != TEXT:
            self.server.on_message(self, payload, True)
        elif not payload:
            self.server.violation(self, "an empty packet")
        elif payload[0] == _MESSAGE:
            self.server.on_message(self, payload[1:], False)
        elif payload[0] == _PONG:
            if self.heard:  # nobody has asked
                self.affordable()
            self.heard = True
        elif payload[0] == _CLOSE:
            self.server.end(self, self.server.reason.CLIENT_DISCONNECT)
        elif payload[0] not in _PASSED_OVER:
            self.server.violation(self, "not an Engine.IO packet")
        else:
            self.affordable()

    def _pong(self, payload: bytes) -> None:
        if self.affordable():
            self.out.write(Outgoing(payload, opcode=PONG))

    def affordable(self) -> bool:
        """What nobody needs costs as much as an event."""
        verdict = self.inflow.judge(b"", asyncio.get_running_loop().time())
        if verdict is not Verdict.PASS:
            self.server.on_flood(self, b"", verdict)
        return verdict is Verdict.PASS

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

    def begin(self, link: WebSocket, first: bytes) -> None:
        """On a WebSocket from the beginning; the first packet leaves with the acceptance."""
        self.connected = True
        link.accept(frame(first, TEXT))
        self._live(link)
        link.attach(self)

    async def _upgrade_websocket(self, environ: dict[str, Any]) -> Any:
        """Accept, and let the ASGI task end: the socket lives on in its protocol object."""
        link = environ["asgi.scope"].get("extensions", {}).get(EXTENSION)
        if link is None or self.upgraded or self.upgrading:
            return self.server._bad_request("This session has a WebSocket already")
        await environ["asgi.send"]({"type": "websocket.accept"})
        if self.connected:
            self.upgrading = True
            link.attach(_Upgrade(self, link))
            asyncio.get_running_loop().call_later(self.server.upgrade_s, self._give_up_upgrade, link)
        else:
            self.connected = True
            self._live(link)
            link.attach(self)
        return ""  # the response is over

    def probe(self, link: WebSocket, opcode: int, payload: bytes) -> None:
        """Engine.IO v4, "Upgrading": ping probe, pong probe, the poll is released, upgrade."""
        if opcode == TEXT and payload == _PROBE:
            link.write(_PROBED.wire)
            self.out.release(_NOOP)
        elif opcode == TEXT and payload[:1] == b"5" and not self.closed:
            metrics.UPGRADES.labels("succeeded").inc()
            link.pass_on(self)
            self._live(link)
        elif opcode == PING and self.affordable():
            link.write(frame(payload, PONG))
        elif opcode not in (PING, PONG):
            link.close()

    def _give_up_upgrade(self, link: WebSocket) -> None:
        """As the reference implementation's upgradeTimeout; the session goes on by polling, or has ended."""
        if self.link is not link:
            link.close()

    def probe_failed(self) -> None:
        metrics.UPGRADES.labels("failed").inc()
        self.upgrading = False

    def _live(self, link: WebSocket) -> None:
        self.upgraded, self.upgrading, self.link = True, False, link
        self.out.attach(link)

    def link_writable(self) -> None:
        self.out.resume()

    def link_lost(self) -> None:
        if not self.closed:
            self.link = None
            self.out.end(_NOOP)
            self.server.end(self, self.server.reason.TRANSPORT_CLOSE, abort=True)

    # --- the end ------------------------------------------------------------------------------------------

    async def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:
        self.finish(reason or self.server.reason.SERVER_DISCONNECT, abort=abort)

    def finish(self, reason: str, *, abort: bool = False) -> None:
        """Tell the application once, then the client. A pending GET is answered when its session closes."""
        if self.closed or self.closing:
            return
        self.closing = True
        self.server.addresses.leave(self.sid)
        self.server.on_end(self.sid, reason)
        told = not abort and self._close_code == NORMAL
        self.out.end(_CLOSED if told else _NOOP)
        self.closed = True
        link, self.link = self.link, None
        if link is None:  # its next GET is told the end; but perhaps none comes
            asyncio.get_running_loop().call_later(self.server.ping_timeout, self.server.sockets.pop, self.sid, None)
            return
        self.server.sockets.pop(self.sid, None)
        if abort:
            link.transport.abort()
        else:
            if told:
                link.write(_CLOSED.wire)
            link.close(self._close_code, self.close_reason)

    async def send_away(self, code: int = RESTART, why: str = "") -> None:
        """End the connection so that the client comes back by itself.

        A WebSocket is closed with this code and reason. Who polls is told by a CLOSE packet, alone in its payload:
        what comes beside it the stock client keeps until it is back, without having moved its offset, and shows it a
        second time. Python's client would stay away after one. Whoever is not told comes back after a request that
        fails.
        """
        if self.link is not None:
            self._close_code, self.close_reason = code, why
        untold = self.link is None and from_python(self.query)
        reason = self.server.reason.TRANSPORT_CLOSE if code == RESTART else CUT_OFF
        await self.close(wait=False, abort=untold, reason=reason)


class _Upgrade:
    """Has the WebSocket until the client says that it is to be used."""

    def __init__(self, socket: Socket, link: WebSocket) -> None:
        self._socket = socket
        self._link = link

    def receive_frame(self, opcode: int, payload: bytes) -> None:
        self._socket.probe(self._link, opcode, payload)

    def link_lost(self) -> None:
        self._socket.probe_failed()

    def link_writable(self) -> None: ...


def from_python(query: str) -> bool:
    """Whether a handshake is python-socketio's: its query has the revision at the end, that of others before it."""
    return "&transport=" in f"&{query}" and "EIO=4" in query.rpartition("transport=")[2]
