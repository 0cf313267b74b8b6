"""Engine.IO (protocol revision 4): engineio, with sockets of our own and one wheel for all heartbeats.

Each correction is a small named method that cites its reason. The library stays the protocol's brain.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs

import engineio
import orjson
from engineio.packet import OPEN, Packet

from confer_edge import batch, metrics
from confer_edge.arrivals import Arrivals, whole_seconds
from confer_edge.bodies import BODY, TOO_LARGE
from confer_edge.census import Census, Full, subscriber
from confer_edge.engine_socket import Socket
from confer_edge.packets import Outgoing
from confer_edge.rate import Verdict
from confer_edge.turn import Turn
from confer_edge.websocket import EXTENSION, TRY_AGAIN_LATER, WebSocket
from confer_edge.wheel import Wheel
from confer_kit.logs import logger
from confer_kit.tasks import Tasks

log = logger(__name__)

# Called with the Socket.IO packet of a text message, or the bytes of a binary one
OnMessage = Callable[[Socket, bytes, bool], None]

# Why a request is refused, by what the library's message says: code, text, and how it is counted
_REFUSALS: Final = {
    "is not an accepted origin": (3, "Bad request", "origin"),
    "Invalid transport": (0, "Transport unknown", "transport"),
    "Invalid session None": (2, "Bad handshake method", "method"),
    "Invalid session": (1, "Session ID unknown", "session"),
    "The client is using": (5, "Unsupported protocol version", "version"),
}
_ENCODED: Final = re.compile("[%+]")
ROUTE: Final = "X-Confer-Route"  # told with a new session, so that a balancer need not know it beforehand
_SPECIAL: Final = {"sid", "j"}  # a session that polls; JSONP
TOO_MANY, NOT_NOW = "429 TOO MANY REQUESTS", "503 SERVICE UNAVAILABLE"
_TOO_MANY: Final = {
    Full.PER_KEY: (TOO_MANY, "connections: this address has as many as it may have"),
    Full.IN_ALL: (NOT_NOW, "connections: this edge has as many as it may have"),
}


class Engine(engineio.AsyncServer):  # type: ignore[misc]
    """The Engine.IO server of this edge. The callbacks are set by the Socket.IO server above it. `leaving`: no new
    session is taken; the client tries elsewhere."""

    leaving = False

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.route = ""  # what the ids of sessions begin with, for balancers
        self.queued_max = 0
        self.unsent_max = 0
        self.patience_s = 0.0
        self.events_per_s, self.events_burst = 100.0, 200.0
        self.upgrade_s = 10.0
        self.addresses = Census(2000, 20_000)  # Engine.IO sids by address
        self.arrivals = Arrivals(50, 4000, 20_000)  # by address
        self.on_open: Callable[[Socket], None] = lambda _: None
        self.on_end: Callable[[str, str], None] = lambda *_: None
        self.on_message: OnMessage
        self.on_flood: Callable[[Socket, bytes, Verdict], None] = self._flooded
        self._tasks = Tasks()
        self.turn = Turn(batch.opened())
        self._wheel: Wheel | None = None

    def create_queue(self, *_: Any, **__: Any) -> None:
        """None: the outlet is in its place, in a tenth of the memory."""

    def end(self, socket: Socket, reason: str, *, abort: bool = False) -> None:
        socket.finish(reason, abort=abort)

    def _flooded(self, socket: Socket, _data: bytes, verdict: Verdict) -> None:
        if verdict is Verdict.CUT:
            self.violation(socket, "more packets than it may send")

    def cut(self, socket: Socket, why: str) -> None:
        """End the connection of a client that is to come back later, telling why where the protocol can."""
        log.warning("a client is cut off", reason=why)
        socket.out.stop()
        self._tasks.start(socket.send_away(TRY_AGAIN_LATER, why), "cut")

    async def turn_away(self, socket: Socket, why: str, status: str, retry_after_s: float) -> None:
        """As `cut`, before there is a session. Who polls is told by the status of its GET, which the stock client shows
        as `connect_error`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.patience_s):
                await socket.out.drained()
        if not socket.closed:
            log.info("a client is turned away", reason=why)
            socket.parting = self._refusal(status, why, retry_after_s)
            await socket.send_away(TRY_AGAIN_LATER, why)

    def violation(self, socket: Socket, why: str) -> None:
        """End the connection, telling why where the protocol can."""
        metrics.VIOLATIONS.inc()
        log.info("protocol violation", reason=why)
        socket.close_reason = why
        self.end(socket, self.reason.TRANSPORT_ERROR)

    # --- requests ---------------------------------------------------------------------------------------

    async def handle_request(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        """The parameter `transport` is mandatory (Engine.IO v4, "HTTP long-polling" and "WebSocket"); the library
        takes polling for granted. A session that is closed is unknown, also to a POST, which the library would answer
        with 500."""
        query = scope.get("query_string", b"")
        asked = parse_qs(query.decode("ascii", "replace"))
        if "transport" not in asked:
            scope = {**scope, "query_string": query + b"&transport=none"}
        sid = asked.get("sid", [""])[0]
        socket = self.sockets.get(sid)
        if socket is not None and socket.closed:
            del self.sockets[sid]
        if scope["type"] == "websocket" and socket is not None and (socket.upgraded or socket.upgrading):
            return await self._close_second(scope, receive, send)
        return await super().handle_request(scope, receive, send)

    @staticmethod
    async def _close_second(scope: dict[str, Any], receive: Any, send: Any) -> None:
        """A second WebSocket of one session is closed, and the session stays as it is (Engine.IO v4, "Upgrade")."""
        await receive()
        await send({"type": "websocket.accept"})
        scope["extensions"][EXTENSION].close()

    def _ok(self, packets: list[Packet] | None = None, **more: Any) -> Any:
        """A POST is answered by `ok` (Engine.IO v4, "HTTP long-polling")."""
        response = super()._ok(packets, **more)
        return response if packets is not None else response | {"response": b"ok"}

    def _bad_request(self, message: str | None = None) -> Any:
        """400, and why in the words and numbers of the reference implementation."""
        found = (refusal for part, refusal in _REFUSALS.items() if part in (message or ""))
        code, text, label = next(found, (3, "Bad request", metrics.OTHER))
        metrics.REFUSED.labels(label).inc()
        if code == 0 and self.transports == ["websocket"]:
            text = "Transport unknown: this edge serves WebSocket clients only"
        return super()._bad_request({"code": code, "message": text})

    def _log_error_once(self, message: str, message_key: str) -> None:
        """Nothing: a refusal is counted, and told to the client. The library would log the id of the session, and
        whoever knows that can speak for its client."""

    def _method_not_found(self) -> Any:
        """Any method but GET and POST is refused with 400 as well."""
        metrics.REFUSED.labels("method").inc()
        return super()._bad_request({"code": 2, "message": "Bad handshake method"})

    async def _make_response(self, response: dict[str, Any], environ: dict[str, Any]) -> Any:
        """A refused WebSocket is told the same as a refused request; a body that is too large by its own status, as
        the reference implementation does."""
        if environ["asgi.scope"].get(BODY) == TOO_LARGE:
            response = response | {"status": "413 CONTENT TOO LARGE"}
        if environ["asgi.scope"]["type"] != "websocket":
            return await super()._make_response(response, environ)
        status = int(response["status"].split()[0])
        headers = [(name.lower().encode(), value.encode()) for name, value in response["headers"]]
        await environ["asgi.send"]({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await environ["asgi.send"]({"type": "websocket.http.response.body", "body": response["response"]})
        return None

    def open(self, link: WebSocket, scope: Mapping[str, Any], host: str) -> bool:
        """Begin a session on a WebSocket, in place and with one write, where its handshake is as that of every client.
        False: it upgrades a session that polls, or is to be refused; the library does that."""
        query = scope["query_string"].decode("ascii", "replace")
        address = subscriber(host)
        if not self._is_ordinary(query, scope["headers"]) or self.leaving:
            return False
        if self.addresses.full(None, address) or self._wait_s(address):
            return False
        socket = self._begun("websocket", query, address)
        socket.begin(link, b"0" + orjson.dumps(self._handshake(socket.sid, "websocket")))
        return True

    def _is_ordinary(self, query: str, headers: list[tuple[bytes, bytes]]) -> bool:
        """Each thing is told once, and in plain letters."""
        pairs, told = [pair.partition("=")[::2] for pair in query.split("&")], dict(headers)
        asked = dict(pairs)
        return (
            len(told) == len(headers)
            and len(asked) == len(pairs)
            and not _ENCODED.search("".join(asked))
            and (asked.get("EIO"), asked.get("transport")) == ("4", "websocket")
            and "websocket" in self.transports
            and not _SPECIAL & asked.keys()
            and self._accepts(told.get(b"origin", b"").decode("ascii", "replace"))
        )

    def _accepts(self, origin: str) -> bool:
        """As the library has it: an empty list accepts everybody."""
        allowed = self.cors_allowed_origins
        return not origin or allowed == [] or (isinstance(allowed, list) and origin in allowed)

    async def _handle_connect(self, environ: dict[str, Any], transport: str, jsonp_index: int | None = None) -> Any:
        """The library names its socket class here, so the handshake is spelled out to use ours. It still speaks JSONP,
        which Engine.IO 4 has no more: any page could read that as a script, whatever its origin."""
        if jsonp_index is not None:
            return self._bad_request()
        if self.leaving:
            metrics.REFUSED.labels("leaving").inc()
            text = b"This edge is going away: connect again."
            return {"status": NOT_NOW, "headers": [("Content-Type", "text/plain")], "response": text}
        address = subscriber((environ["asgi.scope"].get("client") or ("",))[0])
        if (full := self.addresses.full(None, address)) is not None:
            return self._too_many(full)
        if wait_s := self._wait_s(address):
            return self._too_often(wait_s)
        socket = self._begun(transport, environ.get("QUERY_STRING", ""), address)
        socket.write(Outgoing.of(Packet(OPEN, self._handshake(socket.sid, transport))))
        if transport == "websocket":
            return await socket.handle_get_request(environ)
        socket.connected = True
        headers = [(ROUTE, self.route)] if self.route else []
        return self._ok(await socket.poll(), headers=headers, jsonp_index=jsonp_index)

    def _begun(self, transport: str, query: str, address: str) -> Socket:
        if self._wheel is None:
            self._wheel = Wheel(self.ping_interval, self.ping_timeout)
        sid = f"{self.route}.{self.generate_id()}" if self.route else self.generate_id()
        self.addresses.enter(sid, address)
        socket = self.sockets[sid] = Socket(self, sid, query)
        self._wheel.add(socket)
        metrics.HANDSHAKES.labels(transport).inc()
        self.on_open(socket)
        return socket

    def _too_many(self, full: Full) -> dict[str, Any]:
        metrics.LIMITS.labels("connections_max" if full is Full.IN_ALL else "connections_per_address_max").inc()
        return self._refusal(*_TOO_MANY[full])

    def _wait_s(self, address: str) -> float:
        return self.arrivals.wait_s(address, asyncio.get_running_loop().time())

    def _too_often(self, wait_s: float) -> dict[str, Any]:
        metrics.LIMITS.labels("connects_per_address").inc()
        return self._refusal(TOO_MANY, f"connects: {self.arrivals.limit} from this address", wait_s)

    def _refusal(self, status: str, text: str, wait_s: float | None = None) -> dict[str, Any]:
        """In the shape of the reference implementation's refusals; 4 is its "Forbidden"."""
        response = super()._bad_request({"code": 4, "message": text})
        retry = [] if wait_s is None else [("Retry-After", str(whole_seconds(wait_s)))]
        return {**response, "status": status, "headers": [*response["headers"], *retry]}

    def _handshake(self, sid: str, transport: str) -> dict[str, Any]:
        """Milliseconds; the library rounds an interval to whole seconds."""
        return {
            "sid": sid,
            "upgrades": self._upgrades(sid, transport),
            "pingTimeout": int(self.ping_timeout * 1000),
            "pingInterval": int(self.ping_interval * 1000),
            "maxPayload": self.max_http_buffer_size,
        }
