"""Traces: set-up, propagation on NATS headers, and every span attribute's name, once.

Without `OTEL_EXPORTER_OTLP_ENDPOINT` no SDK is loaded; the context that came in still travels on, so the activity
log has its trace ids. Conventions: OpenTelemetry messaging, `messaging.system = nats`; calls are children, a
fan-out is a child with a link to the fact.
"""

import logging
import re
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Final

from opentelemetry import context, trace
from opentelemetry.trace import INVALID_SPAN, Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from confer_contracts.subjects import Header
from confer_kit import clock, logs

log = logs.logger(__name__)

Kind = SpanKind
ROUTE: Final = "messaging.destination.template"  # never the subject itself: ids stay out of traces
SYSTEM: Final = "messaging.system"
SEQUENCE: Final = "confer.fact.sequence"
OUTCOME: Final = "confer.outcome"
ERROR: Final = "error.type"
AUDIENCE_KIND: Final = "confer.audience.kind"
MEMBERS: Final = "confer.members"

FLUSH_S: Final = 3.0

Trace = context.Context | str  # of a message: the SDK's; without one the traceparent itself, or "" for none

_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_carried: ContextVar[str] = ContextVar("traceparent", default="")  # the current trace, without an SDK
_propagator = TraceContextTextMapPropagator()
_provider: Any = None


def setup(service: str, endpoint: str | None, version: str) -> None:
    """Export spans over OTLP/HTTP when an endpoint is set; the SDK reads the other OTEL_* variables itself."""
    global _provider  # noqa: PLW0603 - one tracer provider per process, as OpenTelemetry has it
    if endpoint is None:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - costs 100 ms
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    named = {"service.name": service, "service.version": version, "service.instance.id": clock.new_id()}
    _provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=1000))
    trace.set_tracer_provider(_provider)
    library = logging.getLogger("opentelemetry")
    library.handlers, library.propagate = [_Once()], False
    library.getChild("exporter").setLevel(logging.ERROR)  # not each attempt at a collector that is away


class _Once(logging.Handler):
    """One warning per logger of OpenTelemetry's: a collector that is away fails every batch, every second."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if record.name not in self._told:
            self._told.add(record.name)
            log.warning("traces are being lost; this is said once", error=record.getMessage())


def shutdown() -> None:
    """Send what is left, within FLUSH_S: a collector that is away must not keep a process from its end."""
    if _provider is not None:
        flush = threading.Thread(target=_provider.shutdown, daemon=True)
        flush.start()
        flush.join(FLUSH_S)


def incoming(headers: Mapping[str, str] | None) -> Trace:
    """The trace of a message, or a fresh root: a trace id exists even where nothing is exported."""
    told = headers.get(Header.TRACEPARENT) if headers else None
    if _provider is not None:
        return context.Context() if told is None else _propagator.extract({Header.TRACEPARENT: told})
    if told is None:
        digits = secrets.token_hex(24)
        return f"00-{digits[:32]}-{digits[32:]}-00"
    return told if _TRACEPARENT.fullmatch(told) else ""


def inject() -> dict[str, str]:
    """The headers that carry the current trace."""
    if _provider is None:
        carried = _carried.get()
        return {Header.TRACEPARENT: carried} if carried else {}
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    carrier.pop("tracestate", None)
    return carrier


def trace_id() -> str | None:
    """The current trace id in hex, for logs and for answers."""
    if _provider is None:
        carried = _carried.get()
        return carried.split("-")[1] if carried else None
    ids = trace.get_current_span().get_span_context()
    return f"{ids.trace_id:032x}" if ids.is_valid else None


def trace_id_of(headers: Mapping[str, str]) -> str | None:
    """The trace id in a message's traceparent."""
    parts = headers.get(Header.TRACEPARENT, "").split("-")
    return parts[1] if len(parts) == 4 else None


def sampled(headers: Mapping[str, str]) -> bool:
    """Whether a message's trace is recorded: nothing is spent on the others."""
    return _provider is not None and headers.get(Header.TRACEPARENT, "")[-1:] in ("1", "3")


def span(
    name: str,
    kind: SpanKind,
    parent: Trace | None = None,
    link: Trace | None = None,
    attributes: Mapping[str, str | int] | None = None,
) -> AbstractContextManager[Span]:
    """A span that is current inside the block. An exception marks it failed and goes on: by its type alone, because
    a message may quote ids and values."""
    if _provider is None:
        return _Unrecorded(parent)
    return _recorded(name, kind, parent, link, attributes)


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
    name: str, kind: SpanKind, parent: Trace | None, link: Trace | None, attributes: Mapping[str, str | int] | None
) -> Iterator[Span]:
    under, beside = (each if isinstance(each, context.Context) else None for each in (parent, link))
    links = [Link(trace.get_current_span(beside).get_span_context())] if beside is not None else None
    tracer = trace.get_tracer("confer")
    system = {} if kind is SpanKind.SERVER else {SYSTEM: "nats"}
    with tracer.start_as_current_span(
        name, context=under, kind=kind, links=links, attributes={**system, **(attributes or {})},
        record_exception=False, set_status_on_exception=False,
    ) as current:  # fmt: skip
        try:
            yield current
        except Exception as error:
            current.set_attribute(ERROR, type(error).__name__)
            current.set_status(Status(StatusCode.ERROR))
            raise


def failed(current: Span, code: str) -> None:
    """Mark a span as failed by a bug or an outage; refusals are outcomes, not failures."""
    current.set_attribute(OUTCOME, code)
    current.set_status(Status(StatusCode.ERROR, code))
