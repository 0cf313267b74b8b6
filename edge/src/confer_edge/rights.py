"""A right that ends in the middle of a session: the membership ends at once, then the client is told."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Set
from typing import Final

from confer_contracts.access import JOIN
from confer_contracts.errors import ErrorCode, Rejection
from confer_edge.access import Access
from confer_edge.joins import Joins
from confer_edge.session import Session
from confer_edge.turnstile import Turnstile
from confer_kit import clock
from confer_kit.tasks import Tasks

AT_ONCE: Final = 50  # sessions that are looked at before others get a turn
ASKED_AT_ONCE: Final = 32  # questions of one round that are under way
ENDED_AT_ONCE: Final = 32  # sessions whose record and presence are being told that a right has ended
Asked = tuple[str, str, str]  # user, role, audience


class Rights:
    """Looks at memberships again, when something said that rights may have changed, and, where there is an authoriser,
    all the time. `doubt_s`: how long a membership lasts while that gives no answer."""

    def __init__(
        self, access: Access, joins: Joins, sessions: Callable[[], Iterable[Session]], *, doubt_s: float
    ) -> None:
        self._access = access
        self._joins = joins
        self._sessions = sessions
        self._doubt_s = doubt_s
        self._doubts: dict[Asked, float] = {}  # no answer since (Unix seconds)
        self._turns = Turnstile("rights", ENDED_AT_ONCE)
        self._tasks = Tasks()

    async def watch_policy(self) -> None:
        """One look at the policy file, and at everybody where it has changed."""
        if self._access.policy_changed():
            for number, session in enumerate(tuple(self._sessions()), start=1):
                self._end_known(session)
                if number % AT_ONCE == 0:
                    await asyncio.sleep(0)

    async def ask_again(self) -> None:
        """One round: the authoriser is asked about every membership, once for all sessions of a user."""
        asked = await self._ask_about(self._sessions())
        self._doubts = {question: since for question, since in self._doubts.items() if question in asked}

    async def changed(self, user: str) -> None:
        """The rights of a user may have changed."""
        self._access.forget(user)
        sessions = [session for session in self._sessions() if session.claim.user_id == user]
        for session in sessions:
            self._end_known(session)
        await self._ask_about(sessions)

    async def review(self, session: Session) -> None:
        """The session's claim has changed: end each membership that it has no right to any more."""
        self._end_known(session)
        await self._ask_about([session])

    def refusal(self, session: Session, audience: str) -> str | None:
        """Why it may not be in an audience, as far as that is known here; None: it may."""
        try:
            self._access.must_now(session.claim, JOIN, audience)
        except Rejection as refusal:
            return refusal.message
        return None

    def _end_known(self, session: Session) -> None:
        self._end(session, {a: why for a in session.memberships if (why := self.refusal(session, a))})

    def _end(self, session: Session, ended: dict[str, str]) -> None:
        """At once; what is slow about it follows."""
        if ended:
            self._joins.end(session, ended)
            self._tasks.start(self._tell(session, ended), "rights ended")

    async def _tell(self, session: Session, ended: dict[str, str]) -> None:
        """A change of the policy may end thousands at once."""
        async with self._turns.turn(None):
            await self._joins.ended(session, ended)

    async def _ask_about(self, sessions: Iterable[Session]) -> Set[Asked]:
        members: defaultdict[Asked, list[Session]] = defaultdict(list)
        for session in sessions:
            for audience in session.memberships:
                if self._access.asks(session.claim, JOIN, audience):
                    members[session.claim.user_id, session.claim.role, audience].append(session)
        questions = iter(members.items())
        await asyncio.gather(*(self._work_off(questions) for _ in range(min(ASKED_AT_ONCE, len(members)))))
        return members.keys()

    async def _work_off(self, questions: Iterator[tuple[Asked, list[Session]]]) -> None:
        for asked, sessions in questions:
            why = await self._answer(asked, sessions[0])
            if why is not None:
                for session in sessions:
                    if asked[2] in session.memberships and (session.claim.user_id, session.claim.role) == asked[:2]:
                        self._end(session, {asked[2]: why})

    async def _answer(self, asked: Asked, session: Session) -> str | None:
        """Why the membership ends; None: it goes on."""
        try:
            await self._access.ask_anew(session.claim, session.sid, JOIN, asked[2])
        except Rejection as refusal:
            if refusal.code is not ErrorCode.FORBIDDEN:
                since = self._doubts.setdefault(asked, clock.now())
                if clock.now() - since < self._doubt_s:
                    return None
            self._doubts.pop(asked, None)
            return refusal.message
        self._doubts.pop(asked, None)
        return None
