"""The index of the activity log: newest first, bounded, honest about what it dropped."""

import pytest

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.subjects import FactSubject
from confer_kit.facts import StoredFact
from sync_svc.activity import PAGE_BYTES_MAX, ActivityIndex, read_page

PUBLIC = {"Confer-Event": "field_updated"}
TRACED = PUBLIC | {
    "Confer-Actor": "ann",
    "Confer-Op": "op=201",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}


def record(room: str) -> FactSubject:
    return FactSubject("sync", "room", room, "record")


def index_of(*subjects: FactSubject, **bounds: int) -> ActivityIndex:
    index = ActivityIndex(**bounds)
    for seq, subject in enumerate(subjects, 1):
        index.add(subject, seq, PUBLIC)
    index.complete = True
    return index


def stored(seq: int, body: bytes = b'{"timestamp":"2025-01-01T00:00:00.000Z"}') -> StoredFact:
    return StoredFact(subject=record("r1"), seq=seq, at=0.0, body=body, headers=TRACED)


def test_a_page_is_the_newest_rows_of_the_record_alone() -> None:
    index = index_of(record("r1"), record("r2"), record("r1"), record("r1"))
    assert index.page("r1", 2, before=None) == [4, 3]
    assert index.page("r1", 2, before=3) == [1]
    assert index.page("unknown", 2, before=None) == []


def test_a_ticket_counts_to_its_patients_record() -> None:
    ticket = FactSubject("queue", "queue", "screening", "r1")
    assert index_of(ticket, record("r1")).page("r1", 10, before=None) == [2, 1]


def test_facts_without_a_public_name_and_of_other_audiences_are_left_out() -> None:
    index = index_of(FactSubject("notify", "user", "r1", "note"))
    index.add(record("r1"), 2, {})
    assert index.page("r1", 10, before=None) == []


def test_a_record_keeps_its_newest_rows() -> None:
    index = index_of(*[record("r1")] * 25, rows_per_room=20)
    kept = index.page("r1", 100, before=None)
    assert len(kept) <= 20
    assert kept[0] == 25


def test_the_quietest_record_is_dropped_and_that_is_said() -> None:
    index = index_of(record("r1"), record("r2"), record("r3"), rooms=2)
    assert index.page("r3", 10, before=None) == [3]
    with pytest.raises(Rejection) as refused:
        index.page("r1", 10, before=None)
    assert refused.value.code == ErrorCode.LIMIT_EXCEEDED


def test_an_index_that_is_not_complete_does_not_answer() -> None:
    index = ActivityIndex()
    index.add(record("r1"), 1, PUBLIC)
    with pytest.raises(Rejection) as refused:
        index.page("r1", 10, before=None)
    assert refused.value.code == ErrorCode.UNAVAILABLE


async def test_a_row_tells_who_what_when_and_its_trace() -> None:
    async def read(seq: int) -> StoredFact | None:
        return stored(seq) if seq != 2 else None  # 2 has aged out

    rows, cut = await read_page([3, 2, 1], read)
    assert [row.sequence for row in rows] == [3, 1]
    assert not cut
    assert rows[0].model_dump() == {
        "sequence": 3,
        "timestamp": "2025-01-01T00:00:00.000Z",
        "service": "sync",
        "event": "field_updated",
        "user_id": "ann",
        "op": "op 1",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "detail": {"timestamp": "2025-01-01T00:00:00.000Z"},
    }


async def test_a_page_is_cut_before_it_outgrows_a_message() -> None:
    async def read(seq: int) -> StoredFact | None:
        return stored(seq, body=b'"' + b"x" * (PAGE_BYTES_MAX // 2) + b'"')

    rows, cut = await read_page([3, 2, 1], read)
    assert [row.sequence for row in rows] == [3]
    assert cut
