"""Asks an edge how it is."""

import asyncio
import urllib.error
import urllib.request
from typing import Final, NamedTuple

from confer_ops.ports import HOST

TIMEOUT_S = 2.0
TEXT_BYTES_MAX: Final = 2000
_directly: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Answer(NamedTuple):
    status: int
    text: str


async def is_healthy(port: int) -> bool:
    """Whether `/health` answers 200 in time."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                writer.write(f"GET /health HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
                status = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return status.split(b" ")[1:2] == [b"200"]


async def answer_of(url: str, timeout_s: float = 5.0) -> Answer:
    """Of a GET, whatever its status. OSError, HTTPException or ValueError (no such address) without one."""
    return await asyncio.to_thread(_get, url, timeout_s)


def _get(url: str, timeout_s: float) -> Answer:
    try:
        with _directly.open(url, timeout=timeout_s) as told:
            return Answer(told.status, told.read(TEXT_BYTES_MAX).decode(errors="replace").strip())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read(TEXT_BYTES_MAX).decode(errors="replace").strip())
