"""Deadlines: a heap over what this replica knows. Losing it loses nothing, for the deadlines are in the facts."""

import asyncio
import heapq
import random
import time
from collections.abc import Awaitable, Callable

from confer_contracts.errors import ErrorCode, Rejection
from confer_kit import clock, telemetry
from confer_kit.event_log import OutcomeUnknown, Unavailable
from confer_kit.handled import handled

SPARE = 1000  # places in the heap that what was cancelled, or set anew, may take
AGAIN_S = 1.0  # after a failure
JITTER_S = 0.15  # replicas fire apart, so that the second one finds the work done


class Timers:
    """Named deadlines; setting one again replaces it. Traces and lines tell a name's first word, what it is for;
    what follows is whose it is. What is done at a deadline is a trace of its own, linked to the one that set it."""

    def __init__(self) -> None:
        self._due: dict[str, tuple[float, Callable[[], Awaitable[None]], str]] = {}
        self._heap: list[tuple[float, str]] = []
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: str, at: float, fire: Callable[[], Awaitable[None]]) -> None:
        """Call `fire` at `at` (Unix seconds) or soon after; a deadline in the past fires at once."""
        due = at + random.uniform(0, JITTER_S)  # noqa: S311 - jitter
        self._due[key] = (due, fire, telemetry.cause())
        heapq.heappush(self._heap, (due, key))
        if len(self._heap) > 2 * len(self._due) + SPARE:
            self._heap = [(at, name) for name, (at, *_) in self._due.items()]
            heapq.heapify(self._heap)
        self._changed.set()

    def cancel(self, key: str) -> None:
        self._due.pop(key, None)

    def clear(self) -> None:
        """What they were set for is void."""
        self._due.clear()

    async def run(self) -> None:
        """Fire what is due, one after the other, until cancelled. A failure is logged; `fire` sets what it retries."""
        while True:
            self._changed.clear()
            wait = max(0.0, self._heap[0][0] - clock.now()) if self._heap else 3600.0
            try:
                await asyncio.wait_for(self._changed.wait(), wait)
                continue
            except TimeoutError:
                pass
            while self._heap and self._heap[0][0] <= clock.now():
                due, key = heapq.heappop(self._heap)
                if self._due.get(key, (None,))[0] == due:
                    await self._fire(key)

    async def _fire(self, key: str) -> None:
        _, fire, cause = self._due.pop(key)
        began, route = time.perf_counter(), f"timer {key.partition(' ')[0]}"
        outcome, surprise = "ok", None
        links = [cause] if cause else []
        with telemetry.span(route, telemetry.Kind.INTERNAL, telemetry.incoming(None), links=links) as span:
            try:
                await fire()
            except Exception as error:
                outcome = _outcome(error)
                surprise = error if outcome == ErrorCode.INTERNAL else None
                if key not in self._due:
                    self.set(key, clock.now() + AGAIN_S, fire)
            telemetry.ended(span, outcome)
            handled(route, outcome, time.perf_counter() - began, error=surprise)


def _outcome(error: Exception) -> str:
    if isinstance(error, Rejection):
        return error.code
    away = isinstance(error, (TimeoutError, Unavailable, OutcomeUnknown))
    return ErrorCode.UNAVAILABLE if away else ErrorCode.INTERNAL
