"""Plain HTTP beside Socket.IO: health, what is served where, and the demo portal."""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from confer_edge.probe import Probe
from confer_kit import clock

SERVED = """Confer's edge. Here is what it serves:
  /socket.io/   Socket.IO (Engine.IO 4): polling and WebSocket
  /health       health as JSON, 503 when the live feed is silent
  /livez        200 while the process runs
  /readyz       200 while it can serve clients
  /demo/        the demo portal, where it is built
"""
BUILDING = """<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="3"><title>Confer demo</title>
<body style="font:16px system-ui;display:grid;place-items:center;height:90vh;color:#334">
<p>The demo portal is being built. This page looks again every three seconds.</p>"""
_OWN_ALONE = (  # a text of somebody's that became a script all the same would not run
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
_PAGE_HEADERS = [(b"content-security-policy", _OWN_ALONE.encode()), (b"referrer-policy", b"same-origin")]


class Demo:
    """The built pages; while they are not there yet, a page that waits for them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._files is None and (self._directory / "index.html").is_file():
            self._files = StaticFiles(directory=self._directory, html=True)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_PAGE_HEADERS]}
            await send(message)

        if self._files is None:
            await Response(BUILDING, 503, media_type="text/html")(scope, receive, send)
        else:
            await self._files(scope, receive, guarded)


def application(probe: Probe, clients: Callable[[], int], demo_dir: str, demo_watch: str) -> Starlette:
    """`clients` counts the connected ones; `demo_watch`: where the demo portal links to for traces."""

    async def health(_: Request) -> Response:
        """The seed's shape; the timestamp is UTC, without a zone."""
        complaint = probe.complaint
        stamp = datetime.fromtimestamp(clock.now(), UTC).replace(tzinfo=None).isoformat()
        body = {
            "status": "unhealthy" if complaint else "healthy",
            "service": "socketio",
            "timestamp": stamp,
            "connected_clients": clients(),
        }
        return JSONResponse(body | ({"reason": complaint} if complaint else {}), 503 if complaint else 200)

    async def ready(_: Request) -> Response:
        complaint = probe.complaint
        return PlainTextResponse(complaint or "ready", 503 if complaint else 200)

    async def live(_: Request) -> Response:
        return PlainTextResponse("alive")

    async def root(_: Request) -> Response:
        stamp = clock.iso(clock.now())
        body = {"service": "confer-edge", "version": version("confer-edge"), "timestamp": stamp}
        return JSONResponse(body | {"status": "unhealthy" if probe.complaint else "running"})

    async def demo_root(_: Request) -> Response:
        return RedirectResponse("/demo/")

    async def demo_links(_: Request) -> Response:
        return JSONResponse({"watch": demo_watch or None})

    async def not_found(request: Request, _: Exception) -> Response:
        return PlainTextResponse(f"There is nothing at {request.url.path}.\n\n{SERVED}", 404)

    routes: list[BaseRoute] = [
        Route("/", root),
        Route("/health", health),
        Route("/livez", live),
        Route("/readyz", ready),
    ]
    if demo_dir:
        routes += [Route("/demo", demo_root), Route("/demo/links.json", demo_links)]
        routes += [Mount("/demo", Demo(Path(demo_dir)))]
    return Starlette(routes=routes, exception_handlers={404: not_found})
