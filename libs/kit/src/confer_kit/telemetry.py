"""Traces: what a span is called, whom it belongs to, and how a trace travels on NATS headers (docs/adr/0035).

Without `OTEL_EXPORTER_OTLP_ENDPOINT` no SDK is loaded; the context that came in still travels on, so the activity
log has its trace ids. So does a trace that the sampler leaves out: next to nothing is spent on it.

Conventions: OpenTelemetry's for messaging, `messaging.system = nats`; a call is a child, a fan-out is a child with a
link to the fact, a timer is a root with a link to what set it. Names and attributes have no ids and no contents unless
`CONFER_TRACE_IDS` says so.
"""

import re
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar, Token
from functools import lru_cache
from hashlib import blake2b
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, TypeGuard

from opentelemetry import context, trace
from opentelemetry.trace import INVALID_SPAN, Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from confer_contracts.errors import FAILURES, Rejection
from confer_contracts.message import Identity
from confer_contracts.subjects import Header

if TYPE_CHECKING:
    from confer_kit.otlp_export import Export

Kind = SpanKind
SEQUENCE: Final = "confer.fact.sequence"  # in the log of the service that owns it
LIVE_SEQUENCE: Final = "confer.live.sequence"
OUTCOME: Final = "confer.outcome"
ATTEMPT: Final = "confer.attempt"
ERROR: Final = "error.type"
AUDIENCE_KIND: Final = "confer.audience.kind"
MEMBERS: Final = "confer.members"
BATCH: Final = "messaging.batch.message_count"

FLUSH_S: Final = 3.0

Trace = context.Context | str  # of a message: the SDK's; of one that is not recorded the traceparent itself
Attributes = Mapping[str, str | int | tuple[str, ...]]

_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")
_SAMPLED: Final = tuple("13579bdf")
_DRAWN: Final = "confer-trace"  # of a Context: the id of the trace that begins with its first span
_carried: ContextVar[str] = ContextVar("traceparent", default="")  # the current trace, when it is not recorded
_NOTHING: Final = nullcontext()
_propagator = TraceContextTextMapPropagator()
_pseudonyms: Final = secrets.token_bytes(16)
_export: "Export | None" = None
_with_ids = False


def setup(service: str, endpoint: str | None, version: str, *, ids: bool = False) -> None:
    """Export spans when an endpoint is set; with `ids`, also those of people and records."""
    global _export, _with_ids
    if endpoint is None:
        return
    from confer_kit.otlp_export import Export  # noqa: PLC0415 - costs 100 ms

    _export, _with_ids = Export(service, version), ids
    trace.set_tracer_provider(_export.provider)


def shutdown() -> None:
    """Send what is left, within FLUSH_S: a collector that is away must not keep a process from its end."""
    if _export is not None:
        flush = threading.Thread(target=_export.provider.shutdown, daemon=True)
        flush.start()
        flush.join(FLUSH_S)


# --- where a trace comes from, and where it goes ------------------------------------------------------


def incoming(headers: Mapping[str, str] | None) -> Trace:
    """The trace of a message of ours, or a fresh root: a trace id exists even where nothing is exported."""
    told = headers.get(Header.TRACEPARENT) if headers else None
    if told is None:
        return _root()
    if _export is not None and (told.endswith(_SAMPLED) or not _export.inherits):
        return _extracted(told)
    return told if _TRACEPARENT.fullmatch(told) else _root()


def is_traceparent(told: object) -> TypeGuard[str]:
    return isinstance(told, str) and _TRACEPARENT.fullmatch(told) is not None


def from_client(told: object) -> Trace:
    """The trace that a client says it is in, or a fresh root. Whether it is recorded is decided here, by its id: who
    asks does not decide what we spend on them."""
    found = _TRACEPARENT.fullmatch(told) if isinstance(told, str) else None
    if found is None:
        return _root()
    recorded = _export is not None and _export.decides(int(found[1], 16))
    traceparent = f"00-{found[1]}-{found[2]}-0{recorded:d}"
    return _extracted(traceparent) if recorded else traceparent


def _root() -> Trace:
    digits = secrets.token_hex(24)
    if _export is not None and _export.decides(drawn := int(digits[:32], 16)):
        return context.Context({_DRAWN: drawn})
    return f"00-{digits[:32]}-{digits[32:]}-00"


def _extracted(traceparent: str) -> context.Context:
    return _propagator.extract({Header.TRACEPARENT: traceparent}, context.Context())


def inject() -> dict[str, str]:
    """The headers that carry the current trace."""
    if carried := _carried.get():
        return {Header.TRACEPARENT: carried}
    if _export is None:
        return {}
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    carrier.pop("tracestate", None)
    return carrier


def trace_id() -> str | None:
    """The current trace id in hex, for logs and for answers."""
    if carried := _carried.get():
        return carried.split("-")[1]
    ids = trace.get_current_span().get_span_context()
    return f"{ids.trace_id:032x}" if ids.is_valid else None


def trace_id_of(headers: Mapping[str, str]) -> str | None:
    """The trace id in a message's traceparent."""
    parts = headers.get(Header.TRACEPARENT, "").split("-")
    return parts[1] if len(parts) == 4 else None


def sampled(headers: Mapping[str, str]) -> bool:
    """Whether a message's trace is recorded: nothing is spent on the others."""
    return _export is not None and headers.get(Header.TRACEPARENT, "").endswith(_SAMPLED)


