"""Rights that end: what is at once, and what takes turns."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import cast

from confer_edge.access import Access
from confer_edge.identity import Claim
from confer_edge.joins import Joins
from confer_edge.revocations import Revocations
from confer_edge.rights import ENDED_AT_ONCE, Rights
from confer_edge.session import Membership, Session

from .conftest import session as made

ROOM = "room.P1"


class SlowJoins:
    """Notes who is told; the others learn of it when `go_on` is set."""

    def __init__(self) -> None:
        self.silenced: list[str] = []
        self.under_way: list[str] = []
        self.most = self.done = 0
        self.go_on = asyncio.Event()

    def end(self, session: Session, ended: Mapping[str, str]) -> None:
        self.silenced.append(session.sid)

    async def ended(self, session: Session, audiences: Iterable[str]) -> None:
        self.under_way.append(session.sid)
        self.most = max(self.most, len(self.under_way))
        await self.go_on.wait()
        await asyncio.sleep(0)
        self.under_way.remove(session.sid)
        self.done += 1


def member(number: int) -> Session:
    """Of a room that its token does not allow any more."""

    session, _ = made(f"s{number}", Claim.of(f"u{number}", "Ana", "nurse", rooms=[]), since=9)
    session.memberships[ROOM] = Membership(since=1)
    return session


async def test_many_end_at_once_and_the_others_are_told_in_turns() -> None:
    joins, sessions = SlowJoins(), [member(number) for number in range(5 * ENDED_AT_ONCE)]
    rights = Rights(Access(None, Revocations(0)), cast("Joins", joins), lambda: sessions, doubt_s=0)
    for session in sessions:
        await rights.review(session)
    assert joins.silenced == [session.sid for session in sessions], "not one fact more, whoever waits"
    async with asyncio.timeout(30):
        while len(joins.under_way) < ENDED_AT_ONCE:
            await asyncio.sleep(0)
        joins.go_on.set()
        while joins.done < len(sessions):
            await asyncio.sleep(0)
    assert joins.most == ENDED_AT_ONCE
