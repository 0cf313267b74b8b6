"""Traces: set-up, propagation on NATS headers, and every span attribute's name, once.

Without `OTEL_EXPORTER_OTLP_ENDPOINT` no SDK is loaded; the context that came in still travels on, so the activity
log has its trace ids. Conventions: OpenTelemetry messaging, `messaging.system = nats`; calls are children, a
fan-out is a child with a link to the fact.
"""

import logging
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry import context, trace
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
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


def incoming(headers: Mapping[str, str] | None) -> context.Context:
    """The context of a message, or a fresh root: a trace id exists even where nothing is exported."""
    if headers and Header.TRACEPARENT in headers:
        return _propagator.extract({Header.TRACEPARENT: headers[Header.TRACEPARENT]})
    if _provider is not None:
        return context.Context()
    flags = TraceFlags(TraceFlags.DEFAULT)
    root = SpanContext(secrets.randbits(128) or 1, secrets.randbits(64) or 1, is_remote=True, trace_flags=flags)
    return trace.set_span_in_context(NonRecordingSpan(root), context.Context())


def inject() -> dict[str, str]:
    """The headers that carry the current context."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    carrier.pop("tracestate", None)
    return carrier


def trace_id() -> str | None:
    """The current trace id in hex, for logs and for answers."""
    ids = trace.get_current_span().get_span_context()
    return f"{ids.trace_id:032x}" if ids.is_valid else None


def trace_id_of(headers: Mapping[str, str]) -> str | None:
    """The trace id in a message's traceparent."""
    parts = headers.get(Header.TRACEPARENT, "").split("-")
    return parts[1] if len(parts) == 4 else None


def sampled(headers: Mapping[str, str]) -> bool:
    """Whether a message's trace is recorded: nothing is spent on the others."""
    return _provider is not None and headers.get(Header.TRACEPARENT, "")[-1:] in ("1", "3")


@contextmanager
def span(
    name: str,
    kind: SpanKind,
    parent: context.Context | None = None,
    link: context.Context | None = None,
    attributes: Mapping[str, str | int] | None = None,
) -> Iterator[Span]:
    """A span that is current inside the block. An exception marks it failed and goes on: by its type alone, because
    a message may quote ids and values."""
    if _provider is None:
        attached = context.attach(parent) if parent is not None else None
        try:
            yield trace.get_current_span()
        finally:
            if attached is not None:
                context.detach(attached)
        return
    links = [Link(trace.get_current_span(link).get_span_context())] if link is not None else None
    tracer = trace.get_tracer("confer")
    system = {} if kind is SpanKind.SERVER else {SYSTEM: "nats"}
    with tracer.start_as_current_span(
        name, context=parent, kind=kind, links=links, attributes={**system, **(attributes or {})},
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
