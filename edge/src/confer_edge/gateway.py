"""The way of each event from a client: check, order, hand on, answer."""

from collections.abc import Awaitable
from typing import Any

from opentelemetry.trace import Span
from pydantic import BaseModel, ValidationError

from confer_contracts import catalogue, subjects
from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.route import Call
from confer_contracts.subjects import Kind
from confer_edge import metrics, packets
from confer_edge.access import Access
from confer_edge.calls import Calls
from confer_edge.doorway import Doorway
from confer_edge.portal import Portal
from confer_edge.respond import Responder
from confer_edge.session import Session
from confer_edge.settings import EdgeSettings
from confer_edge.tracing import action, taken_from
from confer_edge.transport import Server
from confer_edge.unparsed import UnparsedEvent
from confer_kit import telemetry
from confer_kit.serving import explain
from confer_kit.tasks import Tasks

EVENT_NAME_CHARS_MAX = 100


class Gateway:
    """Events of the sessions that the doorway has let in."""

    def __init__(
        self, server: Server, settings: EdgeSettings, *, doorway: Doorway, calls: Calls, portal: Portal,
        access: Access,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._server = server
        self._doorway = doorway
        self._calls = calls
        self._portal = portal
        self._access = access
        self._tasks = Tasks()  # apart from the lanes, which may wait for clients that read slowly
        server.on_event = self._receive
        server.on_bad_event = self._refuse_unparsed

    def _receive(self, sid: str, data: list[Any], identifier: int | None) -> None:
        session = self._doorway.sessions.get(sid)
        if session is None:
            return
        name, arguments = data[0], data[1:]
        respond = Responder(session, _short(name), identifier, taken_from(arguments))
        try:
            if self._server.eio.leaving:
                raise Rejection(ErrorCode.UNAVAILABLE, "this edge is going away: connect again, then try again")
            self._dispatch(session, name, arguments, respond)
        except Rejection as refusal:
            self._turn_away(session, respond, refusal, _op_of(arguments))
        except Exception as error:
            respond.error = error
            self._turn_away(session, respond, Rejection(ErrorCode.INTERNAL, "an error on our side"), _op_of(arguments))

    def _dispatch(self, session: Session, name: str, arguments: list[Any], respond: Responder) -> None:
        """Check synchronously, so that a refusal overtakes nothing; then run in the session's order."""
        if (call := catalogue.PUBLIC_CALLS.get(name)) is not None:
            request = self._checked(call.request, arguments)
            self._forward(session, call, request, respond)
        elif (handler := self._portal.handlers.get(name)) is not None:
            checked = self._checked(handler.request, arguments) if handler.request else None
            work = self._guarded(
                session, lambda: self._settled(session, handler.run(session, checked, respond)), respond
            )
            session.lane.submit(work)
        else:
            raise Rejection(ErrorCode.INVALID, f"event: there is no event {_short(name)!r}", field="event")

    @staticmethod
    async def _settled(session: Session, handling: Awaitable[None]) -> None:
        """However a join ends, it holds nothing back after its end."""
        try:
            await handling
        finally:
            session.settle()

    def _forward(self, session: Session, call: Call[Any, Any], request: BaseModel, respond: Responder) -> None:
        work = self._guarded(session, lambda: self._allowed(session, call, request, respond), respond)
        if call.ordered:
            session.lane.submit(work)
        elif len(self._tasks) < self._settings.in_flight_max:
            self._tasks.start(work(), call.event)
        else:
            metrics.LIMITS.labels("in_flight_max").inc()
            raise Rejection(ErrorCode.LIMIT_EXCEEDED, "this edge handles too many calls at once")

    async def _allowed(self, session: Session, call: Call[Any, Any], request: BaseModel, respond: Responder) -> None:
        """Rights are looked at in the call's turn: a newer token before it counts."""
        claim = session.claim
        audience = call.audience(request) if call.audience else subjects.audience(Kind.USER, claim.user_id)
        telemetry.note_audience(audience)
        for needed in (audience, *call.further(request)):
            await self._access.must(claim, session.sid, call.event, needed)
        if session.over is not None:  # meanwhile
            return
        await self._calls.forward(session, call, request, respond)

    def _guarded(self, session: Session, run: Any, respond: Responder) -> Any:
        """The work with its trace and with every failure answered; none after a session was ended."""

        async def work() -> None:
            with action(f"receive {respond.event}", session, respond.traceparent) as span:
                try:
                    if session.over is None:
                        await run()
                except Rejection as refusal:
                    respond.refuse(refusal)
                except Exception as error:
                    respond.error = error
                    text = f"an error on our side, reported as {telemetry.trace_id()}"
                    respond.refuse(Rejection(ErrorCode.INTERNAL, text))
                _finish(span, respond)

        return work

    @staticmethod
    def _turn_away(session: Session, respond: Responder, refusal: Rejection, op: str | None = None) -> None:
        """An event that goes no further than this is in a trace and in a line all the same."""
        with action(f"receive {metrics.route_of(respond.event)}", session, respond.traceparent) as span:
            respond.refuse(refusal, op)
            _finish(span, respond)

    def _checked(self, model: type[BaseModel], arguments: list[Any]) -> BaseModel:
        """The one argument as its model; Rejection(invalid) that names field and rule."""
        payload = arguments[0] if arguments else None
        if not isinstance(payload, dict):
            raise Rejection(ErrorCode.INVALID, "payload: must be a JSON object", field="payload")
        if packets.depth_of(payload) > self._settings.nesting_max:
            metrics.LIMITS.labels("nesting_max").inc()
            text = f"payload: must not be nested deeper than {self._settings.nesting_max} levels"
            raise Rejection(ErrorCode.INVALID, text, field="payload")
        try:
            return model.model_validate(payload)
        except ValidationError as error:
            raise explain(error) from error

    def _refuse_unparsed(self, sid: str, bad: UnparsedEvent) -> None:
        session = self._doorway.sessions.get(sid)
        if session is not None:
            refusal = Rejection(ErrorCode.INVALID, f"{bad.field}: {bad.why}", field=bad.field)
            self._turn_away(session, Responder(session, _short(bad.event), bad.identifier), refusal)


def _finish(span: Span, respond: Responder) -> None:
    """Once the event is answered."""
    if span.is_recording():
        telemetry.ended(span, respond.outcome)
        span.set_attributes(telemetry.ids({"confer.operation.id": respond.op or ""}))
    respond.done()


def _short(name: str) -> str:
    """An event's name as it is shown."""
    return name if len(name) <= EVENT_NAME_CHARS_MAX else name[:EVENT_NAME_CHARS_MAX] + "…"


def _op_of(arguments: list[Any]) -> str | None:
    """The operation id of a payload that was refused, where it has one."""
    payload = arguments[0] if arguments else None
    op = payload.get("op") if isinstance(payload, dict) else None
    return op if isinstance(op, str) and len(op) <= 128 else None
