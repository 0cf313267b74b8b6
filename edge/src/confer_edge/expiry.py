"""The end of an identity in the middle of a session: the client is told some time before, then at the end."""

import asyncio
from collections.abc import Callable
from typing import Final

import orjson

from confer_edge import metrics, packets
from confer_edge.packets import Event
from confer_edge.session import Session
from confer_kit import clock

TOLD_BEFORE_S: Final = 60.0  # or half of the remaining life, where that is shorter
SLEEP_S_MAX: Final = 600.0  # the clock is looked at again: it may have been set


class Expiry:
    """One timer per session whose claim ends. `end`, which the doorway sets, is called after the client was told."""

    def __init__(self) -> None:
        self.end: Callable[[Session], None]
        self._timers: dict[Session, asyncio.TimerHandle] = {}

    def watch(self, session: Session) -> None:
        """From the session's beginning, and anew when a newer token came."""
        self.forget(session)
        expires_at = session.claim.expires_at
        if expires_at is not None and not session.closed:
            left_s = expires_at - clock.now()
            self._wait(session, expires_at, tell_at=expires_at - min(TOLD_BEFORE_S, left_s / 2))

    def forget(self, session: Session) -> None:
        timer = self._timers.pop(session, None)
        if timer is not None:
            timer.cancel()

    def _wait(self, session: Session, expires_at: float, tell_at: float | None) -> None:
        """`tell_at`: None when the client knows already."""
        left_s = (expires_at if tell_at is None else tell_at) - clock.now()
        pause_s = min(max(left_s, 0), SLEEP_S_MAX)
        loop = asyncio.get_running_loop()
        self._timers[session] = loop.call_later(pause_s, self._look, session, expires_at, tell_at)

    def _look(self, session: Session, expires_at: float, tell_at: float | None) -> None:
        now = clock.now()
        if now >= expires_at:
            del self._timers[session]
            metrics.CLAIMS.labels("expired").inc()
            session.send(_event("session_expired", expires_at))
            self.end(session)
            return
        if tell_at is not None and now >= tell_at:
            tell_at = None
            session.send(_event("session_expiring", expires_at))
        self._wait(session, expires_at, tell_at)


def _event(name: str, expires_at: float) -> Event:
    return packets.event(name, orjson.dumps({"expires_at": clock.iso(expires_at)}))
