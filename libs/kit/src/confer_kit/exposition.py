"""The HTTP port of a process for its operators: /metrics for Prometheus, /livez, /readyz (docs/adr/0014).

Served by the event loop that does the work: what is counted at scrape is read where nothing else changes it, and a
loop that stands still is seen.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from importlib.metadata import version

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from confer_kit import bind_error, loop_delay, metrics
from confer_kit.logs import logger
from confer_kit.settings import KitSettings
from confer_kit.tasks import Tasks

log = logger(__name__)

REQUEST_BYTES_MAX = 8 * 1024
REQUEST_S = 5.0
_PLAIN = "text/plain; charset=utf-8"

Complaint = Callable[[], str | None]


@asynccontextmanager
async def exposed(
    settings: KitSettings, process: str, complaint: Complaint, registry: CollectorRegistry = metrics.REGISTRY
) -> AsyncIterator[None]:
    """Serve inside the block, unless `metrics_port` is 0. SystemExit with a sentence when the port is busy.
    `complaint`: why the process is not ready; None: it is."""
    if not settings.metrics_port:
        yield
        return
    metrics.BUILD.info({"process": process, "version": version("confer-kit")})
    host, port = settings.metrics_host, settings.metrics_port
    try:
        server = await asyncio.start_server(partial(_serve, complaint, registry), host, port, limit=REQUEST_BYTES_MAX)
    except OSError as error:
        why = bind_error.advice(error, "CONFER_METRICS_HOST", "CONFER_METRICS_PORT")
        raise SystemExit(
            f"{process}: cannot serve metrics on {host}:{port}: {why}; CONFER_METRICS_PORT=0 is to go without."
        ) from error
    log.info(f"metrics on http://{host}:{port}/metrics")
    tasks = Tasks()
    tasks.start(loop_delay.watch(), "loop delay")
    try:
        yield
    finally:
        server.close()
        await tasks.cancel()


async def _serve(
    complaint: Complaint, registry: CollectorRegistry, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """One request per connection; whoever asks badly, or takes too long, gets nothing."""
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        async with asyncio.timeout(REQUEST_S):
            line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {n.strip().lower(): v.strip() for n, _, v in (each.partition(":") for each in lines)}
            status, content_type, body = _answer(line, headers, complaint, registry)
            writer.write(
                f"HTTP/1.1 {status} {status.phrase}\r\nContent-Type: {content_type}\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                + body
            )
            await writer.drain()
    writer.close()


def _answer(
    line: str, headers: Mapping[str, str], complaint: Complaint, registry: CollectorRegistry
) -> tuple[HTTPStatus, str, bytes]:
    """Status, content type and body for a request line such as `GET /metrics HTTP/1.1`."""
    method, _, target = line.partition(" ")
    path = target.partition(" ")[0].partition("?")[0]
    if method != "GET":
        return HTTPStatus.METHOD_NOT_ALLOWED, _PLAIN, b"Only GET.\n"
    if path == "/metrics":
        encode, content_type = choose_encoder(headers.get("accept", ""))
        return HTTPStatus.OK, content_type, encode(registry)
    if path == "/livez":
        return HTTPStatus.OK, _PLAIN, b"alive"
    if path == "/readyz":
        why = complaint()
        return (HTTPStatus.SERVICE_UNAVAILABLE if why else HTTPStatus.OK), _PLAIN, (why or "ready").encode()
    return HTTPStatus.NOT_FOUND, _PLAIN, b"Here are /metrics, /livez and /readyz.\n"
