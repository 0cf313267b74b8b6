"""What stands around each handler: context, validation, limits, one log line, and no exception that gets out."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import nats.errors
import orjson
from nats.micro.request import Request
from pydantic import BaseModel, ValidationError

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.message import failed
from confer_kit import clock, metrics, telemetry
from confer_kit.calls import Context, decode_context
from confer_kit.event_log import OutcomeUnknown, Unavailable, as_rejection
from confer_kit.logs import logger
from confer_kit.tasks import Tasks

log = logger(__name__)

Q = TypeVar("Q", bound=BaseModel)
Handler = Callable[[Q, Context], Awaitable[BaseModel]]


def explain(error: ValidationError) -> Rejection:
    """The first broken rule, as a refusal that names the field."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    rule = first["msg"].removeprefix("Value error, ")
    return Rejection(ErrorCode.INVALID, f"{field}: {rule}" if field else rule, field=field or None)


class Endpoint:
    """One call's subject, served. Requests run side by side; the ledger gives each aggregate its order."""

    def __init__(
        self, subject: str, model: type[BaseModel], handler: Handler[Any], tasks: Tasks, in_flight_max: int
    ) -> None:
        self._subject = subject
        self._model = model
        self._handler = handler
        self._tasks = tasks
        self._in_flight_max = in_flight_max
        self._seconds = metrics.REQUEST_SECONDS.labels(subject)

    async def receive(self, request: Request) -> None:
        if len(self._tasks) >= self._in_flight_max:
            refusal = Rejection(ErrorCode.LIMIT_EXCEEDED, f"more than {self._in_flight_max} requests in flight")
            await request.respond(orjson.dumps(failed(refusal)))
            metrics.REQUESTS.labels(self._subject, refusal.code).inc()
            return
        self._tasks.start(self._answer(request), self._subject)

    async def _answer(self, request: Request) -> None:
        headers = request.headers or {}
        started = clock.now()
        parent = telemetry.incoming(headers)
        with (
            self._seconds.time(),
            telemetry.span(
                f"process {self._subject}", telemetry.Kind.CONSUMER, parent, attributes={telemetry.ROUTE: self._subject}
            ) as span,
        ):
            outcome, body = await self._outcome(request, headers)
            span.set_attribute(telemetry.OUTCOME, outcome)
            if outcome in (ErrorCode.INTERNAL, ErrorCode.UNAVAILABLE, ErrorCode.OUTCOME_UNKNOWN):
                telemetry.failed(span, outcome)
            metrics.REQUESTS.labels(self._subject, outcome).inc()
            await self._respond(request, body)
            milliseconds = round((clock.now() - started) * 1000, 1)
            log.debug(self._subject, outcome=outcome, ms=milliseconds, trace=telemetry.trace_id())

    async def _outcome(self, request: Request, headers: dict[str, str]) -> tuple[str, bytes]:
        """The outcome's name, and the answer as JSON."""
        op: str | None = None
        try:
            context = decode_context(headers)
            op = context.op
            try:
                model = self._model.model_validate_json(request.data)
            except ValidationError as error:
                raise explain(error) from error
            reply = await self._handler(model, context)
        except Rejection as refusal:
            return self._refused(refusal, op)
        except (Unavailable, OutcomeUnknown) as error:
            return self._refused(as_rejection(error), op)
        except Exception:
            log.exception(self._subject, outcome="internal", trace=telemetry.trace_id())
            return ErrorCode.INTERNAL.value, orjson.dumps(failed(_bug(), op))
        return "ok", reply.model_dump_json().encode()

    def _refused(self, refusal: Rejection, op: str | None) -> tuple[str, bytes]:
        log.info(self._subject, outcome=refusal.code.value, reason=refusal.message, trace=telemetry.trace_id())
        return refusal.code.value, orjson.dumps(failed(refusal, op))

    async def _respond(self, request: Request, body: bytes) -> None:
        """An answer that fits into no message is our defect: whoever asked is told so, and does not wait."""
        try:
            await request.respond(body)
        except nats.errors.MaxPayloadError:
            log.error(self._subject, outcome="internal", bytes=len(body), trace=telemetry.trace_id())
            await request.respond(orjson.dumps(failed(_bug())))


def _bug() -> Rejection:
    return Rejection(ErrorCode.INTERNAL, f"an error on our side, reported as {telemetry.trace_id()}")
