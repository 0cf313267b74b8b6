"""The life of a session on this edge, and the way of each event from a client: check, order, hand on, answer."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from socketio.exceptions import ConnectionRefusedError as SocketIOConnectionRefused

from confer_contracts import catalogue
from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.message import failed
from confer_contracts.route import Call
from confer_edge import packets
from confer_edge.calls import Calls
from confer_edge.identity import Claim, JsonWebToken, TrustedQuery, guest
from confer_edge.lane import Lane
from confer_edge.portal import Portal
from confer_edge.respond import Responder
from confer_edge.session import Session
from confer_edge.settings import EdgeSettings
from confer_edge.transport import Server
from confer_edge.unparsed import UnparsedEvent
from confer_kit import telemetry
from confer_kit.logs import logger
from confer_kit.serving import explain
from confer_kit.tasks import Tasks

log = logger(__name__)

EVENT_NAME_CHARS_MAX = 100
SPREAD_S, SPREAD_MAX_S = 0.005, 2.0  # over how long clients are sent away: for each, and for all


class Gateway:
    """All sessions of this edge, by sid."""

    def __init__(
        self, server: Server, settings: EdgeSettings, identities: TrustedQuery | JsonWebToken, calls: Calls,
        portal: Portal,
    ) -> None:  # fmt: skip
        self._server = server
        self._settings = settings
        self._identities = identities
        self._calls = calls
        self._portal = portal
        self._tasks = Tasks()
        self._leaving = False
        self._admitted: dict[str, Claim | None] = {}
        self.sessions: dict[str, Session] = {}
        server.on("connect", self._admit)
        server.on_opened = self._opened
        server.on_closed = self._closed
        server.on_event = self._receive
        server.on_bad_event = self._refuse_unparsed

    async def send_all_away(self, timeout: float) -> None:
        """Take nothing new; end each connection when its calls are answered, so that the client comes back to another
        edge. Spread over a moment, for they all come back at once."""
        self._leaving = True
        self._server.eio.leaving = True
        spread_s = min(SPREAD_MAX_S, len(self.sessions) * SPREAD_S)
        for session in tuple(self.sessions.values()):
            pause_s = random.uniform(0, spread_s)  # noqa: S311 - jitter
            self._tasks.start(self._send_away(session, pause_s, patience_s=timeout * 0.6), "send away")
        await self._tasks.finished(timeout)

    # --- coming and going -----------------------------------------------------------------------------

    async def _admit(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        """Refuses a client without the identity that the mode asks for (CONNECT_ERROR with code and message)."""
        query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
        try:
            self._admitted[sid] = self._identities.on_connect(query, auth)
        except Rejection as refusal:
            raise ConnectionRefused(refusal) from None

    def _opened(self, sid: str, eio_sid: str) -> None:
        claim = self._admitted.pop(sid, None)
        session = Session(
            sid,
            eio_sid,
            claim or guest(),
            bound=claim is not None,
            lane=Lane(self._tasks, self._settings.pending_calls_max),
            send=self._server.eio.sockets[eio_sid].write,
            cut=self._cutter(eio_sid),
            buffer_max=self._settings.join_buffer_max,
        )
        self.sessions[sid] = session
        environ = self._server.environ.get(eio_sid, {})
        query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
        session.lane.submit(lambda: self._portal.welcome(session, query), unbounded=True)

    def _closed(self, sid: str, reason: str) -> None:
        session = self.sessions.pop(sid, None)
        if session is None:
            return
        session.closed = True
        own = reason == self._server.reason.CLIENT_DISCONNECT
        grace_s = self._settings.leave_grace_s if own else self._settings.drop_grace_s
        session.lane.submit(lambda: self._portal.farewell(session, grace_s), unbounded=True)

    def _cutter(self, eio_sid: str) -> Callable[[str], None]:
        def cut(why: str) -> None:
            socket = self._server.eio.sockets.get(eio_sid)
            if socket is not None:
                self._server.eio.on_slow(socket, why)

        return cut

    async def _send_away(self, session: Session, pause_s: float, patience_s: float) -> None:
        """End the connection, not the Socket.IO session: then the client reconnects by itself."""
        await asyncio.sleep(pause_s)
        socket = self._server.eio.sockets.get(session.eio_sid)
        if socket is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await session.lane.idle()
                    await socket.all_fetched()
            await socket.send_away(self._server.environ.get(session.eio_sid, {}).get("QUERY_STRING", ""))

    # --- events ---------------------------------------------------------------------------------------

    def _receive(self, sid: str, data: list[Any], identifier: int | None) -> None:
        session = self.sessions.get(sid)
        if session is None:
            return
        name, arguments = data[0], data[1:]
        respond = Responder(session, _short(name), identifier)
        try:
            if self._leaving:
                raise Rejection(ErrorCode.UNAVAILABLE, "this edge is going away: connect again, then try again")
            self._dispatch(session, name, arguments, respond)
        except Rejection as refusal:
            respond.refuse(refusal, _op_of(arguments))
        except Exception:
            log.exception("an event could not be dispatched", event_name=_short(name))
            respond.refuse(Rejection(ErrorCode.INTERNAL, "an error on our side"), _op_of(arguments))

    def _dispatch(self, session: Session, name: str, arguments: list[Any], respond: Responder) -> None:
        """Check synchronously, so that a refusal overtakes nothing; then run in the session's order."""
        if (call := catalogue.PUBLIC_CALLS.get(name)) is not None:
            request = self._checked(call.request, arguments)
            self._forward(session, call, request, respond)
        elif (handler := self._portal.handlers.get(name)) is not None:
            checked = self._checked(handler.request, arguments) if handler.request else None
            work = self._guarded(lambda: handler.run(session, checked, respond), respond)
            session.lane.submit(work)
        else:
            raise Rejection(ErrorCode.INVALID, f"event: there is no event {_short(name)!r}", field="event")

    def _forward(self, session: Session, call: Call[Any, Any], request: BaseModel, respond: Responder) -> None:
        work = self._guarded(lambda: self._calls.forward(session, call, request, respond), respond)
        if call.ordered:
            session.lane.submit(work)
        elif len(self._tasks) < self._settings.in_flight_max:
            self._tasks.start(work(), call.event)
        else:
            raise Rejection(ErrorCode.LIMIT_EXCEEDED, "this edge handles too many calls at once")

    def _guarded(self, run: Any, respond: Responder) -> Any:
        """The work with its trace and with every failure answered."""

        async def work() -> None:
            parent = telemetry.incoming(None)
            with telemetry.span(f"receive {respond.event}", telemetry.Kind.SERVER, parent) as span:
                try:
                    await run()
                except Rejection as refusal:
                    span.set_attribute(telemetry.OUTCOME, refusal.code.value)
                    respond.refuse(refusal)
                except Exception:
                    telemetry.failed(span, ErrorCode.INTERNAL)
                    log.exception("an event failed", event_name=respond.event, trace=telemetry.trace_id())
                    text = f"an error on our side, reported as {telemetry.trace_id()}"
                    respond.refuse(Rejection(ErrorCode.INTERNAL, text))

        return work

    def _checked(self, model: type[BaseModel], arguments: list[Any]) -> BaseModel:
        """The one argument as its model; Rejection(invalid) that names field and rule."""
        payload = arguments[0] if arguments else None
        if not isinstance(payload, dict):
            raise Rejection(ErrorCode.INVALID, "payload: must be a JSON object", field="payload")
        if packets.depth_of(payload) > self._settings.nesting_max:
            text = f"payload: must not be nested deeper than {self._settings.nesting_max} levels"
            raise Rejection(ErrorCode.INVALID, text, field="payload")
        try:
            return model.model_validate(payload)
        except ValidationError as error:
            raise explain(error) from error

    def _refuse_unparsed(self, sid: str, bad: UnparsedEvent) -> None:
        session = self.sessions.get(sid)
        if session is not None:
            refusal = Rejection(ErrorCode.INVALID, f"{bad.field}: {bad.why}", field=bad.field)
            Responder(session, _short(bad.event), bad.identifier).refuse(refusal)


class ConnectionRefused(SocketIOConnectionRefused):  # type: ignore[misc]
    """CONNECT_ERROR `{message, data: {code, ...}}` (Socket.IO v5)."""

    def __init__(self, refusal: Rejection) -> None:
        super().__init__(refusal.message, failed(refusal))


def _short(name: str) -> str:
    """An event's name as it is shown."""
    return name if len(name) <= EVENT_NAME_CHARS_MAX else name[:EVENT_NAME_CHARS_MAX] + "…"


def _op_of(arguments: list[Any]) -> str | None:
    """The operation id of a payload that was refused, where it has one."""
    payload = arguments[0] if arguments else None
    op = payload.get("op") if isinstance(payload, dict) else None
    return op if isinstance(op, str) and len(op) <= 128 else None
