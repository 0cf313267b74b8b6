"""Asks an edge how it is."""

import asyncio

from confer_ops.ports import HOST

TIMEOUT_S = 2.0


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
