"""Who may take a session up: rights are those of the token that is shown now."""

import pytest

from confer_edge.access import Access
from confer_edge.doorway import still_allowed
from confer_edge.identity import Claim
from confer_edge.recovery import SessionRecord, StoredMembership
from confer_edge.revocations import Revocations

ROOMS = ("room.P1", "room.free_tea", "role.nurse", "all.all")


@pytest.mark.parametrize(
    ("claim", "allowed"),
    [
        (None, True),  # trusted-query: the pid speaks for it
        (Claim.of("u1", "Ana", "nurse"), True),
        (Claim.of("u1", "another name", "nurse", rooms=["screening_*", "tea"]), True),
        (Claim.of("u1", "Ana", "nurse", rooms=["screening_*"]), False),
        (Claim.of("u1", "Ana", "nurse", rooms=[]), False),
        (Claim.of("u1", "Ana", "doctor"), False),
    ],
)
async def test_all_of_it_or_nothing(claim: Claim | None, allowed: bool) -> None:
    record = SessionRecord(
        sid="s", claim=Claim.of("u1", "Ana", "nurse"), bound=True, epoch="e", since=0,
        memberships={room: StoredMembership(since=1) for room in ROOMS},
    )  # fmt: skip
    assert await still_allowed(Access(None, Revocations(0)), claim, record) is allowed
