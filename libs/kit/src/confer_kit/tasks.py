"""Background tasks that somebody owns: none is lost to the garbage collector, no exception goes unseen."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from confer_kit.logs import logger

log = logger(__name__)

T = TypeVar("T")


class Tasks:
    """The tasks of one owner; `cancel` ends them all."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Coroutine[Any, Any, Any], name: str | None = None) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=name)  # noqa: TID251
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("background task failed", task=task.get_name(), exc_info=error)

    async def finished(self, timeout: float) -> bool:
        """Whether all tasks, also those started meanwhile, ended by themselves within `timeout` seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while self._running and loop.time() < deadline:
            await asyncio.wait(self._running, timeout=deadline - loop.time())
        return not self._running

    async def cancel(self) -> None:
        for task in tuple(self._running):
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=2)


async def together(*works: Coroutine[Any, Any, T]) -> list[T]:
    """The results of all, as `asyncio.gather`; one alone needs no task."""
    return [await works[0]] if len(works) == 1 else await asyncio.gather(*works)


async def again(seconds: float, work: Callable[[], Awaitable[None]], *, at_once: bool = False) -> None:
    """Call `work` until cancelled, `seconds` apart with jitter; a failure is logged, and the next call comes."""
    while True:
        if not at_once:
            await asyncio.sleep(seconds * random.uniform(0.9, 1.1))  # noqa: S311 - jitter
        at_once = False
        try:
            await work()
        except Exception:
            log.exception("periodic work failed", work=work.__qualname__)
