"""The rules of a tally: given what happened, when somebody adds, then."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.ids import patient_room
from tally_svc.codec import TallyCodec, encode
from tally_svc.domain.tally import Add, Added, Tally, decide, evolve

NOW = 1_700_000_000.0


def after(*amounts: int) -> Tally:
    tally = Tally()
    for number, amount in enumerate(amounts):
        event = decide(Add("anna", f"op-{number}", NOW, amount), tally)
        assert event is not None
        tally = evolve(tally, event)
    return tally


def test_what_is_added_is_in_the_total() -> None:
    assert decide(Add("anna", "new", NOW, 2), after(3)) == Added("anna", "new", NOW, 2, 5)


def test_the_total_is_never_below_zero() -> None:
    with pytest.raises(Rejection) as refused:
        decide(Add("anna", "new", NOW, -4), after(3))
    assert (refused.value.code, refused.value.field) == (ErrorCode.CONFLICT, "amount")
    assert refused.value.details == {"total": 3}


def test_the_same_operation_counts_once_for_each_user() -> None:
    tally = after(3)
    assert decide(Add("anna", "op-0", NOW, 3), tally) is None
    assert decide(Add("bob", "op-0", NOW, 3), tally) == Added("bob", "op-0", NOW, 3, 6)


@given(st.lists(st.integers(0, 1000), max_size=20))
def test_the_total_is_the_sum(amounts: list[int]) -> None:
    assert after(*amounts).total == sum(amounts)


@pytest.mark.parametrize("patient", ["P-1", "ผู้ป่วย a.>*", "session_1"])
def test_what_is_stored_is_read_back(patient: str) -> None:
    event, room = Added("anna", "op-1", NOW, 2, 5), patient_room(patient)
    fact = encode(event, room, "session").stored(7, NOW)
    codec = TallyCodec()
    assert codec.decode(fact) == event
    assert codec.aggregate(fact.subject) == room
    assert fact.json()["patient_id"] == patient
