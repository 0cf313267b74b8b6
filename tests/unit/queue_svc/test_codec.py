"""What a ticket's fact says to browsers, and what it keeps to itself."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confer_contracts.catalogue import FACTS
from confer_contracts.ids import patient_room
from confer_contracts.queue import TicketFact
from confer_contracts.subjects import Header, Kind
from confer_kit.event_log import covers
from queue_svc.codec import QueueCodec, encode, encode_policy
from queue_svc.domain.number import Number
from queue_svc.domain.order import Ordering
from queue_svc.domain.policy import Policy, PolicyDeclared, Station
from queue_svc.domain.ticket import (
    INTERNAL,
    Assigned,
    Attendance,
    Change,
    Claim,
    Note,
    Spot,
    Ticket,
    TicketChanged,
    Visit,
)

CODEC = QueueCodec()
CLAIM = Claim("ana", "s-ana", "secret-token", 1_700_001_800.5, "room 3", 1_700_000_001.5)
TICKET = Ticket(id="t1", patient_id="a.>", priority="high", arrival=7, created_at=1_700_000_000.25)
CALLED = TicketChanged(
    change=Change.CALLED, ticket=replace(TICKET, status="called", claim=CLAIM), user="ana", op="o1", at=1_700_000_001.5
)

ids = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)
times = st.floats(1.6e9, 1.9e9)
claims = st.builds(Claim, user=ids, session=ids, token=ids, until=times, station=st.none() | ids, since=times)
priorities = st.sampled_from(["high", "normal", "low"])
statuses = st.sampled_from(["waiting", "called", "serving", "held", "done", "no_show", "cancelled", "transferred"])


def some(thing: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(thing, max_size=3).map(tuple)


tickets = st.builds(
    Ticket,
    id=ids,
    patient_id=ids,
    priority=priorities,
    arrival=st.integers(1, 2**53),
    created_at=times,
    status=statuses,
    kind=st.none() | ids,
    claim=st.none() | claims,
    recalls=st.integers(0, 5),
    hold_reason=st.none() | ids,
    moved=st.none() | st.builds(Spot, priorities, st.just("000000000000015")),
    staff=some(st.builds(Attendance, ids, st.integers(1, 2**53), st.booleans(), st.just("") | ids)),
    assigned=some(st.builds(Assigned, ids, st.none() | ids)),
    notes=some(st.builds(Note, ids, ids, times)),
    number=st.none() | st.builds(Number, letter=ids, day=ids, count=st.integers(1, 10_000)),
    visits=some(st.builds(Visit, ids, times, times, statuses, ids)),
    step=st.none() | st.integers(0, 1000),
    step_sequence=st.integers(0, 2**53),
)
changes = st.builds(
    TicketChanged,
    change=st.sampled_from(list(Change)),
    ticket=tickets,
    user=ids,
    op=ids,
    at=times,
    reason=st.none() | st.text(max_size=50),
    went_to=st.none() | ids,
)


def consistent(event: TicketChanged) -> TicketChanged:
    """What a fact says twice, it says alike."""
    came_from = event.ticket.visits[-1].queue if event.change is Change.QUEUED and event.ticket.visits else None
    return replace(event, came_from=came_from, text="said" if event.ticket.notes else None)


events = changes.map(consistent)


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


def test_a_change_that_a_newer_version_wrote_is_left_alone() -> None:
    fact = encode("q", CALLED).stored(1, 0.0)
    fold = json.dumps(fact.fold | {"change": "teleported"})
    assert CODEC.decode(replace(fact, headers={**fact.headers, Header.FOLD: fold})) is None


OLDEST_FOLD = {
    "change": "called", "at": 1_700_000_001.5, "arrival": 7, "created_at": 1_700_000_000.25,
    "claim": ["ana", "s-ana", "secret-token", 1_700_001_800.5, "room 3"], "staff": [["ben", 4, True]], "step": None,
    "step_sequence": 0,
}  # fmt: skip


def test_what_the_first_version_wrote_is_read_and_what_we_write_it_reads() -> None:
    ticket = replace(CALLED.ticket, staff=(Attendance("ben", 4, True, "doctor"),))
    fact = encode("q", replace(CALLED, ticket=ticket)).stored(1, 0.0)
    assert {name: fact.fold[name] for name in OLDEST_FOLD} == OLDEST_FOLD
    told = CODEC.decode(replace(fact, headers={**fact.headers, Header.FOLD: json.dumps(OLDEST_FOLD)}))
    assert isinstance(told, TicketChanged)
    assert told.ticket == replace(ticket, claim=replace(CLAIM, since=0.0), staff=(Attendance("ben", 4, True),))


def test_a_policy_comes_back_from_its_fact_and_is_told_to_nobody() -> None:
    policy = Policy(
        version=3, claim_s=60.0, recalls_max=2, requeue="end", ordering=Ordering(None, (4, 2, 1)), next_queue="b",
        kinds={"child": frozenset({"children"})},
        stations={"room 3": Station(kinds=frozenset({"child"}), skills=frozenset({"children"})), "4": Station()},
    )  # fmt: skip
    event = PolicyDeclared(policy=policy, user="system", op="o1", at=1_700_000_000.5)
    fact = encode_policy("q", event).stored(1, 0.0)
    assert CODEC.decode(fact) == event
    assert fact.event is None
    assert fact.subject.key not in {patient_room("olicy"), patient_room("policy")}
