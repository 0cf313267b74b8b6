"""HTTP of processes that are near: no proxy is asked, whatever HTTP_PROXY says."""

import asyncio
import urllib.request
from typing import Final

from confer_ops.ports import HOST

directly: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


async def body_of(port: int, path: str, *, within_s: float, bytes_max: int) -> bytes | None:
    """What a process of this machine answers to a GET; None unless that is a 200, in time."""
    try:
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
                answer = await reader.read(bytes_max)
                while more := await reader.read(bytes_max - len(answer)):
                    answer += more
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None
    head, _, body = answer.partition(b"\r\n\r\n")
    return body if head.split(b" ")[1:2] == [b"200"] else None
