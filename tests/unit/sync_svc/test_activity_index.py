"""The index of the activity log: newest first, by record and person, bounded, honest about what it dropped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confer_contracts.activity import ActivityKind
from confer_contracts.errors import ErrorCode, Rejection
from sync_svc.activity import TOLD
from sync_svc.activity_index import ActivityIndex, Shelf

Entry = tuple[str | None, str | None, ActivityKind]  # room, user, kind
names = st.sampled_from(["a", "b", None])
entries = st.lists(st.tuples(names, names, st.sampled_from(["read", *sorted(TOLD)])), max_size=60)


def index_of(*rows: Entry, records: Shelf | None = None) -> ActivityIndex:
    index = ActivityIndex()
    index.records = records or index.records
    for sequence, (room, user, kind) in enumerate(rows, 1):
        index.add(sequence, kind, room, user)
    return index


def search(
    index: ActivityIndex, room: str | None = None, user: str | None = None, *, below: int = 2**53, down_to: int = 1,
    kinds: frozenset[ActivityKind] = TOLD, most: int = 1000,
) -> list[int]:  # fmt: skip
    return index.search(room, user, kinds, below=below, down_to=down_to, most=most)[0]


@given(entries, names, names, st.integers(5, 62), st.integers(0, 10), st.integers(1, 60))
def test_a_search_finds_what_a_look_at_every_row_would(
    rows: list[Entry], room: str | None, user: str | None, below: int, down_to: int, most: int
) -> None:
    if (room, user) == (None, None):
        return
    wanted = [
        sequence
        for sequence, (in_room, by_user, kind) in enumerate(rows, 1)
        if room in (None, in_room) and user in (None, by_user) and kind in TOLD and down_to <= sequence < below
    ]
    found = search(index_of(*rows), room, user, below=below, down_to=down_to, most=most)
    assert found == wanted[::-1][:most]


def test_a_record_keeps_its_newest_rows_and_says_that_there_were_more() -> None:
    many: list[Entry] = [("a", None, "field")] * 25
    index = index_of(*many, records=Shelf(per_name=20))
    found, trimmed = index.search("a", None, TOLD, below=100, down_to=1, most=100)
    assert found == list(range(25, 25 - len(found), -1))
    assert 18 <= len(found) <= 20
    assert trimmed


def test_the_quietest_record_is_dropped_and_that_is_said() -> None:
    index = index_of(("a", None, "field"), ("b", None, "field"), ("c", None, "field"), records=Shelf(names=2))
    assert search(index, "c") == [3]
    with pytest.raises(Rejection) as refused:
        search(index, "a")
    assert (refused.value.code, refused.value.retry) == (ErrorCode.LIMIT_EXCEEDED, False)


@given(st.lists(st.sampled_from("abcdef"), max_size=80))
def test_there_are_never_more_rows_than_the_bound(rooms: list[str]) -> None:
    shelf = Shelf(per_name=7, rows=20, names=4)
    for sequence, room in enumerate(rooms, 1):
        shelf.add(room, sequence, "field")
    shelf.forget_below(len(rooms) - 10)
    kept = list(shelf._named.values())
    assert sum(map(len, kept)) == shelf.count <= 20
    assert len(kept) <= 4


def test_what_the_stream_no_longer_holds_is_forgotten() -> None:
    index = index_of(("a", "x", "field"), ("b", "y", "field"), ("a", "y", "field"))
    index.forget_below(3)
    assert (search(index, "a"), search(index, "b"), search(index, user="x"), search(index, user="y")) == (
        [3], [], [], [3]
    )  # fmt: skip
