"""One timer for all heartbeats: a wheel of buckets instead of a timer per client (Engine.IO v4, "Heartbeat")."""

import asyncio
from typing import Protocol

TURNS_PER_WAIT = 20  # how finely a wait is divided
TURN_S_MAX = 1.0


class Beating(Protocol):
    """A session with a heartbeat. `heard` is set when its pong came."""

    closed: bool
    heard: bool

    def ping(self) -> None: ...
    def silent(self) -> None: ...


class Wheel:
    """Pings each session every `interval_s`, and tells it when no pong came within `timeout_s`."""

    def __init__(self, interval_s: float, timeout_s: float) -> None:
        self._turn_s = min(TURN_S_MAX, interval_s / TURNS_PER_WAIT, timeout_s / TURNS_PER_WAIT)
        self._to_ping = max(1, round(interval_s / self._turn_s))
        self._to_check = max(1, round(timeout_s / self._turn_s))
        # each with the turns since its ping; 0: it is to be pinged
        self._buckets: list[list[tuple[Beating, int]]] = [[] for _ in range(max(self._to_ping, self._to_check) + 1)]
        self._at = 0
        self._next = 0.0  # when the next turn is due, by the loop's clock
        self._handle: asyncio.TimerHandle | None = None

    def add(self, session: Beating) -> None:
        """The first ping comes after one interval."""
        self._put(session, self._to_ping, waited=0)
        if self._handle is None:
            self._next = asyncio.get_running_loop().time()
            self._schedule()

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _put(self, session: Beating, turns: int, *, waited: int) -> None:
        self._buckets[(self._at + turns) % len(self._buckets)].append((session, waited))

    def _schedule(self) -> None:
        """Late turns do not add up; but after a standstill nothing is made up for, for no client could answer then."""
        loop = asyncio.get_running_loop()
        self._next = max(self._next + self._turn_s, loop.time())
        self._handle = loop.call_at(self._next, self._turn)

    def _turn(self) -> None:
        self._at = (self._at + 1) % len(self._buckets)
        due, self._buckets[self._at] = self._buckets[self._at], []
        for session, waited in due:
            if not session.closed:
                self._look(session, waited)
        self._schedule()

    def _look(self, session: Beating, waited: int) -> None:
        if not waited or (session.heard and waited >= self._to_ping):
            session.heard = False
            session.ping()
            self._wait(session, 0)
        elif session.heard:
            self._put(session, self._to_ping - waited, waited=0)
        elif waited < self._to_check:
            self._wait(session, waited)
        else:
            session.silent()

    def _wait(self, session: Beating, waited: int) -> None:
        """For the pong: until the next ping is due, if that comes before the end of patience."""
        turns = min(self._to_ping, self._to_check - waited)
        self._put(session, turns, waited=waited + turns)
