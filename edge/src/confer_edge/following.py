"""What a person follows (topics, the staff of queues): every session of theirs is in it, as far as it may be.

notify-svc keeps what is followed: its snapshot of a person tells all of it, a fact with `Confer-Follow` each change.
"""

import itertools
from collections.abc import Mapping
from typing import Any, Final

from confer_contracts import notify
from confer_contracts.access import JOIN
from confer_contracts.errors import Rejection
from confer_contracts.ids import token
from confer_contracts.subjects import Kind
from confer_edge.access import Access
from confer_edge.audiences import Audiences
from confer_edge.calls import UNAVAILABLE, Calls
from confer_edge.joins import Joins
from confer_edge.session import NOTHING, Session
from confer_kit.tasks import Tasks

AGAIN_S: Final = 5.0
AT_ONCE: Final = 500  # sessions of a round


class Following:
    """`again`: for sessions of which it could not be known what they follow, or whether they may."""

    def __init__(self, audiences: Audiences, joins: Joins, calls: Calls, access: Access) -> None:
        self._audiences = audiences
        self._joins = joins
        self._calls = calls
        self._access = access
        self._doubtful: dict[str, Session] = {}  # by sid
        self._tasks = Tasks()
        joins.on_own = self.heard

    async def heard(self, session: Session, parts: Mapping[str, Any]) -> None:
        """The snapshot of the person's own audience, which tells everything that is followed."""
        part = parts.get(notify.SERVICE, UNAVAILABLE)
        if part["status"] != "ok":
            self._doubtful[session.sid] = session
            return
        self._doubtful.pop(session.sid, None)
        follows = frozenset(notify.Followed.model_validate(one).audience for one in part.get("follows", ())) or NOTHING
        for audience in session.follows - follows:
            await self._joins.leave(session, audience)
        session.follows = follows
        entered = [await self._enter(session, a) for a in sorted(follows) if a not in session.memberships]
        if any(entered):
            await self._joins.save(session)

    def changed(self, audience: str, change: str) -> None:
        """A fact to this audience said so: `+` or `-`, and what its members enter or leave."""
        followed = change[1:]
        for member in self._audiences.members(audience):
            if not isinstance(member, Session):
                continue
            if change.startswith("+"):
                member.follows |= {followed}
                now = not self._access.asks(member.claim, JOIN, followed)
                if now and self._may(member, followed):  # no fact of it is missed that comes after this one
                    self._joins.enter(member, followed)
                self._tasks.start(self._follow(member, followed), "follow")
            else:
                member.follows -= {followed}
                self._tasks.start(self._joins.leave(member, followed), "unfollow")

    async def again(self) -> None:
        """One round, as long as notify-svc answers."""
        self._doubtful = {sid: session for sid, session in self._doubtful.items() if not session.closed}
        for session in tuple(itertools.islice(self._doubtful.values(), AT_ONCE)):
            own = token(session.claim.user_id)
            part = await self._calls.snapshot(session, notify.SERVICE, Kind.USER, own, {})
            if part == UNAVAILABLE:
                return
            await self.heard(session, {notify.SERVICE: part})

    async def _follow(self, session: Session, audience: str) -> None:
        if audience in session.memberships or await self._enter(session, audience):
            await self._joins.save(session)

    async def _enter(self, session: Session, audience: str) -> bool:
        """Whether it was allowed; no word where not: nobody has asked."""
        try:
            await self._access.must(session.claim, session.sid, JOIN, audience, asked=False)
        except Rejection as refusal:
            if refusal.retry:
                self._doubtful[session.sid] = session
            return False
        if audience in session.follows:  # still
            self._joins.enter(session, audience)
        return True

    def _may(self, session: Session, audience: str) -> bool:
        try:
            self._access.must_now(session.claim, JOIN, audience)
        except Rejection:
            return False
        return True
