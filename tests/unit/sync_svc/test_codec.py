"""What is stored is what browsers get, and the same event comes back out of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from confer_contracts import catalogue
from confer_contracts.ids import patient_room, session_room
from confer_contracts.subjects import FactSubject
from confer_kit.facts import StoredFact
from sync_svc.codec import RecordCodec, encode
from sync_svc.domain.messages import (
    Committed,
    ConflictReported,
    Event,
    FieldsUpdated,
    FormStep,
    MovedToStep,
    Replaced,
    StepUpdated,
)

CODEC = RecordCodec()
ROOM = patient_room("ผู้ป่วย a.>")
SESSION = session_room("hm 7")
AT = 1_750_000_000.25
ONE = FieldsUpdated("สมชาย", "op 1", AT, (Committed("acuity.left", "6/9", 3),))
OVER = FieldsUpdated(
    "ann", "op 1", AT, (Committed("a", 1, 3, "overwrote", Replaced([2], 2, "สมชาย", AT - 1)), Committed("b", 1, 1))
)
OVER_OWN = FieldsUpdated("ann", "op 1", AT, (Committed("a", 1, 3, "overwrote", Replaced(2, 2, "ann", AT - 1)),))
MERGED = FieldsUpdated("ann", "op 1", AT, (Committed("a", "x y", 3, "merged"),), request="0123456789abcdef")
RESTORED = FieldsUpdated("ann", "op 1", AT, (Committed("a", "x y", 3, restored=1),))
TWO = FieldsUpdated("ann", "op 1", AT, (Committed("a", None, 1), Committed("b", {"x": [1, "é"]}, 2)))
TYPED = FieldsUpdated("ann", "op 1", AT, (Committed("iop", 14, 1),), FormStep("3", "Ann Lee"))
EVENTS: list[tuple[Event, str]] = [
    (ONE, ROOM),
    (TWO, ROOM),
    (OVER, ROOM),
    (OVER_OWN, ROOM),
    (MERGED, ROOM),
    (RESTORED, ROOM),
    (TYPED, SESSION),
    (StepUpdated("ann", "op 1", AT, 0, "blocked", 2, "Registration"), ROOM),
    (StepUpdated("ann", "op 1", AT, 0, "blocked", 2), ROOM),
    (StepUpdated("ann", "op 1", AT, 0, "completed", 2, None, "in_progress", 12.5), ROOM),
    (MovedToStep("ann", "op 1", AT, 4, "Refraction", 3, 3, 60.0), ROOM),
    (MovedToStep("ann", "op 1", AT, 0, "Registration"), ROOM),
    (ConflictReported("ann", "op 1", AT, "iop", "both of us"), SESSION),
]


@pytest.mark.parametrize(("event", "room"), EVENTS)
def test_an_event_comes_back_as_it_was_stored(event: Event, room: str) -> None:
    fact = encode(event, room, "session-1").stored(7, at=AT + 5)
    assert CODEC.decode(fact) == event
    assert CODEC.aggregate(fact.subject) == room
    assert str(fact.subject) == CODEC.guard(room)


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), st.lists, max_leaves=5))
def test_any_value_comes_back(value: object) -> None:
    event = FieldsUpdated("ann", "op", AT, (Committed("f", value, 1),))
    assert CODEC.decode(encode(event, ROOM, "s").stored(1, at=AT)) == event


@pytest.mark.parametrize(("event", "room"), [entry for entry in EVENTS if entry[0] is not TYPED])
def test_a_body_is_what_the_catalogue_promises(event: Event, room: str) -> None:
    fact = encode(event, room, "session-1")
    (promised,) = (f for f in catalogue.FACTS if f.event == fact.event)
    TypeAdapter(promised.body).validate_json(fact.body)


def test_a_single_change_and_several_have_names_of_their_own() -> None:
    assert encode(ONE, ROOM, "s").event == "field_updated"
    assert encode(TWO, ROOM, "s").event == "fields_updated"


def test_browsers_get_the_real_ids_and_who_did_it() -> None:
    body = encode(ONE, ROOM, "s").stored(1, at=AT).json()
    assert body == {
        "patient_id": "ผู้ป่วย a.>",
        "field": "acuity.left",
        "value": "6/9",
        "version": 3,
        "outcome": "accepted",
        "user_id": "สมชาย",
        "op": "op 1",
        "timestamp": "2025-06-15T15:06:40.250Z",
    }


def test_a_completed_field_of_a_session_has_both_names_and_the_members_of_both() -> None:
    fact = encode(TYPED, SESSION, "s")
    assert (fact.event, fact.alias) == ("field_updated", "live_field_updated")
    body = fact.stored(1, at=AT).json()
    assert body["session_id"] == "hm 7"
    assert body["field"] == body["field_name"] == "iop"
    assert body["value"] == body["new_value"] == body["final_value"] == 14


def test_both_people_are_told_by_a_second_name_when_one_wrote_over_the_other() -> None:
    assert encode(OVER, ROOM, "s").alias == "field_conflict"
    assert encode(OVER_OWN, ROOM, "s").alias is None
    assert encode(MERGED, ROOM, "s").alias is None
    change = encode(OVER, ROOM, "s").stored(1, at=AT).json()["changes"][0]
    assert change["replaced"] == {
        "value": [2], "version": 2, "user_id": "สมชาย", "timestamp": "2025-06-15T15:06:39.250Z"
    }  # fmt: skip
    assert "replaced" not in encode(ONE, ROOM, "s").stored(1, at=AT).json()


def test_what_was_replaced_is_told_as_long_as_it_fits_into_a_message() -> None:
    long = "x" * 60_000
    changes = tuple(Committed(name, 1, 2, "overwrote", Replaced(long, 1, "bob", AT)) for name in "abc")
    body = encode(FieldsUpdated("ann", "op 1", AT, changes), ROOM, "s").stored(1, at=AT).json()
    told = [(c["replaced"]["value"] == long, c["replaced"].get("omitted", False)) for c in body["changes"]]
    assert told == [(True, False), (True, False), (False, True)]


OF_OLD: list[tuple[str, bytes, Event]] = [
    (
        "field_updated",
        b'{"patient_id":"p","field":"a","value":{"x":1},"version":2,"outcome":"overwrote","user_id":"ann",'
        b'"op":"op 1","timestamp":"2025-06-15T15:06:40.250Z"}',
        FieldsUpdated("ann", "op 1", AT, (Committed("a", {"x": 1}, 2, "overwrote"),)),
    ),
    (
        "fields_updated",
        b'{"patient_id":"p","changes":[{"field":"a","version":1,"value":1,"outcome":"accepted"},{"field":"b",'
        b'"version":4,"value":null,"outcome":"overwrote"}],"user_id":"ann","op":"op 1",'
        b'"timestamp":"2025-06-15T15:06:40.250Z"}',
        FieldsUpdated("ann", "op 1", AT, (Committed("a", 1, 1), Committed("b", None, 4, "overwrote"))),
    ),
    (
        "field_updated",
        b'{"session_id":"7","step":"3","field_name":"iop","field":"iop","new_value":14,"final_value":14,"value":14,'
        b'"version":1,"user_id":"ann","user_name":"Ann Lee","op":"op 1","timestamp":"2025-06-15T15:06:40.250Z"}',
        TYPED,
    ),
    (
        "step_updated",
        b'{"patient_id":"p","step":0,"step_name":null,"status":"blocked","version":2,"user_id":"ann","op":"op 1",'
        b'"timestamp":"2025-06-15T15:06:40.250Z"}',
        StepUpdated("ann", "op 1", AT, 0, "blocked", 2),
    ),
    (
        "step_changed",
        b'{"user_id":"ann","step":4,"step_name":"Refraction","patient_id":"p","timestamp":"2025-06-15T15:06:40.250Z"}',
        MovedToStep("ann", "op 1", AT, 4, "Refraction", 3),
    ),
]


@pytest.mark.parametrize(("name", "body", "event"), OF_OLD)
def test_the_facts_of_the_first_version_still_fold(name: str, body: bytes, event: Event) -> None:
    headers = {"Confer-Event": name, "Confer-Op": "op=201", "Confer-Actor": "ann"}
    if isinstance(event, MovedToStep):
        headers["Confer-Fold"] = '{"completed":3}'
    subject = FactSubject("sync", "room", ROOM, "record")
    assert CODEC.decode(StoredFact(subject=subject, seq=1, at=AT, body=body, headers=headers)) == event


def test_facts_of_other_aggregates_and_of_later_versions_are_left_alone() -> None:
    assert CODEC.aggregate(FactSubject("sync", "room", "r1", "other")) is None
    assert CODEC.aggregate(FactSubject("sync", "topic", "r1", "record")) is None
    fact = encode(ONE, ROOM, "s").stored(1, at=AT)
    later = type(fact)(subject=fact.subject, seq=1, at=AT, body=b"{}", headers={"Confer-Event": "field_restored"})
    assert CODEC.decode(later) is None
