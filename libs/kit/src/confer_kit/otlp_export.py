"""The SDK of OpenTelemetry, where traces are exported: loaded then alone, because it takes 100 ms and 15 MB."""

import logging
from typing import Final

from opentelemetry import context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, ParentBased

from confer_kit import clock, logs
from confer_kit.settings import variable

log = logs.logger(__name__)

SEND_MS: Final = 1000  # where OTEL_BSP_SCHEDULE_DELAY says nothing: who looks for a trace has just done something


class Ids(RandomIdGenerator):
    """Random ids; `next_trace`: of the next root, because its sampler has been asked already."""

    def __init__(self) -> None:
        self.next_trace: int | None = None

    def generate_trace_id(self) -> int:
        drawn, self.next_trace = self.next_trace, None
        return super().generate_trace_id() if drawn is None else drawn


class Export:
    """Spans go out over OTLP/HTTP every second; the SDK reads the OTEL_* variables itself. OTEL_RESOURCE_ATTRIBUTES and
    OTEL_SERVICE_NAME beat what a process says of itself."""

    def __init__(self, service: str, version: str) -> None:
        self.ids = Ids()
        named = {
            "service.namespace": "confer", "service.name": service, "service.version": version,
            "service.instance.id": clock.new_id(),
        }  # fmt: skip
        resource = Resource.create(named).merge(OTELResourceDetector().detect())
        self.provider = TracerProvider(resource=resource, shutdown_on_exit=False, id_generator=self.ids)
        every_ms = None if variable("OTEL_BSP_SCHEDULE_DELAY") else SEND_MS
        self.provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=every_ms))
        self.inherits = isinstance(self.provider.sampler, ParentBased)
        _quieten(logging.getLogger("opentelemetry"))

    def decides(self, trace_id: int) -> bool:
        """Whether a trace that begins here is recorded, as OTEL_TRACES_SAMPLER has it."""
        nowhere = context.Context()  # not the current one, in which something else may be recorded
        return self.provider.sampler.should_sample(nowhere, trace_id, "").decision is Decision.RECORD_AND_SAMPLE


def _quieten(library: logging.Logger) -> None:
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
