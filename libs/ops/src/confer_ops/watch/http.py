"""A few requests a second on loopback: one request per connection, everything bounded."""

import asyncio
import contextlib
import zlib
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final, NamedTuple

from confer_ops.ports import HOST, TRIES
from confer_ops.trouble import Trouble

HEAD_BYTES_MAX: Final = 16 * 1024
BODY_BYTES_MAX: Final = 8 * 1024 * 1024  # also once it is unpacked
CONNECTIONS_MAX: Final = 64
REQUEST_S: Final = 10.0
_SAFE: Final = (
    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
)


class Request(NamedTuple):
    """`path` without its query; names of `headers` in small letters."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    status: HTTPStatus
    kind: str = "text/plain; charset=utf-8"
    body: bytes = b""


Handler = Callable[[Request], Awaitable[Answer]]


class Server:
    """Listens on loopback, at `port`. Requests under another host's name are refused: no page from elsewhere gets in
    by a name that was pointed here."""

    def __init__(self, handler: Handler) -> None:
        self.port = 0
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._connections = 0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def start(self, first: int, but_not: set[int]) -> None:
        """On the first free port from `first` upwards."""
        for port in range(first, min(first + TRIES, 65536)):
            if port not in but_not:
                with contextlib.suppress(OSError):
                    self._server = await asyncio.start_server(self._serve, HOST, port, limit=HEAD_BYTES_MAX)
                    self.port = port
                    return
        raise Trouble(f"No free port between {first} and {first + TRIES} on {HOST}.")

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        gone = (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)
        try:
            with contextlib.suppress(*gone):
                async with asyncio.timeout(REQUEST_S):
                    busy = self._connections > CONNECTIONS_MAX
                    answer = Answer(HTTPStatus.SERVICE_UNAVAILABLE) if busy else await self._answer(reader)
                    head = f"HTTP/1.1 {answer.status} {answer.status.phrase}\r\nContent-Type: {answer.kind}\r\n"
                    length = f"Content-Length: {len(answer.body)}\r\nConnection: close\r\n\r\n"
                    writer.write((head + _SAFE + length).encode() + answer.body)
                    await writer.drain()
        finally:
            self._connections -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> Answer:
        line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {n.strip().lower(): v.strip() for n, _, v in (each.partition(":") for each in lines)}
        if headers.get("host") not in (f"{HOST}:{self.port}", f"localhost:{self.port}"):
            return Answer(HTTPStatus.MISDIRECTED_REQUEST)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
            return Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        body = await reader.readexactly(int(length))
        method, _, target = line.partition(" ")
        path, _, query = target.partition(" ")[0].partition("?")
        try:
            if headers.get("content-encoding") == "gzip":
                body = _unpacked(body)
            return await self._handler(Request(method, path, query, headers, body))
        except ValueError as error:
            return Answer(HTTPStatus.BAD_REQUEST, body=f"{error}\n".encode())


def _unpacked(body: bytes) -> bytes:
    """ValueError when it is no gzip, or too much."""
    unpacking = zlib.decompressobj(wbits=31)
    try:
        plain = unpacking.decompress(body, BODY_BYTES_MAX)
    except zlib.error as error:
        raise ValueError("no gzip") from error
    if not unpacking.eof:
        raise ValueError(f"cut off, or more than {BODY_BYTES_MAX} bytes once it is unpacked")
    return plain
