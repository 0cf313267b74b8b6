"""What the page's port serves: it takes the processes' spans, and shows them with the vital numbers."""

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import orjson

from confer_kit import spans
from confer_ops.watch.http import Answer, Request, Server
from confer_ops.watch.numbers import Numbers
from confer_ops.watch.traces import Traces
from confer_ops.watch.waterfall import summary, waterfall

SHOWN_MAX: Final = 60
_PAGE: Final = Path(__file__).with_name("page")
_FILES: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/watch.css": ("watch.css", "text/css; charset=utf-8"),
    "/watch.js": ("watch.js", "text/javascript; charset=utf-8"),
}
_JSON: Final = "application/json"
_PROTOBUF: Final = "application/x-protobuf"  # a page from elsewhere cannot send it unasked


class Site:
    """`facts`: what the page says beside it, such as where the traces go if not here."""

    def __init__(self) -> None:
        self.server = Server(self._answer)
        self._traces = Traces()
        self._numbers = Numbers({})
        self._facts: Mapping[str, Any] = {}

    def shows(self, metrics: Mapping[str, int], **facts: Any) -> None:
        """Of these processes, by their metrics' ports."""
        self._numbers, self._facts = Numbers(metrics), facts

    async def _answer(self, request: Request) -> Answer:
        if request.path == "/v1/traces":
            return self._taken(request)
        if request.method != "GET":
            return Answer(HTTPStatus.METHOD_NOT_ALLOWED)
        if request.path in _FILES:
            name, kind = _FILES[request.path]
            return Answer(HTTPStatus.OK, kind, (_PAGE / name).read_bytes())
        shown = await self._shown(request.path, request.query)
        return Answer(HTTPStatus.NOT_FOUND) if shown is None else Answer(HTTPStatus.OK, _JSON, orjson.dumps(shown))

    async def _shown(self, path: str, query: str) -> Any:
        """What the page asks for; None: there is no such thing."""
        match path:
            case "/vitals.json":
                return {"processes": await self._numbers.now(), **self._facts}
            case "/traces.json":
                newest = self._traces.newest(background=query == "background")
                return [summary(trace) for trace in newest[:SHOWN_MAX]]
            case "/trace.json":
                trace = self._traces.get(query)
                return None if trace is None else waterfall(trace)
        return None

    def _taken(self, request: Request) -> Answer:
        """An export, as OTLP over HTTP has it."""
        if request.method != "POST":
            return Answer(HTTPStatus.METHOD_NOT_ALLOWED)
        if request.headers.get("content-type") != _PROTOBUF:
            return Answer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        self._traces.add(spans.decode(request.body))
        return Answer(HTTPStatus.OK, _PROTOBUF)
