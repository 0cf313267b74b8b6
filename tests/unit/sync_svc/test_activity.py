"""Rows and pages of the activity log: who, what, when, old and new, outcome, trace; cut before they are too large."""

from typing import Any

import orjson
import pytest

from confer_contracts import queue
from confer_contracts.activity import ActivityKind, ActivityQuery
from confer_contracts.subjects import FactSubject
from confer_kit.facts import StoredFact
from sync_svc.activity_page import CHANGES_BYTES_MAX, PAGE_BYTES_MAX, Reading
from sync_svc.activity_rows import kind_of, room_of, row_of

AT = "2025-01-01T00:00:00.000Z"
TRACED = {
    "Confer-Actor": "ann",
    "Confer-Op": "op=201",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}
RECORD = FactSubject("sync", "room", "p=201", "record")


def stored(
    seq: int = 1, body: Any = None, event: str = "field_updated", subject: FactSubject = RECORD, source: int = 0
) -> StoredFact:
    headers = TRACED | {"Confer-Event": event, "Nats-Stream-Source": f"SYNC:abc {source or seq} > > log.>"}
    whole = {"timestamp": AT, "field": "iop", "value": seq, "version": seq} if body is None else body
    return StoredFact(subject=subject, seq=seq, at=0.0, body=orjson.dumps(whole), headers=headers)


def reading(*facts: StoredFact | None, **query: Any) -> Reading:
    """Of facts with falling sequences."""
    read = Reading(ActivityQuery(patient_id="p 1", **query))
    for place, fact in enumerate(facts):
        read.take(fact.seq if fact else 1000 - place, fact)
    return read


@pytest.mark.parametrize(
    ("subject", "event", "kind"),
    [
        ("log.sync.room.p.record", "field_updated", "field"),
        ("log.sync.room.p.record", "collaborative_conflict", "field"),
        ("log.sync.room.p.record", "step_changed", "step"),
        ("log.sync.topic.form.patient", None, None),
        ("log.presence.room.p.ann", "user_joined", "presence"),
        ("log.presence.room.p.ann", "user_updated", None),
        ("log.presence.room.p.ann", None, None),
        ("log.queue.queue.eyes.p", "ticket_called", "queue"),
        ("log.notify.user.ann.note", "notification", "notification"),
        ("log.notify.user.ann.note", "new_message", "notification"),
        ("log.notify.user.ann.state", "notification_read", None),
        ("log.audit.room.p.snapshot", "read", "read"),
        ("log.audit.room.p.field_update", "refused", "refusal"),
        ("log.newer.room.p.x", "unheard", None),
    ],
)
def test_each_fact_is_of_a_kind_or_no_activity(subject: str, event: str | None, kind: ActivityKind | None) -> None:
    assert kind_of(FactSubject.parse(subject), event) == kind


def test_a_ticket_belongs_to_its_patients_record() -> None:
    assert room_of(FactSubject("queue", "queue", "eyes", "p")) == "p"
    assert room_of(FactSubject("queue", "queue", "eyes", queue.POLICY)) is None
    assert room_of(FactSubject("notify", "queue", "eyes", "note")) is None
    assert room_of(FactSubject("audit", "queue", "eyes", "queue_done")) is None


def test_a_row_tells_who_did_what_when_and_its_trace() -> None:
    body = {"timestamp": AT, "field": "iop", "value": 14, "version": 1, "outcome": "accepted"}
    row = row_of(stored(3, body))
    assert row is not None
    assert row.model_dump() == {
        "sequence": 3, "timestamp": AT, "service": "sync", "event": "field_updated", "user_id": "ann", "op": "op 1",
        "trace_id": "0af7651916cd43dd8448eb211c80319c", "detail": body, "kind": "field",
        "audience": "room.screening_p 1", "patient_id": "p 1", "session_id": None, "outcome": "ok",
        "changes": [{"name": "iop", "old": None, "new": 14, "version": 1}],
    }  # fmt: skip


def test_what_was_written_over_is_the_old_value_and_the_outcome_says_so() -> None:
    replaced = {"value": "hers", "version": 2, "user_id": "bob", "timestamp": AT}
    change = {"field": "n", "value": "his", "version": 3, "outcome": "overwrote", "replaced": replaced}
    row = row_of(stored(1, {"changes": [{"field": "m", "value": 1, "version": 1}, change]}, "fields_updated"))
    assert row is not None
    assert row.outcome == "overwrote"
    assert [(c.name, c.old, c.new, c.unknown) for c in row.changes] == [
        ("m", None, 1, False), ("n", "hers", "his", False)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("event", "body", "change"),
    [
        ("step_updated", {"step": 3, "status": "completed", "previous_status": "in_progress"},
         ("status", "in_progress", "completed")),
        ("step_changed", {"step": 3, "previous_step": 2}, ("step", 2, 3)),
    ],
)  # fmt: skip
def test_steps_tell_where_they_come_from(event: str, body: dict[str, Any], change: tuple[str, Any, Any]) -> None:
    row = row_of(stored(1, body, event))
    assert row is not None
    assert [(c.name, c.old, c.new) for c in row.changes] == [change]


def test_of_a_notification_it_tells_that_one_was_sent_and_to_whom_alone() -> None:
    body = {"id": "n1", "type": "info", "priority": "high", "title": "secret", "message": "secret", "timestamp": AT}
    row = row_of(stored(1, body, "notification", FactSubject("notify", "user", "bob=20b", "note")))
    assert row is not None
    assert row.audience == "user.bob b"
    assert "secret" not in row.model_dump_json()


