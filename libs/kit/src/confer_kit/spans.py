"""Spans as OTLP carries them (opentelemetry-proto, `ExportTraceServiceRequest`), decoded: for whoever receives traces.

Not loaded by the processes that send them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1 import trace_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Ids in hex, `parent` empty at the root; `links` are (trace id, span id); times in Unix nanoseconds; `size` in
    bytes as it came."""

    resource: Mapping[str, Any]
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    links: tuple[tuple[str, str], ...]
    attributes: Mapping[str, Any]
    status: str
    events: int
    start: int
    end: int
    size: int

    @property
    def service(self) -> str:
        return str(self.resource.get("service.name"))


def decode(body: bytes) -> list[Span]:
    """The spans of one export; ValueError when it is none."""
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise ValueError("no ExportTraceServiceRequest") from error
    found: list[Span] = []
    for group in request.resource_spans:
        resource = _attributes(group.resource.attributes)
        found += [_span(resource, span) for scope in group.scope_spans for span in scope.spans]
    return found


def _span(resource: Mapping[str, Any], span: trace_pb2.Span) -> Span:
    return Span(
        resource=resource,
        name=span.name,
        kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        attributes=_attributes(span.attributes),
        status=trace_pb2.Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
        events=len(span.events),
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        size=span.ByteSize(),
    )


def _attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return None if kind is None else getattr(value, kind)
