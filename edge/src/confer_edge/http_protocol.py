"""HTTP as uvicorn speaks it, with an end to whatever a peer leaves unfinished: requests that trickle in, answers that
are not read, heads without end, connections without number."""

import asyncio
import resource
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_remote_addr, is_ssl

from confer_edge import metrics
from confer_edge.census import Census, Full, subscriber
from confer_edge.deadlines import Deadlines
from confer_edge.websocket import WebSocket
from confer_kit.logs import logger

log = logger(__name__)

HEAD_BYTES_MAX: Final = 64 * 1024
PER_SESSION: Final = 3  # connections of a client that polls, and one to spare
FILES_BESIDE: Final = 200  # open files that are no client's
LINGER_S: Final = 1.0  # a refusal is lost when the connection closes on what has not been read
_TOO_MANY: Final = {
    Full.PER_KEY: (429, "Too Many Requests", "more connections from this address than it may have"),
    Full.IN_ALL: (503, "Service Unavailable", "more connections than this edge may have"),
}

# Takes a WebSocket (with its scope and the client's host) by itself; False: it goes through ASGI
Open = Callable[[WebSocket, Mapping[str, Any], str], bool]


class Proxies(Protocol):
    """Peers that speak for many, as uvicorn knows them."""

    def __contains__(self, host: str) -> bool: ...
    def get_trusted_client_address(self, x_forwarded_for: str) -> tuple[str, int]: ...


class Surroundings:
    """What all connections share. `whole_s`: within it a request is there as a whole, and an answer is read. `peers`:
    the open connections. `server`: the address that is served. `open`, by path."""

    def __init__(
        self, whole_s: float, peers: Census, proxies: Proxies, server: tuple[str, int], opens: Mapping[str, Open]
    ) -> None:
        self.whole_s, self.peers, self.proxies, self.server, self.opens = whole_s, peers, proxies, server, opens
        self.asking: Deadlines[Http] = Deadlines(whole_s, Http.trickles)
        self.answering: Deadlines[Http] = Deadlines(whole_s, Http.unread)


class Http(HttpToolsProtocol):
    """One connection, until it is closed or becomes a WebSocket."""

    def __init__(self, *arguments: Any, around: Surroundings, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._around = around
        self._refused = False
        self._head_bytes: int | None = 0  # of the head that is coming; None: it is complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As uvicorn does it, which asks the system for the server's own address as well."""
        self.connections.add(self)
        self.transport = transport
        self.flow = FlowControl(transport)
        self.server, self.client = self._around.server, get_remote_addr(transport)
        self.scheme = "https" if is_ssl(transport) else "http"
        host = self.client[0] if self.client else ""
        address = f"proxied {id(self)}" if host in self._around.proxies else subscriber(host)
        full = self._around.peers.full(self, address)
        if full is not None:
            self._refuse(*_TOO_MANY[full], limit="http_connections")
            return
        self._around.peers.enter(self, address)
        self._around.asking.start(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._around.asking.start(self)
        super().data_received(data)
        if self._head_bytes is not None and self in self._around.asking:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                text = f"the head is longer than {HEAD_BYTES_MAX} bytes"
                self._refuse(431, "Request Header Fields Too Large", text, limit="head_bytes")

    def handle_websocket_upgrade(self) -> None:
        """In place: uvicorn would write the request out again, to be parsed a second time."""
        self._end()
        self.connections.discard(self)
        link = WebSocket(self.config, self.server_state, self.app_state)
        self.transport.set_protocol(link)
        link.connection_made(self.transport)
        scope = link.scope(self.scope, self.url)
        if scope is not None and not self._opened(link, scope):
            link.run(scope)
        self.parser = None  # type: ignore[assignment]  # it holds this object, which the collector would have to find

    def _opened(self, link: WebSocket, scope: dict[str, Any]) -> bool:
        opens = self._around.opens.get(scope["path"])
        return opens is not None and opens(link, scope, self._host(scope))

    def _host(self, scope: dict[str, Any]) -> str:
        """The client's, as uvicorn's middleware finds it behind a proxy."""
        host = self.client[0] if self.client else ""
        forwarded = b", ".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        if forwarded and host in self._around.proxies:
            return self._around.proxies.get_trusted_client_address(forwarded.decode("latin1"))[0] or host
        return host

    # --- a request: from the connection's beginning, or its first byte, to its end ---------------------------

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._head_bytes = 0
        self._around.asking.stop(self)
        super().on_message_complete()

    def trickles(self) -> None:
        self._refuse(408, "Request Timeout", f"no whole request within {self._around.whole_s:g} s", limit="request_s")

    # --- an answer: until its last byte has left ---------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._around.answering.stop(self)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._expect_reader()

    def _expect_reader(self) -> None:
        if self.transport.get_write_buffer_size():
            self._around.answering.start(self)

    def unread(self) -> None:
        if self.transport.get_write_buffer_size():
            metrics.LIMITS.labels("answer_s").inc()
            log.info("an HTTP connection is cut off", reason=f"an answer is not read within {self._around.whole_s:g} s")
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        metrics.REFUSED.labels(metrics.OTHER).inc()
        super().send_400_response(msg)

    # --- the end -----------------------------------------------------------------------------------------------

    def _refuse(self, status: int, phrase: str, why: str, *, limit: str) -> None:
        metrics.LIMITS.labels(limit).inc()
        log.info("an HTTP connection is cut off", reason=why)
        self._refused = True
        if self.cycle is not None:  # whoever is at work on it says nothing more
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        head = f"HTTP/1.1 {status} {phrase}\r\ncontent-type: text/plain\r\ncontent-length: {len(why)}\r\n"
        self.transport.write(f"{head}connection: close\r\n\r\n{why}".encode())
        self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.abort)

    def _end(self) -> None:
        self._around.asking.stop(self)
        self._around.answering.stop(self)
        self._around.peers.leave(self)


def allow_open_files(clients: int) -> None:
    """For so many clients, as far as the system lets this process; a warning where it does not for one file each."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = PER_SESSION * clients + FILES_BESIDE
    possible = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < possible:
        resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
    if possible < clients + FILES_BESIDE:
        log.warning("fewer files may be open than clients are allowed", files=possible, clients=clients)
