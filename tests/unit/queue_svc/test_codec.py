"""What a ticket's fact says to browsers, and what it keeps to itself."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confer_contracts.queue import FACTS, TicketFact
from confer_contracts.subjects import Header, Kind
from confer_kit.event_log import covers
from queue_svc.codec import QueueCodec, encode
from queue_svc.domain.number import Number
from queue_svc.domain.ticket import INTERNAL, Attendance, Change, Claim, Ticket, TicketChanged

CODEC = QueueCodec()
CLAIM = Claim("ana", "s-ana", "secret-token", 1_700_001_800.5, "room 3")
TICKET = Ticket(id="t1", patient_id="a.>", priority="high", arrival=7, created_at=1_700_000_000.25)
CALLED = TicketChanged(
    change=Change.CALLED, ticket=replace(TICKET, status="called", claim=CLAIM), user="ana", op="o1", at=1_700_000_001.5
)

ids = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)
times = st.floats(1.6e9, 1.9e9)
claims = st.builds(Claim, user=ids, session=ids, token=ids, until=times, station=st.none() | ids)
tickets = st.builds(
    Ticket,
    id=ids,
    patient_id=ids,
    priority=st.sampled_from(["high", "normal", "low"]),
    arrival=st.integers(1, 2**53),
    created_at=times,
    status=st.sampled_from(["waiting", "called", "serving", "done", "no_show", "cancelled"]),
    claim=st.none() | claims,
    staff=st.lists(st.builds(Attendance, ids, st.integers(1, 2**53), st.booleans()), max_size=3).map(tuple),
    step=st.none() | st.integers(0, 1000),
    step_sequence=st.integers(0, 2**53),
    number=st.none() | st.builds(Number, letter=ids, day=ids, count=st.integers(1, 10_000)),
)
events = st.builds(
    TicketChanged,
    change=st.sampled_from(list(Change)),
    ticket=tickets,
    user=ids,
    op=ids,
    at=times,
    reason=st.none() | st.text(max_size=50),
)


@given(events)
def test_every_event_comes_back_from_its_fact(event: TicketChanged) -> None:
    fact = encode("q", event).stored(1, 0.0)
    assert CODEC.decode(fact) == event
    assert all(value.isascii() and "\n" not in value for value in fact.headers.values())


def test_a_fact_is_under_the_guard_of_its_queue_and_names_the_patients_room() -> None:
    subject = encode("a=2Eb", CALLED).subject
    assert str(subject) == "log.queue.queue.a=2Eb.a=2E=3E"
    assert CODEC.aggregate(subject) == "a=2Eb"
    assert covers(CODEC.guard("a=2Eb"), str(subject))


def test_the_body_is_the_public_ticket_and_holds_no_secret() -> None:
    fact = encode("screening", CALLED, origin="s-ana")
    assert TicketFact.model_validate_json(fact.body).model_dump() == {
        "queue": "screening", "ticket": "t1", "number": "#7", "patient_id": "a.>", "priority": "high",
        "status": "called", "called_by": "ana", "station": "room 3", "created_at": "2023-11-14T22:13:20.250Z",
        "user_id": "ana", "op": "o1", "timestamp": "2023-11-14T22:13:21.500Z", "reason": None,
    }  # fmt: skip
    assert b"secret-token" not in fact.body
    assert (fact.op, fact.actor, fact.origin) == ("o1", "ana", "s-ana")


@pytest.mark.parametrize("change", list(Change))
def test_public_changes_have_the_names_of_the_catalogue_and_the_others_none(change: Change) -> None:
    headers = encode("q", replace(CALLED, change=change)).headers()
    names = (headers.get(Header.EVENT), headers.get(f"{Header.EVENT_FOR}room"))
    known = {(fact.event, dict(fact.copies).get(Kind.ROOM)) for fact in FACTS}
    assert names in ({(None, None)} if change in INTERNAL else known)


def test_a_ticket_of_before_there_were_numbers_is_read() -> None:
    fact = encode("q", CALLED).stored(1, 0.0)
    fold = {name: value for name, value in fact.fold.items() if name != "number"}
    body = {name: value for name, value in fact.json().items() if name != "number"}
    headers = {**fact.headers, Header.FOLD: json.dumps(fold)}
    assert CODEC.decode(replace(fact, headers=headers, body=json.dumps(body).encode())) == CALLED


def test_a_change_that_a_newer_version_wrote_is_left_alone() -> None:
    fact = encode("q", CALLED).stored(1, 0.0)
    fold = json.dumps(fact.fold | {"change": "held"})
    assert CODEC.decode(replace(fact, headers={**fact.headers, Header.FOLD: fold})) is None