def test_a_refusal_tells_its_code() -> None:
    body = {"call": "field_update", "outcome": "conflict", "field": "iop", "role": "nurse", "timestamp": AT}
    row = row_of(stored(1, body, "refused", FactSubject("audit", "room", "session_7", "field_update")))
    assert row is not None
    assert (row.kind, row.outcome, row.session_id, row.patient_id, row.changes) == (
        "refusal",
        "conflict",
        "7",
        None,
        [],
    )


@pytest.mark.parametrize(
    ("body", "change"),
    [
        ({"status": "waiting"}, (None, "waiting", False)),
        ({"status": "done", "previous_status": "serving"}, ("serving", "done", False)),
        ({"status": "done"}, (None, "done", True)),
        ({"status": "waiting", "reason": "expired"}, (None, "waiting", True)),
    ],
)
def test_a_ticket_tells_its_status_before(body: dict[str, Any], change: tuple[Any, Any, bool]) -> None:
    row = row_of(stored(1, body, "ticket_x", FactSubject("queue", "queue", "eyes", "p=201")))
    assert row is not None
    assert [(c.old, c.new, c.unknown) for c in row.changes] == [change]
    assert (row.kind, row.audience, row.patient_id) == ("queue", "queue.eyes", "p 1")


@pytest.mark.parametrize(
    ("event", "body", "change", "outcome"),
    [
        ("field_locked", {"since": AT, "taken_from": None}, ("lock of iop", None, "ann"), "ok"),
        ("field_locked", {"since": AT, "taken_from": "bob"}, ("lock of iop", "bob", "ann"), "taken_over"),
        ("field_unlocked", {"reason": "expired"}, ("lock of iop", "ann", None), "ok"),
    ],
)
def test_a_lock_tells_who_has_it_from_whom(
    event: str, body: dict[str, Any], change: tuple[str, Any, Any], outcome: str
) -> None:
    lock = {"field": "iop", "user_id": "ann", "token": 2, "expires_at": AT, "patient_id": "p 1", **body}
    row = row_of(stored(1, lock, event, FactSubject("presence", "room", "p=201", "=6Cock_iop")))
    assert row is not None
    assert [(c.name, c.old, c.new) for c in row.changes] == [change]
    assert (row.kind, row.outcome, row.patient_id) == ("presence", outcome, "p 1")
    assert row.timestamp == (AT if event == "field_locked" else "1970-01-01T00:00:00.000Z")


def test_somebody_who_left_is_told_by_a_bare_id() -> None:
    row = row_of(stored(1, "ann", "user_left", FactSubject("presence", "room", "p=201", "ann")))
    assert row is not None
    assert (row.kind, row.detail, row.timestamp) == ("presence", "ann", "1970-01-01T00:00:00.000Z")


def test_a_page_asks_for_the_versions_before_and_tells_them() -> None:
    read = reading(stored(9, source=5), stored(8, source=4), limit=2)
    assert {room: (wanted.before, wanted.versions) for room, wanted in read.wanted.items()} == {
        "p=201": (5, {("iop", 8), ("iop", 7)})
    }
    newest, older = read.rows({("p=201", "iop", 8): 8})
    assert [(c.old, c.new, c.unknown) for c in newest.changes] == [(8, 9, False)]
    assert [(c.old, c.new, c.unknown) for c in older.changes] == [(None, 8, True)]


def test_what_is_there_no_longer_takes_no_place_on_a_page() -> None:
    read = reading(stored(9), None, None, stored(2), limit=2)
    assert [row.sequence for row in read.rows({})] == [9, 2]
    assert (read.full, read.last) == (True, 2)


def test_a_page_has_rows_of_its_times_alone() -> None:
    bodies = [
        {"timestamp": f"2025-01-0{day}T00:00:00.000Z", "field": "a", "value": 1, "version": 1} for day in (4, 3, 2, 1)
    ]
    facts = [stored(9 - place, body) for place, body in enumerate(bodies)]
    read = reading(*facts, since="2025-01-02T07:00:00+07:00", until="2025-01-04T00:00:00Z")
    assert [row.sequence for row in read.rows({})] == [8, 7]


def test_a_page_is_cut_before_it_outgrows_a_message() -> None:
    large = {"field": "a", "version": 1, "timestamp": AT, "value": "x" * (PAGE_BYTES_MAX // 2)}
    read = reading(stored(3, large), stored(2, large), stored(1, large))
    assert [row.sequence for row in read.rows({})] == [3]
    assert (read.full, read.last) == (True, 3)


def test_values_beside_the_bodies_are_told_as_far_as_there_is_room() -> None:
    half = "x" * (CHANGES_BYTES_MAX // 2 - 100)
    facts = [stored(seq, {"field": "a", "version": 2, "timestamp": AT, "value": half}) for seq in (3, 2)]
    first, second = reading(*facts).rows({("p=201", "a", 1): half})
    assert (first.changes[0].old, first.changes[0].omitted) == (half, False)
    assert (second.changes[0].old, second.changes[0].new, second.changes[0].omitted) == (None, None, True)
    assert sum(len(row.model_dump_json()) for row in (first, second)) < PAGE_BYTES_MAX + CHANGES_BYTES_MAX


def test_a_fact_of_another_record_or_person_is_on_no_page() -> None:
    assert reading(stored(2, subject=FactSubject("sync", "room", "other", "record"))).rows({}) == []
    assert reading(stored(2), user="bob").rows({}) == []
    assert len(reading(stored(2), user="ann").rows({})) == 1
