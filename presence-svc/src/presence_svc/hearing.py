"""When this replica last heard each edge, and since when it could hear at all.

Silence is judged from the later of the two: never across a time in which we were deaf. What was heard before such a
time may be wrong until the edges have had time to report: then this replica is blind.
"""

import asyncio
from collections.abc import Collection, Iterable

from confer_kit import clock
from confer_kit.event_log import EventLog, Unavailable

CHECK_S = 1.0
PROBE_S = 1.0
PROBE_EVERY_S = 0.2


class Hearing:
    def __init__(self, log: EventLog, probe: str, *, quiet_s: float, settle_s: float) -> None:
        """`probe` is a subject of the own stream: reading it proves that server and stream answer. An edge is quiet
        that was not heard for `quiet_s`; edges report within `settle_s` once they can be heard."""
        self._log = log
        self._probe = probe
        self._quiet_s = quiet_s
        self._settle_s = settle_s
        self._gap: float | None = None  # what came after that time and before `since` was not heard
        self._heard: dict[str, float] = {}
        self.since = clock.now()
        self._checked = 0.0

    def hear(self, incarnation: str, at: float) -> None:
        """The edge gave a sign of life."""
        self._heard[incarnation] = max(at, self._heard.get(incarnation, 0.0))

    def silent_since(self, incarnation: str) -> float:
        return max(self._heard.get(incarnation, 0.0), self.since)

    def quiet(self, incarnations: Iterable[str]) -> dict[str, float]:
        """Those of them that nobody has heard for a while, and since when."""
        oldest = clock.now() - self._quiet_s
        heard = {name: self._heard.get(name, self.since) for name in incarnations}
        return {name: at for name, at in heard.items() if at < oldest}

    @property
    def settled_at(self) -> float:
        """When the edges have had time to report, after a start or a cut."""
        return self.since + self._settle_s

    @property
    def blind_since(self) -> float | None:
        """Since when edges may have told what nobody heard, until they have had time to tell it again; None: never."""
        return self._gap if clock.now() < self.settled_at else None

    def forget(self, *, before: float, keep: Collection[str]) -> list[str]:
        """Drop edges that were last heard before that time; answers which."""
        gone = [name for name, at in self._heard.items() if at < before and name not in keep]
        for name in gone:
            del self._heard[name]
        return gone

    def interrupted(self) -> None:
        """The connection was cut, or we stood still: what was said meanwhile is lost."""
        now, heard = clock.now(), max(self._heard.values(), default=None)
        if self.blind_since is None:
            self._gap = heard if heard is not None and now - heard > self._quiet_s else None
        self.since = now

    def lost(self) -> None:
        """What we knew is void."""
        self._gap = self.since = clock.now()

    async def check(self) -> None:
        """Called every CHECK_S, and before silence is judged: `since` moves when there is no answer within PROBE_S.

        A frozen server keeps its connections, and a frozen process its clocks: neither is told by the link.
        """
        idle = clock.now() - self._checked
        if idle < PROBE_EVERY_S:
            return
        if self._checked and idle > 4 * CHECK_S:
            self.interrupted()
        try:
            async with asyncio.timeout(PROBE_S):
                await self._log.last(self._probe)
        except (TimeoutError, Unavailable):
            self.interrupted()
        self._checked = clock.now()
