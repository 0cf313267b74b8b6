"""Asks an edge how it is."""

import asyncio
import urllib.error
from typing import Final, NamedTuple

from confer_ops.fetching import body_of, directly

TIMEOUT_S = 2.0
TEXT_BYTES_MAX: Final = 2000


class Answer(NamedTuple):
    status: int
    text: str


async def is_healthy(port: int) -> bool:
    """Whether `/health` answers 200 in time."""
    return await body_of(port, "/health", within_s=TIMEOUT_S, bytes_max=TEXT_BYTES_MAX) is not None


async def answer_of(url: str, timeout_s: float = 5.0) -> Answer:
    """Of a GET, whatever its status. OSError, HTTPException or ValueError (no such address) without one."""
    return await asyncio.to_thread(_get, url, timeout_s)


def _get(url: str, timeout_s: float) -> Answer:
    try:
        with directly.open(url, timeout=timeout_s) as told:
            return Answer(told.status, told.read(TEXT_BYTES_MAX).decode(errors="replace").strip())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read(TEXT_BYTES_MAX).decode(errors="replace").strip())
