"""The portal's room names, and the rooms that they mean."""

import pytest

from confer_contracts.errors import Rejection
from confer_contracts.ids import patient_room
from confer_edge.portal import named_room


@pytest.mark.parametrize(
    ("name", "room"),
    [
        ("screening_P1", "P1"),
        ("hospital_mobile_session_7", "session_7"),
        ("coffee corner", "free_coffee=20corner"),
        ("screening_session_7", "=73ession_7"),
        ("screening_free_x", "=66ree_x"),
        ("screening_a.>", "a=2E=3E"),
    ],
)
def test_a_name_means_one_room(name: str, room: str) -> None:
    assert named_room(name) == room


def test_a_patient_joined_by_id_and_by_name_is_in_one_room() -> None:
    assert named_room("screening_สมชาย") == patient_room("สมชาย")


@pytest.mark.parametrize("name", ["screening_", "hospital_mobile_session_", "a\x00b", "x" * 129])
def test_a_name_without_a_legal_id_is_refused(name: str) -> None:
    with pytest.raises(Rejection) as refusal:
        named_room(name)
    assert refusal.value.field == "room"
