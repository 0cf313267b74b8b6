"""One client's order: its calls run one after the other; the next leaves after the previous answer or deadline."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from confer_contracts.errors import ErrorCode, Rejection
from confer_edge import metrics
from confer_kit.logs import logger
from confer_kit.tasks import Tasks

log = logger(__name__)

Work = Callable[[], Awaitable[None]]


class Client(Protocol):
    async def ready(self) -> None:
        """Waits until it may be given one more answer."""


class Lane:
    """Runs work in order; a task exists only while there is some. Each waits until the client is ready."""

    __slots__ = ("_client", "_pending", "_pending_max", "_running", "_tasks")

    def __init__(self, tasks: Tasks, pending_max: int, client: Client | None = None) -> None:
        self._tasks = tasks
        self._client = client
        self._pending_max = pending_max
        self._pending: list[Work] = []  # short; an empty deque takes 600 bytes more, for each client
        self._running = False

    @property
    def rests(self) -> bool:
        """Nothing is under way."""
        return not self._running

    def submit(self, work: Work, *, unbounded: bool = False) -> None:
        """Rejection(limit_exceeded) when too much waits; the edge's own work (`unbounded`) is always taken."""
        if not unbounded and len(self._pending) >= self._pending_max:
            metrics.LIMITS.labels("pending_calls_max").inc()
            raise Rejection(ErrorCode.LIMIT_EXCEEDED, f"more than {self._pending_max} calls of this client wait")
        self._pending.append(work)
        if not self._running:
            self._running = True
            self._tasks.start(self._run(), "lane")

    def hold(self) -> None:
        """What is submitted waits for `begin`; before anything was."""
        self._running = True

    def begin(self, first: Work) -> None:
        """With this, and then all that waits."""
        self._pending.insert(0, first)
        self._tasks.start(self._run(), "lane")

    async def idle(self) -> None:
        """Wait until everything submitted so far is done."""
        passed = asyncio.Event()

        async def mark() -> None:
            passed.set()

        self.submit(mark, unbounded=True)
        await passed.wait()

    async def _run(self) -> None:
        try:
            while self._pending:
                work = self._pending.pop(0)
                try:
                    if self._client is not None:
                        await self._client.ready()
                    await work()
                except Exception:  # the client's next call must not pay for it
                    log.exception("work of a client failed")
        finally:
            self._running = False
