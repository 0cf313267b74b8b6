"""Ids and their subject tokens: any legal id, reversible, never wider than one token, no two meeting."""

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.ids import (
    ID_BYTES_MAX,
    check_id,
    free_room,
    patient_of,
    patient_room,
    session_room,
    token,
    untoken,
)
from confer_contracts.subjects import FactSubject, Kind, audience

_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=ID_BYTES_MAX)
_BESIDE = st.builds(str.__add__, st.sampled_from(["session_", "free_", "=73ession_", "screening_"]), _TEXT)
IDS = st.one_of(_TEXT, _BESIDE).filter(lambda text: len(text.encode()) <= ID_BYTES_MAX)


@given(IDS)
@example("ผู้ป่วย a.>")
@example("*")
@example("=2E")
@example(".")
def test_a_token_is_one_nats_token_and_gives_the_id_back(identifier: str) -> None:
    assert check_id(identifier, "id") == identifier
    made = token(identifier)
    assert re.fullmatch(r"[A-Za-z0-9_=-]+", made)
    assert untoken(made) == identifier


@given(IDS, IDS)
def test_two_ids_never_share_a_token_or_a_room(one: str, other: str) -> None:
    assume(one != other)
    for make in (token, patient_room, session_room, free_room):
        assert make(one) != make(other)


@given(IDS, IDS, IDS)
@example("session_1", "1", "1")
@example("free_1", "1", "1")
@example("=73ession_1", "1", "1")
def test_rooms_of_patients_sessions_and_free_names_never_meet(patient: str, session: str, name: str) -> None:
    rooms = {patient_room(patient), session_room(session), free_room(name)}
    assert len(rooms) == 3
    assert patient_of(patient_room(patient)) == patient
    assert patient_of(session_room(session)) is None
    assert patient_of(free_room(name)) is None


@given(IDS)
def test_a_room_is_one_token_too(identifier: str) -> None:
    for room in (patient_room(identifier), session_room(identifier), free_room(identifier)):
        assert re.fullmatch(r"[A-Za-z0-9_=-]+", room)


@given(IDS, IDS)
def test_a_facts_subject_has_five_tokens_whatever_the_ids_are(identifier: str, key: str) -> None:
    subject = FactSubject("sync", Kind.ROOM, patient_room(identifier), token(key))
    assert len(str(subject).split(".")) == 5
    assert FactSubject.parse(str(subject)) == subject
    assert len(audience(Kind.USER, identifier).split(".")) == 2


@pytest.mark.parametrize(
    "value",
    [None, 7, True, ["a"], {"a": 1}, b"a", "", "\x00", "a\nb", "a\x7f", "\x85", "a" * 129, "ก" * 43, "\ud800"],
)
def test_what_is_no_id_is_refused_by_name(value: object) -> None:
    with pytest.raises(Rejection) as refused:
        check_id(value, "patient_id")
    assert (refused.value.code, refused.value.field) == (ErrorCode.INVALID, "patient_id")
    assert refused.value.message.startswith("patient_id: ")


@pytest.mark.parametrize("value", ["a", "a" * 128, "ก" * 42, " ", "a.>", "*", "a b", "=2E", "🙂", "-", "_"])
def test_what_is_legal_is_taken(value: str) -> None:
    assert check_id(value, "id") == value


@pytest.mark.parametrize("text", ["", "a.b", "*", ">", "a b", "=2", "=2e", "=GG", "ก", "a\n"])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="token"):
        untoken(text)


def test_a_token_of_bytes_that_are_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        untoken("=FF")
