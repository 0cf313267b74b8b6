"""Equal deadlines of many, with one timer: to start and to stop one is a dictionary's work."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Member = TypeVar("Member", bound=Hashable)


class Deadlines(Generic[Member]):
    """Calls `late` with each member that is not stopped within `seconds`, once."""

    def __init__(self, seconds: float, late: Callable[[Member], None]) -> None:
        self._seconds, self._late = seconds, late
        self._due: dict[Member, float] = {}  # by the loop's clock; in this order, for all last equally long
        self._timer: asyncio.TimerHandle | None = None

    def __contains__(self, member: Member) -> bool:
        return member in self._due

    def start(self, member: Member) -> None:
        """Starting a running one changes nothing."""
        if member not in self._due:
            loop = asyncio.get_running_loop()
            self._due[member] = loop.time() + self._seconds
            if self._timer is None:
                self._timer = loop.call_later(self._seconds, self._look)

    def stop(self, member: Member) -> None:
        self._due.pop(member, None)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._due:
            member, due = next(iter(self._due.items()))
            if due > loop.time():
                self._timer = loop.call_at(due, self._look)
                return
            del self._due[member]
            self._late(member)