def is_recorded(parent: Trace) -> bool:
    """Whether a span in this trace is recorded."""
    return isinstance(parent, context.Context)


def recording() -> bool:
    """Whether the current span is recorded."""
    return _export is not None and not _carried.get() and trace.get_current_span().is_recording()


def cause() -> str:
    """The traceparent of the current trace, for what is done later because of it; empty where it is not recorded."""
    told = "" if _export is None or _carried.get() else inject().get(Header.TRACEPARENT, "")
    return told if told.endswith(_SAMPLED) else ""


def following(told: str) -> AbstractContextManager[None]:
    """What is done in the block follows from what has this traceparent; nothing is spent on what is not recorded."""
    return _following(told) if _export is not None and told.endswith(_SAMPLED) else _NOTHING


@contextmanager
def _following(told: str) -> Iterator[None]:
    token = context.attach(_extracted(told))
    try:
        yield
    finally:
        context.detach(token)


def exemplar() -> dict[str, str] | None:
    """For a metric, what leads from it to the current trace, where that is recorded."""
    return {"trace_id": f"{trace.get_current_span().get_span_context().trace_id:032x}"} if recording() else None


# --- spans --------------------------------------------------------------------------------------------


@lru_cache(1024)
def messaging(
    operation: Literal["send", "process"], template: str, *, name: str | None = None, group: str | None = None
) -> Attributes:
    """Of a message on NATS: `template` is its subject without ids; `name` what NATS users call the operation, if that
    is another word; `group` the queue group or the durable consumer that it came by."""
    return {
        "messaging.system": "nats",
        "messaging.operation.type": operation,
        "messaging.operation.name": name or operation,
        "messaging.destination.template": template,
        **({} if "{" in template else {"messaging.destination.name": template}),
        **({} if group is None else {"messaging.consumer.group.name": group}),
    }


def sending(template: str) -> AbstractContextManager[Span]:
    """The sending of a message, and its answer; the beginning of a trace where there is none."""
    parent = None if trace_id() else _root()
    return span(f"send {template}", Kind.PRODUCER, parent, attributes=messaging("send", template))


def span(
    name: str,
    kind: SpanKind,
    parent: Trace | None = None,
    *,
    links: Sequence[Trace] = (),
    attributes: Attributes | None = None,
    start_ns: int | None = None,
) -> AbstractContextManager[Span]:
    """A span that is current inside the block. An exception marks it failed and goes on: by its code or type alone,
    because a message may quote ids and values."""
    if _export is None or (_carried.get() if parent is None else isinstance(parent, str)):
        return _Unrecorded(parent)
    return _recorded(_export, name, kind, parent, links=links, attributes=attributes, start_ns=start_ns)


class _Unrecorded:
    """Nothing but the current trace. Each call passes through several: a class costs half of a generator."""

    __slots__ = ("_parent", "_token")

    def __init__(self, parent: Trace | None) -> None:
        self._parent = parent if isinstance(parent, str) else None
        self._token: Token[str] | None = None

    def __enter__(self) -> Span:
        if self._parent is not None:
            self._token = _carried.set(self._parent)
        return INVALID_SPAN

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._token is not None:
            _carried.reset(self._token)


@contextmanager
def _recorded(
    export: "Export", name: str, kind: SpanKind, parent: Trace | None, *, links: Sequence[Trace],
    attributes: Attributes | None, start_ns: int | None,
) -> Iterator[Span]:  # fmt: skip
    under = parent if isinstance(parent, context.Context) else None
    beside = [_extracted(link) if isinstance(link, str) else link for link in links]
    if under is not None:
        _carried.set("")  # whatever went before in this task is over
        drawn = under.get(_DRAWN)
        export.ids.next_trace = drawn if isinstance(drawn, int) else None
    with export.provider.get_tracer("confer").start_as_current_span(
        name, context=under, kind=kind, attributes=attributes, start_time=start_ns,
        links=[Link(trace.get_current_span(each).get_span_context()) for each in beside],
        record_exception=False, set_status_on_exception=False,
    ) as current:  # fmt: skip
        try:
            yield current
        except Rejection as refusal:
            ended(current, refusal.code)
            raise
        except Exception as error:
            current.set_attribute(ERROR, type(error).__name__)
            current.set_status(Status(StatusCode.ERROR))
            raise


def note(attributes: Attributes) -> None:
    """More about the current span."""
    if recording():
        trace.get_current_span().set_attributes(attributes)


def note_audience(audience: str) -> None:
    """Whom the current span is about: the kind alone."""
    if recording():
        note({AUDIENCE_KIND: audience.partition(".")[0], **ids({"confer.audience": audience})})


def ended(current: Span, outcome: str) -> None:
    """How what a span is about ended: `ok` or an error code. Bugs and outages mark it as failed, refusals do not."""
    current.set_attribute(OUTCOME, outcome)
    if outcome in FAILURES:
        current.set_attribute(ERROR, outcome)
        current.set_status(Status(StatusCode.ERROR, outcome))


def actor(who: Identity) -> Attributes:
    """Who does it: the role, and a pseudonym that is the same for a person while this process lives."""
    pseudonym = blake2b(who.user_id.encode(), key=_pseudonyms, digest_size=8).hexdigest()
    return {"user.roles": (who.role,), "enduser.pseudo.id": pseudonym, **ids({"enduser.id": who.user_id})}


def ids(attributes: Attributes) -> Attributes:
    """These, where ids may be told; they may identify a patient."""
    return attributes if _with_ids else {}
