"""A sink for traces: takes real OTLP over HTTP and keeps the spans, decoded."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from confer_kit import spans
from confer_kit.spans import Span

__all__ = ["Sink", "Span", "otlp_sink"]


class Sink:
    """`endpoint` is for OTEL_EXPORTER_OTLP_ENDPOINT. `text` is all that was received, for a search of what may not
    be in it."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.spans: list[Span] = []
        self.text = ""

    def take(self, body: bytes) -> None:
        self.text += str(ExportTraceServiceRequest.FromString(body))
        self.spans += spans.decode(body)

    def trace(self, trace: str) -> list[Span]:
        return [span for span in self.spans if span.trace == trace]


@contextmanager
def otlp_sink() -> Iterator[Sink]:
    """Listens on a free port, at /v1/traces."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                sink.take(body)
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing: tests read spans, not requests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        sink = Sink(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield sink
        finally:
            server.shutdown()
            thread.join()
