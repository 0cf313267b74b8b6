"""Socket.IO (protocol revision 5): python-socketio, corrected where it differs from the specification or from what
we promise. Each correction is a small named method that cites its reason."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
import socketio
from engineio.packet import Packet
from socketio.packet import CONNECT_ERROR

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.message import failed
from confer_edge import metrics
from confer_edge.arrivals import Arrivals
from confer_edge.census import Census
from confer_edge.deadlines import Deadlines
from confer_edge.engine import Engine
from confer_edge.engine_socket import Socket
from confer_edge.manager import Manager
from confer_edge.packets import OrJson, Outgoing
from confer_edge.rate import ATTACHMENTS_MAX, Verdict
from confer_edge.settings import EdgeSettings
from confer_edge.unparsed import UnparsedEvent, unparsed_event
from confer_kit.event_log import Unavailable
from confer_kit.logs import logger
from confer_kit.tasks import Tasks

log = logger(__name__)

OnEvent = Callable[[str, list[Any], int | None], None]
OnBad = Callable[[str, UnparsedEvent], None]
Connected = tuple[str, str | None, Callable[[], None]]  # sid, pid, and what to do when the client has been told them
OnConnect = Callable[[str, Any], Connected | Awaitable[Connected]]
OnClosed = Callable[[str, str, str], None]
ACK_DIGITS_MAX: Final = 15
BACKLOG_MAX: Final = 1000  # messages of one client behind one that takes its time


class Server(socketio.AsyncServer):  # type: ignore[misc]
    """Socket.IO (protocol revision 5) whose events go to one receiver, in the order in which they came."""

    def __init__(self, settings: EdgeSettings, origins: list[str]) -> None:
        super().__init__(
            async_mode="asgi",
            json=OrJson,
            client_manager=Manager(),
            monitor_clients=False,  # the wheel does
            transports=settings.served_transports,
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
        self.on_connect: OnConnect
        self.on_closed: OnClosed
        self.eio.events_per_s, self.eio.events_burst = settings.events_per_s, settings.events_burst
        self.eio.addresses = Census(settings.connections_per_address_max, settings.connections_max)
        self.eio.arrivals = Arrivals(
            settings.connects_per_address_per_s, settings.connects_per_address_burst, settings.connections_max
        )
        self.eio.upgrade_s = settings.upgrade_s
        self.eio.queued_max = settings.queued_packets_max
        self.eio.unsent_max = settings.unsent_bytes_max
        self.eio.prefix = settings.route and f"{settings.route}."
        self.eio.on_message = self._on_message
        self.eio.patience_s = settings.slow_client_s
        self.eio.on_open = lambda socket: self._expected.start(socket.sid)
        self.eio.on_end = self._ended
        self._handshake_s = settings.handshake_s
        self._expected: Deadlines[str] = Deadlines(settings.handshake_s, self._no_connect)  # by Engine.IO sid
        self._tasks = Tasks()
        self._greetings: dict[str, list[Packet]] = {}  # by Engine.IO sid: events that wait for the answer to CONNECT
        self._backlogs: dict[str, deque[tuple[bytes, bool]]] = {}  # by Engine.IO sid: behind one that takes its time

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

    # --- coming and going ---------------------------------------------------------------------------------

    def _no_connect(self, eio_sid: str) -> None:
        """A connection costs something before anybody is behind it: so CONNECT has to come soon."""
        socket = self.eio.sockets.get(eio_sid)
        if eio_sid in self._backlogs:  # perhaps it is being answered just now
            self._expected.start(eio_sid)
        elif socket is not None and not socket.closed and not self._namespaces_of(eio_sid):
            metrics.LIMITS.labels("handshake_s").inc()
            self.eio.violation(socket, f"no CONNECT within {self._handshake_s:g} s")

    def _namespaces_of(self, eio_sid: str) -> list[str]:
        return [n for n in self.manager.get_namespaces() if self.manager.sid_from_eio_sid(eio_sid, n) is not None]

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        """CONNECT (Socket.IO v5; `pid` of v4.6). Nothing precedes its answer; a second one changes nothing."""
        if namespace not in (None, "/"):
            await self._connect_beside(eio_sid, namespace, data)
        elif self.manager.sid_from_eio_sid(eio_sid, "/") is None:
            rest = self._connect(eio_sid, data)
            if rest is not None:
                await rest

    def _connect(self, eio_sid: str, auth: Any) -> Awaitable[None] | None:
        """Answered at once, or what has to be awaited for the answer."""
        try:
            begun = self.on_connect(eio_sid, auth)
        except (Rejection, Unavailable) as error:
            self._refuse(eio_sid, error)
            return None
        if not isinstance(begun, tuple):
            return self._connect_later(eio_sid, begun)
        self._admit(eio_sid, *begun)
        return None

    async def _connect_later(self, eio_sid: str, begun: Awaitable[Connected]) -> None:
        try:
            connected = await begun
        except (Rejection, Unavailable) as error:
            self._refuse(eio_sid, error)
        else:
            self._admit(eio_sid, *connected)

    def _admit(self, eio_sid: str, sid: str, pid: str | None, told: Callable[[], None]) -> None:
        socket = self.eio.sockets.get(eio_sid)
        if socket is not None and not socket.closed:
            self._expected.stop(eio_sid)
            self.manager.admit(sid, eio_sid)
            socket.write(Outgoing(b"40" + orjson.dumps({"sid": sid} if pid is None else {"sid": sid, "pid": pid})))
            told()

    def _refuse(self, eio_sid: str, error: Rejection | Unavailable) -> None:
        socket = self.eio.sockets.get(eio_sid)
        if isinstance(error, Unavailable):
            metrics.CONNECTS.labels(ErrorCode.UNAVAILABLE).inc()
            self._violation(eio_sid, f"a session cannot begin now: {error}")
            return
        metrics.CONNECTS.labels(error.code).inc()
        if socket is not None and not socket.closed:
            socket.write(Outgoing(b"44" + orjson.dumps({"message": error.message, "data": failed(error)})))

    async def _connect_beside(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        """A namespace with handlers of its own (`server.on(..., namespace=...)`) is the library's. What its connect
        handler emits goes after the answer to CONNECT (Socket.IO v5, "Connection to a namespace")."""
        if namespace not in self.handlers:
            refusal = {"message": "Invalid namespace"}
            await self._send_packet(eio_sid, self.packet_class(CONNECT_ERROR, data=refusal, namespace=namespace))
            return
        if self.manager.sid_from_eio_sid(eio_sid, namespace) is not None:
            return
        held = self._greetings[eio_sid] = []
        socket = self.eio.sockets.get(eio_sid)
        self.environ[eio_sid] = {"QUERY_STRING": socket.query if socket else ""}
        try:
            await super()._handle_connect(eio_sid, namespace, data)
        finally:
            del self._greetings[eio_sid], self.environ[eio_sid]
        for packet in held:
            await self._send_eio_packet(eio_sid, packet)

    async def _send_eio_packet(self, eio_sid: str, eio_pkt: Packet) -> None:
        if eio_sid in self._greetings:
            self._greetings[eio_sid].append(eio_pkt)
        else:
            await super()._send_eio_packet(eio_sid, eio_pkt)

    async def _handle_disconnect(self, eio_sid: str, namespace: str | None, reason: str | None = None) -> None:
        if namespace not in (None, "/"):
            await super()._handle_disconnect(eio_sid, namespace, reason)
        else:
            self._leave(eio_sid, reason or "")

    def _leave(self, eio_sid: str, reason: str) -> None:
        self._binary_packet.pop(eio_sid, None)
        sid = self.manager.sid_from_eio_sid(eio_sid, "/")
        if sid is not None:
            self.manager.basic_disconnect(sid, "/")
            self.on_closed(sid, eio_sid, reason)

    def _ended(self, eio_sid: str, reason: str) -> None:
        """A Socket.IO DISCONNECT means to go. An Engine.IO close alone is a lost connection: the stock client comes
        back after it by itself."""
        why = self.reason.TRANSPORT_CLOSE if reason == self.reason.CLIENT_DISCONNECT else reason
        self._expected.stop(eio_sid)
        self._leave(eio_sid, why)
        for namespace in self._namespaces_of(eio_sid):
            self._tasks.start(self._handle_disconnect(eio_sid, namespace, why), "disconnect")

    # --- messages, in the order in which they came ------------------------------------------------------

    def _on_message(self, socket: Socket, data: bytes, binary: bool) -> None:
        """An EVENT of the namespace `/` is handled here and now; anything else by the library, in a task. What comes
        meanwhile from the same client waits behind it. What is too much is not looked into."""
        verdict = socket.inflow.judge(data, asyncio.get_running_loop().time(), binary=binary)
        if verdict is not Verdict.PASS:
            self.eio.on_flood(socket, data, verdict)
            return
        backlog = self._backlogs.get(socket.sid)
        if backlog is not None:
            if len(backlog) < BACKLOG_MAX:
                backlog.append((data, binary))
            else:
                self.eio.violation(socket, f"more than {BACKLOG_MAX} messages wait")
        else:
            rest = self._now(socket, data, binary)
            if rest is not None:
                self._backlogs[socket.sid] = deque()
                self._tasks.start(self._slowly(socket, rest), "message")

    async def _slowly(self, socket: Socket, first: Awaitable[None]) -> None:
        backlog = self._backlogs[socket.sid]
        try:
            await first
            while backlog and not socket.closed:
                rest = self._now(socket, *backlog.popleft())
                if rest is not None:
                    await rest
        finally:
            del self._backlogs[socket.sid]

    def _now(self, socket: Socket, data: bytes, binary: bool) -> Awaitable[None] | None:
        """Handled, or what has to be awaited for it."""
        if self._is_event(socket, data, binary):
            return None
        begins = None if binary else self._plain_connect(socket.sid, data)
        if begins is not None:
            return self._connect(socket.sid, *begins)
        return self._handle_eio_message(socket.sid, data if binary else data.decode())

    def _plain_connect(self, eio_sid: str, data: bytes) -> tuple[Any] | None:
        """What comes with the CONNECT of the namespace `/`; None: this is something else, or is wrong."""
        if (data != b"0" and not data.startswith(b"0{")) or eio_sid in self._binary_packet:
            return None
        if self.manager.sid_from_eio_sid(eio_sid, "/") is not None:
            return None
        try:
            return (orjson.loads(data[1:]) if len(data) > 1 else None,)
        except ValueError:
            return None

    def _is_event(self, socket: Socket, data: bytes, binary: bool) -> bool:
        """Whether this was a plain event, and is done. Ordinary events differ from the rest in their first bytes."""
        if binary or data[:1] != b"2" or data[1:2] == b"/" or socket.sid in self._binary_packet:
            return False
        sid = self.manager.sid_from_eio_sid(socket.sid, "/")
        if sid is None or not self.manager.is_connected(sid, "/"):
            return False
        at = 1
        while data[at : at + 1].isdigit():
            at += 1
        try:
            event = orjson.loads(data[at:])
            identifier = int(data[1:at]) if 1 < at <= ACK_DIGITS_MAX + 1 else None
        except ValueError:
            return False
        if at > ACK_DIGITS_MAX + 1 or not isinstance(event, list) or not event or not isinstance(event[0], str):
            return False
        self.on_event(sid, event, identifier)
        return True

    async def _handle_event(self, eio_sid: str, namespace: str | None, id: int | None, data: Any) -> None:  # noqa: A002
        """An event is a non-empty array that begins with a name (Socket.IO v5, "Packet types"); else close."""
        if not isinstance(data, list) or not data or not isinstance(data[0], str):
            self._violation(eio_sid, "an event must be an array that begins with its name")
            return
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace or "/")
        if sid is None:
            self._violation(eio_sid, 'CONNECT must come first (Socket.IO v5, "Connection to a namespace")')
        elif namespace in self.handlers:
            await super()._handle_event(eio_sid, namespace, id, data)
        elif self.manager.is_connected(sid, namespace or "/"):
            self.on_event(sid, data, id)

    async def _handle_ack(self, eio_sid: str, namespace: str | None, id: int | None, data: Any) -> None:  # noqa: A002
        """The payload is an array, possibly an empty one (Socket.IO v5, "Acknowledgement"); else close."""
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace or "/")
        if not isinstance(data, list) or id is None or sid is None:
            self._violation(eio_sid, "an ack has an id and an array, and follows CONNECT")
        else:
            await super()._handle_ack(eio_sid, namespace, id, data)

    async def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        """A packet that does not parse closes the connection; JSON that is only unacceptable gets an error ack."""
        if eio_sid in self._binary_packet and isinstance(data, str):
            del self._binary_packet[eio_sid]
            self._violation(eio_sid, "text where an attachment must come")
            return
        try:
            await super()._handle_eio_message(eio_sid, data)
            self._check_attachments(eio_sid)
        except (ValueError, TypeError, IndexError, KeyError, AttributeError, RecursionError) as error:
            self._binary_packet.pop(eio_sid, None)
            sid = self.manager.sid_from_eio_sid(eio_sid, "/")
            event = unparsed_event(data) if isinstance(data, str) and sid else None
            if event is None or sid is None:
                self._violation(eio_sid, f"not a Socket.IO packet: {type(error).__name__}")
            else:
                self.on_bad_event(sid, event)

    def _check_attachments(self, eio_sid: str) -> None:
        """They are held until the last one has come: so they are few."""
        awaited = self._binary_packet.get(eio_sid)
        if awaited is not None and not 0 < awaited.attachment_count <= ATTACHMENTS_MAX:
            raise ValueError(f"a packet may have 1 to {ATTACHMENTS_MAX} attachments")

    def _violation(self, eio_sid: str, why: str) -> None:
        socket = self.eio.sockets.get(eio_sid)
        if socket is not None:
            self.eio.violation(socket, why)
