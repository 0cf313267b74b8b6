"""Sessions that have ended, and what recovery and presence have to know of them. Thousands end at once, when a network
does: those with nothing under way are seen off by one task, which sends many records before it waits for an answer."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from confer_edge.joins import Joins
from confer_edge.recovery import Recovery
from confer_edge.session import Session
from confer_edge.settings import EdgeSettings
from confer_kit.tasks import Tasks

AT_ONCE: Final = 64  # records that are sent before others get a turn
UNDER_WAY_MAX: Final = 1000  # records whose answers are still to come


class Departures:
    """`own`: the client has gone by itself and does not come back for the session."""

    def __init__(self, recovery: Recovery, joins: Joins, settings: EdgeSettings, tasks: Tasks) -> None:
        self._recovery = recovery
        self._joins = joins
        self._settings = settings
        self._tasks = tasks
        self._waiting: deque[tuple[Session, bool]] = deque()
        self._working = False

    def see_off(self, session: Session, *, own: bool) -> None:
        """Facts stop at once. The rest comes after what the session has still under way."""
        self._joins.silence(session)
        self._waiting.append((session, own))
        if not self._working:
            self._working = True
            self._tasks.start(self._work(), "departures")

    async def _leave(self, session: Session, *, own: bool) -> None:
        await self._recovery.end(session, lost=not own)
        await self._joins.leave_all(session, self._grace_s(own))

    async def _work(self) -> None:
        under_way: deque[Callable[[], Awaitable[None]]] = deque()
        try:
            while self._waiting:
                leaving = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
                for session, own in leaving:
                    if not session.lane.rests or session.storing is not None:
                        session.lane.submit(partial(self._leave, session, own=own), unbounded=True)
                        continue
                    answer = await self._recovery.end_later(session, lost=not own)
                    if answer is not None:
                        under_way.append(answer)
                    await self._tell(session, self._grace_s(own))
                while len(under_way) > (UNDER_WAY_MAX if self._waiting else 0):
                    await under_way.popleft()()
                await asyncio.sleep(0)
        finally:
            self._working = False

    async def _tell(self, session: Session, grace_s: float) -> None:
        """Presence is asked for each room: nobody else waits for that."""
        if session.attachments:
            session.lane.submit(partial(self._joins.leave_all, session, grace_s), unbounded=True)
        else:
            await self._joins.leave_all(session, grace_s)

    def _grace_s(self, own: bool) -> float:
        return self._settings.leave_grace_s if own else self._settings.drop_grace_s
