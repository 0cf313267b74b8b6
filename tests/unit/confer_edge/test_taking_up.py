"""Who may take a session up, and with what: rights are those of the token that is shown now."""

import pytest

from confer_edge.access import Access, still_allowed
from confer_edge.identity import Claim
from confer_edge.recovery import Found, SessionRecord, StoredAttachment, StoredMembership, encoded, restore
from confer_edge.revocations import Revocations

from .conftest import session as made

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


async def test_who_is_cut_again_before_presence_has_heard_of_it_is_still_in_its_rooms() -> None:
    """Else it would receive everything and be in no roster."""
    record = SessionRecord(
        sid="s", claim=Claim.of("u1", "Ana", "nurse"), bound=True, epoch="e", since=0, whole_from=3,
        memberships={"room.P1": StoredMembership(since=1, as_of={"SYNC": 2})},
        attachments={"P1": StoredAttachment(step=4, screening=True)},
    )  # fmt: skip

    session, _ = made("s", record.claim, epoch="", since=9, pid="pid")
    restore(session, Found("pid", record, 1, 1))
    assert SessionRecord.model_validate_json(encoded(session)) == record
