"""Who somebody is where trust is switched on by name, and which rooms a claim allows."""

import pytest

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.ids import free_room, patient_room, session_room
from confer_contracts.subjects import Kind, audience, room_audience
from confer_edge.identity import Claim, TrustedQuery


async def test_trusted_query_takes_the_query_before_auth_and_may_know_nobody() -> None:
    trusting = TrustedQuery()
    claim = trusting.on_connect({"user_id": "q", "user_name": "สมชาย ใจดี", "user_role": "nurse"}, {"user_id": "a"})
    assert claim is not None
    assert (claim.user_id, claim.name, claim.role) == ("q", "สมชาย ใจดี", "nurse")
    claim = trusting.on_connect({}, {"user_id": "a", "role": "doctor"})
    assert claim is not None
    assert (claim.user_id, claim.name, claim.role) == ("a", "a", "doctor")
    assert trusting.on_connect({}, None) is None


async def test_a_hostile_id_in_the_query_is_refused() -> None:
    with pytest.raises(Rejection) as refusal:
        TrustedQuery().on_connect({"user_id": "a\nb"}, None)
    assert refusal.value.field == "user_id"


@pytest.mark.parametrize(
    ("patterns", "room", "allowed"),
    [
        (None, patient_room("P-1"), True),
        ([], patient_room("P-1"), False),
        (["screening_*"], patient_room("P-1"), True),
        (["screening_*"], session_room("P-1"), False),
        (["screening_*"], free_room("tea"), False),
        (["screening_session_*"], patient_room("session_1"), True),
        (["screening_session_*"], session_room("1"), False),
        (["hospital_mobile_session_S-?"], session_room("S-1"), True),
        (["hospital_mobile_session_S-?"], session_room("S-12"), False),
        (["tea", "coffee"], free_room("coffee"), True),
        (["TEA"], free_room("tea"), False),
        (["screening_ผู้ป่วย*"], patient_room("ผู้ป่วย 1.*>"), True),
    ],
)
def test_patterns_match_the_names_that_a_portal_uses(patterns: list[str] | None, room: str, allowed: bool) -> None:
    claim = Claim.of("u1", None, None, rooms=patterns)
    assert claim.allows(room_audience(room)) is allowed
    if not allowed:
        with pytest.raises(Rejection) as refusal:
            claim.must_allow(room_audience(room))
        assert refusal.value.code is ErrorCode.FORBIDDEN


def test_patterns_are_about_rooms_alone() -> None:
    claim = Claim.of("u1", None, None, rooms=[])
    assert claim.allows(audience(Kind.QUEUE, "screening"))
    assert claim.allows(audience(Kind.USER, "u1"))
