"""A right that ends in the middle of a session: the membership ends at once, then the client is told."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from confer_contracts.access import JOIN
from confer_contracts.errors import Rejection
from confer_edge.access import Access
from confer_edge.joins import Joins
from confer_edge.session import Session

AT_ONCE: Final = 50  # sessions that are looked at before others get a turn


class Rights:
    """Looks at memberships again, when something said that rights may have changed."""

    def __init__(self, access: Access, joins: Joins, sessions: Callable[[], Iterable[Session]]) -> None:
        self._access = access
        self._joins = joins
        self._sessions = sessions

    async def watch_policy(self) -> None:
        """One look at the policy file, and at everybody where it has changed."""
        if self._access.policy_changed():
            await self.review_all()

    async def review_all(self) -> None:
        for number, session in enumerate(tuple(self._sessions()), start=1):
            await self.review(session)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)

    async def review_user(self, user: str) -> None:
        for session in tuple(self._sessions()):
            if session.claim.user_id == user:
                await self.review(session)

    async def review(self, session: Session) -> None:
        """End each membership that the session has no right to any more."""
        ended = {audience: why for audience in session.memberships if (why := self.refusal(session, audience))}
        await self._joins.end(session, ended)

    def refusal(self, session: Session, audience: str) -> str | None:
        """Why it may not be in an audience, as far as that is known here; None: it may."""
        try:
            self._access.must_now(session.claim, JOIN, audience)
        except Rejection as refusal:
            return refusal.message
        return None
