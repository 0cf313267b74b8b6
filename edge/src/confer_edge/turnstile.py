"""Storms: so many at once, the others in the order in which they came (ADR 0015)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from confer_contracts.errors import ErrorCode, Rejection
from confer_edge import metrics


class Turnstile:
    """`limit` is the name that is counted and told."""

    def __init__(self, limit: str, at_once: int) -> None:
        self._limit = limit
        self._at_once = at_once
        self._turns = asyncio.Semaphore(at_once)

    @property
    def crowded(self) -> bool:
        """Whoever comes now has to wait."""
        return self._turns.locked()

    @asynccontextmanager
    async def turn(self, patience_s: float | None) -> AsyncIterator[None]:
        """Rejection(unavailable) for who has waited that long; None: as long as it takes those before."""
        try:
            if self.crowded:
                async with asyncio.timeout(patience_s):
                    await self._turns.acquire()
            else:  # it is had at once
                await self._turns.acquire()
        except TimeoutError:
            metrics.LIMITS.labels(self._limit).inc()
            text = f"{self._limit}: {self._at_once} at a time, and this one has waited {patience_s:g} s"
            raise Rejection(ErrorCode.UNAVAILABLE, text) from None
        try:
            yield
        finally:
            self._turns.release()
