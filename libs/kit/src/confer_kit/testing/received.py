"""What a client was sent, in order, and waiting for it: common to the official clients and the raw one."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

WAIT_S = 30.0  # a deadline for what hangs, not for what is slow
MISSING = object()


class Event(NamedTuple):
    name: str
    args: list[Any]

    @property
    def body(self) -> Any:
        """The first argument; MISSING where there is none."""
        return self.args[0] if self.args else MISSING


class Received:
    """The events of one client, and the acks that it waits for."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.events: list[Event] = []
        self._changed = asyncio.Event()

    def put(self, name: str, args: list[Any]) -> None:
        self.events.append(Event(name, args))
        self.changed()

    def changed(self) -> None:
        self._changed.set()

    def bodies(self, name: str, since: int = 0) -> list[Any]:
        """The bodies of all events of this name, from the `since`th event on."""
        return [event.body for event in self.events[since:] if event.name == name]

    def names(self, since: int = 0) -> list[str]:
        return [event.name for event in self.events[since:]]

    async def got(
        self, name: str, where: Callable[[Any], bool] = lambda body: True, *, since: int = 0, timeout: float = WAIT_S
    ) -> Any:
        """The body of the first such event, waited for."""
        found: list[Any] = []

        def arrived() -> bool:
            found[:] = [body for body in self.bodies(name, since) if where(body)]
            return bool(found)

        await self.until(arrived, f"`{name}`", since=since, timeout=timeout)
        return found[0]

    async def until(
        self, condition: Callable[[], bool], what: str = "it", *, since: int = 0, timeout: float = WAIT_S
    ) -> None:
        """Wait for anything that an arrival makes true; AssertionError that tells what came instead."""
        try:
            async with asyncio.timeout(timeout):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            told = "\n".join(f"  {event.name} {event.args}"[:400] for event in self.events[since:])
            raise AssertionError(f"{self.name} waited for {what}; since then came:\n{told or '  nothing'}") from None
