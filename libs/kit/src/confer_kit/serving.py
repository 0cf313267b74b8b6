"""What stands around each handler: context, validation, limits, one log line, and no exception that gets out."""

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import nats.errors
import orjson
from nats.aio.client import Client
from prometheus_client import Counter
from pydantic import BaseModel, ValidationError

from confer_contracts.errors import FAILURES, ErrorCode, Rejection
from confer_contracts.message import failed
from confer_kit import metrics, telemetry
from confer_kit.audit import Audit, Audited
from confer_kit.calls import Context, decode_context
from confer_kit.event_log import OutcomeUnknown, Unavailable, as_rejection
from confer_kit.handled import handled
from confer_kit.tasks import Tasks

Q = TypeVar("Q", bound=BaseModel)
Handler = Callable[[Q, Context], Awaitable[BaseModel]]


def explain(error: ValidationError) -> Rejection:
    """The first broken rule, as a refusal that names the field; a rule over several may begin with it: `value: ...`."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    rule = first["msg"].removeprefix("Value error, ")
    if field:
        return Rejection(ErrorCode.INVALID, f"{field}: {rule}", field=field)
    named = re.match(r"(\w+): ", rule)
    return Rejection(ErrorCode.INVALID, rule, field=named[1] if named else None)


@dataclass(slots=True)
class _Done:
    """A call's outcome and answer (JSON). `model` and `context`: what was understood of it."""

    outcome: str = "ok"
    body: bytes = b""
    op: str | None = None
    model: BaseModel | None = None
    context: Context | None = None
    field: str | None = None
    error: Exception | None = None  # a surprise


class Endpoint:
    """One call's subject, served. Requests run side by side; the ledger gives each aggregate its order."""

    def __init__(
        self, nc: Client, subject: str, model: type[BaseModel], handler: Handler[Any], *,
        tasks: Tasks, in_flight_max: int, audit: Audit, audited: Audited | None,
    ) -> None:  # fmt: skip
        self._nc = nc
        self._subject = subject
        self._model = model
        self._handler = handler
        self._tasks = tasks
        self._in_flight_max = in_flight_max
        self._audit = audit
        self._audited = audited
        self._seconds = metrics.REQUEST_SECONDS.labels(subject)
        self._counts: dict[str, Counter] = {}  # by outcome
        self.failures = 0  # answered by an error that is ours, or of what we need
        self._span = f"process {subject}"
        self._attributes = telemetry.messaging("process", subject, group=subject.split(".")[1])

    def receive(self, reply: str, body: bytes, headers: Mapping[str, str]) -> Awaitable[None] | None:
        """A request, whose answer goes to `reply`; empty: nobody wants one."""
        if len(self._tasks) >= self._in_flight_max:
            refusal = Rejection(ErrorCode.LIMIT_EXCEEDED, f"more than {self._in_flight_max} requests in flight")
            with telemetry.span(
                self._span, telemetry.Kind.CONSUMER, telemetry.incoming(headers), attributes=self._attributes
            ) as span:
                telemetry.ended(span, refusal.code)
                metrics.REQUESTS.labels(self._subject, refusal.code).inc()
                handled(self._subject, refusal.code, 0.0)
            return self._nc.publish(reply, orjson.dumps(failed(refusal))) if reply else None
        self._tasks.start(self._answer(reply, body, headers), self._subject)
        return None

    async def _answer(self, reply: str, body: bytes, headers: Mapping[str, str]) -> None:
        began = time.perf_counter()
        parent = telemetry.incoming(headers)
        with telemetry.span(self._span, telemetry.Kind.CONSUMER, parent, attributes=self._attributes) as span:
            done = await self._outcome(body, headers)
            if reply:
                await self._respond(reply, done)
            if done.outcome in FAILURES:
                self.failures += 1
            if span.is_recording():
                telemetry.ended(span, done.outcome)
                span.set_attributes(_about(done))
            if self._audited is not None and done.context is not None:
                await self._audit.tell(self._audited, done.model, done.context, done.outcome, done.field)
            seconds = time.perf_counter() - began
            self._counted(done.outcome, seconds)
            handled(self._subject, done.outcome, seconds, field=done.field, error=done.error)

    def _counted(self, outcome: str, seconds: float) -> None:
        if (count := self._counts.get(outcome)) is None:
            count = self._counts[outcome] = metrics.REQUESTS.labels(self._subject, outcome)
        count.inc()
        self._seconds.observe(seconds, telemetry.exemplar())

    async def _outcome(self, body: bytes, headers: Mapping[str, str]) -> _Done:
        done = _Done()
        try:
            context = decode_context(headers)
            done.op = context.op
            try:
                done.model = self._model.model_validate_json(body)
            except ValidationError as error:
                raise explain(error) from error
            done.context = context
            reply = await self._handler(done.model, context)
        except Rejection as refusal:
            return self._refused(refusal, done)
        except (Unavailable, OutcomeUnknown) as error:
            return self._refused(as_rejection(error), done)
        except Exception as error:
            done.error = error
            done.outcome, done.body = ErrorCode.INTERNAL.value, orjson.dumps(failed(_bug(), done.op))
            return done
        done.body = reply.model_dump_json().encode()
        return done

    def _refused(self, refusal: Rejection, done: _Done) -> _Done:
        done.outcome, done.field = refusal.code.value, refusal.field
        done.body = orjson.dumps(failed(refusal, done.op))
        return done

    async def _respond(self, reply: str, done: _Done) -> None:
        """An answer that fits into no message is our defect: whoever asked is told so, and does not wait."""
        try:
            await self._nc.publish(reply, done.body)
        except nats.errors.MaxPayloadError as error:
            done.outcome, done.error = ErrorCode.INTERNAL.value, error
            await self._nc.publish(reply, orjson.dumps(failed(_bug())))


def _about(done: _Done) -> telemetry.Attributes:
    """Who asked for what, for the trace."""
    if done.context is None:
        return {}
    return {**telemetry.actor(done.context.identity), **telemetry.ids({"confer.operation.id": done.context.op})}


def _bug() -> Rejection:
    return Rejection(ErrorCode.INTERNAL, f"an error on our side, reported as {telemetry.trace_id()}")
