"""Follows the stream ACCESS: what operators and services say about users and sessions."""

import time
from collections.abc import Callable
from typing import Final

from confer_contracts.access import STREAM
from confer_edge.revocations import Revocations
from confer_kit import clock
from confer_kit.access import Said
from confer_kit.follower import Delivered, Follower
from confer_kit.logs import logger
from confer_kit.nats_link import Link

log = logger(__name__)

KNOWN_WITHIN_S: Final = 5.0  # after a cut: as long the live feed waits for it, then what was known counts
TOLD_AFTER_S: Final = 10.0  # where the live feed is silent as well, that is what readiness tells


class AccessFeed:
    """Everything that was said up to now is known before anything is delivered, at start and after every cut. What was
    known stays when the stream goes away: losing it restores nobody.

    `on_said(said, at_once)`, which the composition sets, hears of each fact after it counts; while what was there is
    still being read, nothing is delivered that it would have to come before.
    """

    def __init__(self, link: Link, revocations: Revocations) -> None:
        self.on_said: Callable[[Said, bool], None]
        self._revocations = revocations
        self._wait_until = 0.0
        link.on_reconnect.append(self._back)
        self._follower = Follower(link, STREAM, self._deliver, start="last_per_subject")
        self._lost_at: float | None = None

    async def run(self) -> None:
        await self._follower.run()

    async def begun(self, timeout: float) -> None:
        """Wait until everything is known. TimeoutError."""
        if not await self._follower.until_current(timeout):
            raise TimeoutError

    async def known(self) -> None:
        """What was said while this edge was cut off is known, or cannot be read."""
        left_s = self._wait_until - time.monotonic()
        if left_s > 0 and not await self._follower.until_current(left_s):
            log.warning("what was revoked cannot be read; what was known counts", stream=STREAM)

    def _back(self) -> None:
        self._wait_until = time.monotonic() + KNOWN_WITHIN_S

    @property
    def complaint(self) -> str | None:
        """What is wrong; None: it is current, or was a moment ago."""
        if self._follower.current:
            self._lost_at = None
            return None
        now = clock.now()
        self._lost_at = self._lost_at or now
        lost_s = now - self._lost_at
        return f"what was revoked is not known since {lost_s:.0f} s" if lost_s > TOLD_AFTER_S else None

    def _deliver(self, message: Delivered) -> None:
        said = Said.of(message)
        self._revocations.apply(said)
        self.on_said(said, self._follower.current)
