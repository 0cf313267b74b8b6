"""Socket.IO (protocol revision 5): python-socketio, corrected where it differs from the specification or from what
we promise. Each correction is a small named method that cites its reason."""

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

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
from confer_edge.engine import NOT_NOW, TOO_MANY, Engine
from confer_edge.engine_socket import Socket, from_python
from confer_edge.incoming import Incoming
from confer_edge.manager import Manager
from confer_edge.packets import OrJson, Outgoing
from confer_edge.rate import ATTACHMENTS_MAX
from confer_edge.settings import EdgeSettings
from confer_edge.tracing import turned_away
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
        self.eio.route = secrets.token_hex(4) if settings.route == "auto" else settings.route
        self.eio.patience_s = settings.slow_client_s
        self.eio.on_open = lambda socket: self._expected.start(socket.sid)
        self.eio.on_end = self._ended
        self._handshake_s = settings.handshake_s
        self._turn_away_s = settings.turn_away_s
        self._expected: Deadlines[str] = Deadlines(settings.handshake_s, self._no_connect)  # by Engine.IO sid
        self._tasks = Tasks()
        self._greetings: dict[str, list[Packet]] = {}  # by Engine.IO sid: events that wait for the answer to CONNECT
        self._incoming = Incoming(self, self._tasks)
        self.eio.on_message = self._incoming.take

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

    # --- coming and going ---------------------------------------------------------------------------------

    def _no_connect(self, eio_sid: str) -> None:
        """A connection costs something before anybody is behind it: so CONNECT has to come soon."""
        socket = self.eio.sockets.get(eio_sid)
        if self._incoming.is_busy(eio_sid):  # perhaps it is being answered just now
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
            rest = self.connect(eio_sid, data)
            if rest is not None:
                await rest

    def connect(self, eio_sid: str, auth: Any) -> Awaitable[None] | None:
        """A CONNECT of the namespace `/`: answered at once, or what has to be awaited for the answer."""
        began = time.perf_counter()
        try:
            begun = self.on_connect(eio_sid, auth)
        except (Rejection, Unavailable) as error:
            return self._refuse(eio_sid, error, auth, began)
        if not isinstance(begun, tuple):
            return self._connect_later(eio_sid, begun, auth, began)
        self._admit(eio_sid, *begun)
        return None

    async def _connect_later(self, eio_sid: str, begun: Awaitable[Connected], auth: Any, began: float) -> None:
        try:
            connected = await begun
        except (Rejection, Unavailable) as error:
            rest = self._refuse(eio_sid, error, auth, began)
            if rest is not None:
                await rest
        else:
            self._admit(eio_sid, *connected)

    def _admit(self, eio_sid: str, sid: str, pid: str | None, told: Callable[[], None]) -> None:
        socket = self.eio.sockets.get(eio_sid)
        if socket is not None and not socket.closed:
            self._expected.stop(eio_sid)
            self.manager.admit(sid, eio_sid)
            socket.write(Outgoing(b"40" + orjson.dumps({"sid": sid} if pid is None else {"sid": sid, "pid": pid})))
            told()

    def _refuse(self, eio_sid: str, error: Rejection | Unavailable, auth: Any, began: float) -> Awaitable[None] | None:
        """For good by CONNECT_ERROR, after which the stock JavaScript client stays away; for now by the end of the
        connection, after which it comes back by itself (ADR 32). Python's client comes back after either."""
        refusal = error if isinstance(error, Rejection) else _no_session_now(error)
        metrics.CONNECTS.labels(refusal.code).inc()
        turned_away(auth, refusal, time.perf_counter() - began)
        socket = self.eio.sockets.get(eio_sid)
        if socket is None or socket.closed:
            return None
        if refusal.retry and not from_python(socket.query):
            return self._turn_away(socket, refusal)
        socket.write(Outgoing(b"44" + orjson.dumps({"message": refusal.message, "data": failed(refusal)})))
        return None

    async def _turn_away(self, socket: Socket, refusal: Rejection) -> None:
        """Over a limit not at once: each connection that comes about sets the client's backoff back to a second."""
        why, told = f"{refusal.code}: {refusal.message}", refusal.details.get("retry_after_s")
        retry_after_s = told if isinstance(told, int) else 1
        if refusal.code is not ErrorCode.LIMIT_EXCEEDED:
            await self.eio.turn_away(socket, why, NOT_NOW, retry_after_s)
            return
        pause_s = max(self._turn_away_s, min(retry_after_s, self._handshake_s))
        await asyncio.sleep(random.uniform(pause_s / 2, pause_s))  # noqa: S311 - jitter
        await self.eio.turn_away(socket, why, TOO_MANY, retry_after_s)

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

    # --- what is not a plain event: the library's -----------------------------------------------------------

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

    def awaits_attachments(self, eio_sid: str) -> bool:
        """Whether the next message must be a part of the packet before it."""
        return eio_sid in self._binary_packet

    def _check_attachments(self, eio_sid: str) -> None:
        """They are held until the last one has come: so they are few."""
        awaited = self._binary_packet.get(eio_sid)
        if awaited is not None and not 0 < awaited.attachment_count <= ATTACHMENTS_MAX:
            raise ValueError(f"a packet may have 1 to {ATTACHMENTS_MAX} attachments")

    def _violation(self, eio_sid: str, why: str) -> None:
        socket = self.eio.sockets.get(eio_sid)
        if socket is not None:
            self.eio.violation(socket, why)


def _no_session_now(error: Unavailable) -> Rejection:
    log.info("a session cannot begin now", error=str(error))
    return Rejection(ErrorCode.UNAVAILABLE, "a session cannot begin now")
