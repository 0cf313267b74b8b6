"""The port: uvicorn on a socket of our own, alone on it or one of several workers (ADR 13)."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from confer_edge.census import Census
from confer_edge.http_protocol import PER_SESSION, Http, Open, Surroundings, allow_open_files
from confer_edge.settings import EdgeSettings
from confer_edge.websocket import WebSocket
from confer_kit import bind_error

BACKLOG: Final = 4096  # connections that wait to be taken


class HttpServer(uvicorn.Server):
    """uvicorn without its signal handlers: they would close all clients at once and wait for pollers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


@asynccontextmanager
async def listening(application: ASGIApp, settings: EdgeSettings, opens: Mapping[str, Open]) -> AsyncIterator[int]:
    """The port that is served; `opens` take WebSockets of a path in place. SystemExit with a sentence when it is
    busy."""
    listener = _bound(settings, shared=settings.workers > 1)
    listener.listen(BACKLOG)  # from here on clients wait instead of being refused
    allow_open_files(settings.connections_max)
    proxied = ProxyHeadersMiddleware(application, settings.trusted_proxies)  # type: ignore[arg-type]
    peers = Census(PER_SESSION * settings.connections_per_address_max, PER_SESSION * settings.connections_max)
    around = Surroundings(settings.request_s, peers, proxied.trusted_hosts, listener.getsockname()[:2], opens)
    config = uvicorn.Config(
        proxied,
        http=partial(Http, around=around),  # type: ignore[arg-type]
        proxy_headers=False,  # done above, so that no variable of uvicorn's adds to who is trusted
        ws=WebSocket,
        ws_max_size=settings.payload_bytes_max,
        ws_ping_interval=None,  # Engine.IO has its own
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=2,
        server_header=False,
        headers=[("x-content-type-options", "nosniff")],  # what clients wrote is never a script
    )
    server = HttpServer(config)
    serving = asyncio.get_running_loop().create_task(server.serve(sockets=[listener]))
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(serving, 5)
        listener.close()


@contextmanager
def reserved(settings: EdgeSettings) -> Iterator[int]:
    """The port, kept for workers that will share it. SystemExit with a sentence when somebody has it already, be it
    other workers."""
    alone = _bound(settings, shared=False)
    port = int(alone.getsockname()[1])
    alone.close()
    with _bound(settings.model_copy(update={"port": port}), shared=True):
        yield port


def _bound(settings: EdgeSettings, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # asyncio switches Nagle's algorithm off only where the protocol is named: with it a second frame waits 40 ms
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        why = bind_error.advice(error, "CONFER_HOST", "CONFER_PORT (or --port)")
        raise SystemExit(f"confer-edge: cannot listen on {settings.host}:{settings.port}: {why}.") from error
    return listener
