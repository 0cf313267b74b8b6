"""HTTP as uvicorn speaks it, with an end to whatever a peer leaves unfinished: requests that trickle in, answers that
are not read, heads without end, connections without number."""

import asyncio
import resource
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from confer_edge import metrics
from confer_edge.census import Census, Full, subscriber
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


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """`whole_s`: within it a request is there as a whole, and an answer is read. `peers`: the open connections.
    `proxies`: whether a peer speaks for many."""

    whole_s: float
    peers: Census
    proxies: Callable[[str], bool]


class Deadline:
    """Calls `late` unless it is stopped in time. Starting a running one changes nothing."""

    __slots__ = ("_late", "_seconds", "_timer")

    def __init__(self, seconds: float, late: Callable[[], None]) -> None:
        self._seconds, self._late = seconds, late
        self._timer: asyncio.TimerHandle | None = None

    @property
    def running(self) -> bool:
        return self._timer is not None

    def start(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._passed)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _passed(self) -> None:
        self._timer = None
        self._late()


class Http(HttpToolsProtocol):
    """One connection, until it is closed or becomes a WebSocket."""

    def __init__(self, *arguments: Any, limits: HttpLimits, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._limits = limits
        self._refused = False
        self._head_bytes: int | None = 0  # of the head that is coming; None: it is complete
        self._asking = Deadline(limits.whole_s, self._trickles)
        self._answering = Deadline(limits.whole_s, self._unread)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        host = self.client[0] if self.client else ""
        address = f"proxied {id(self)}" if self._limits.proxies(host) else subscriber(host)
        full = self._limits.peers.full(self, address)
        if full is not None:
            self._refuse(*_TOO_MANY[full], limit="http_connections")
            return
        self._limits.peers.enter(self, address)
        self._asking.start()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._asking.start()
        super().data_received(data)
        if self._head_bytes is not None and self._asking.running:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                text = f"the head is longer than {HEAD_BYTES_MAX} bytes"
                self._refuse(431, "Request Header Fields Too Large", text, limit="head_bytes")

    def handle_websocket_upgrade(self) -> None:
        self._end()
        super().handle_websocket_upgrade()

    # --- a request: from the connection's beginning, or its first byte, to its end ---------------------------

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._head_bytes = 0
        self._asking.stop()
        super().on_message_complete()

    def _trickles(self) -> None:
        self._refuse(408, "Request Timeout", f"no whole request within {self._limits.whole_s:g} s", limit="request_s")

    # --- an answer: until its last byte has left ---------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._answering.stop()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._expect_reader()

    def _expect_reader(self) -> None:
        if self.transport.get_write_buffer_size():
            self._answering.start()

    def _unread(self) -> None:
        if self.transport.get_write_buffer_size():
            metrics.LIMITS.labels("answer_s").inc()
            log.info("an HTTP connection is cut off", reason=f"an answer is not read within {self._limits.whole_s:g} s")
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
        self._asking.stop()
        self._answering.stop()
        self._limits.peers.leave(self)


def allow_open_files(clients: int) -> None:
    """For so many clients, as far as the system lets this process; a warning where it does not for one file each."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = PER_SESSION * clients + FILES_BESIDE
    possible = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < possible:
        resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
    if possible < clients + FILES_BESIDE:
        log.warning("fewer files may be open than clients are allowed", files=possible, clients=clients)
