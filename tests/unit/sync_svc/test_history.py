"""Pages of a record's history: every version once, newest first, each with what it replaced."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confer_kit.event_log import MemoryEventLog, Unavailable
from confer_kit.facts import NewFact, StoredFact
from sync_svc import history
from sync_svc.codec import RecordCodec, encode
from sync_svc.domain.messages import Committed, FieldsUpdated, Json, MovedToStep
from sync_svc.domain.words import diff
from sync_svc.history import History, Row

T0 = 1_750_000_000.0


class Log:
    """A log that other records write into as well."""

    def __init__(self) -> None:
        self.facts = MemoryEventLog()
        self.history = History(self.facts, RecordCodec())
        self._versions: dict[str, int] = {}

    async def commit(self, **values: Json) -> None:
        for name in values:
            self._versions[name] = self._versions.get(name, 0) + 1
        changes = tuple(Committed(name, value, self._versions[name]) for name, value in values.items())
        await self.store(encode(FieldsUpdated("ann", f"op-{len(self.facts.facts)}", T0, changes), "r", "s"))

    async def other(self, count: int) -> None:
        for number in range(count):
            event = FieldsUpdated("bob", f"{number}", T0, (Committed("a", number, 1),))
            await self.store(encode(event, "another", "s"))

    async def store(self, fact: NewFact) -> None:
        last = await self.facts.last(str(fact.subject))
        await self.facts.append(fact, guard=str(fact.subject), expected=last.seq if last else 0, timeout=1)


def told(rows: list[Row]) -> list[tuple[str, int, Json, Json]]:
    return [
        (row.change.field, row.change.version, row.change.value, row.previous and row.previous[0].value) for row in rows
    ]


async def test_a_field_is_told_newest_first_with_what_was_before() -> None:
    log = Log()
    await log.commit(a="x", b=1)
    await log.store(encode(MovedToStep("ann", "m", T0, 3, "Acuity"), "r", "s"))
    await log.commit(a="x y")
    await log.other(3)
    await log.commit(a=7, b=2)
    rows, before = await log.history.page("r", "a", 50, None)
    assert told(rows) == [("a", 3, 7, "x y"), ("a", 2, "x y", "x"), ("a", 1, "x", None)]
    assert [row.diff for row in rows] == [None, [(1, "", " y")], None]
    assert before is None
    rows, _ = await log.history.page("r", None, 50, None)
    assert told(rows) == [
        ("a", 3, 7, "x y"), ("b", 2, 2, 1), ("a", 2, "x y", "x"), ("a", 1, "x", None), ("b", 1, 1, None)
    ]  # fmt: skip


async def test_a_record_that_nobody_wrote_has_no_history() -> None:
    assert await Log().history.page("r", None, 50, None) == ([], None)


@given(
    st.lists(st.sets(st.sampled_from("abc"), min_size=1), max_size=30), st.integers(1, 7), st.none() | st.just("a"),
    st.lists(st.integers(0, 30), min_size=30, max_size=30),
)  # fmt: skip
async def test_pages_together_are_the_whole_history(
    commits: list[set[str]], limit: int, field: str | None, between: list[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "NARROW", 2)
        patch.setattr(history, "READ_AT_ONCE", 3)
        patch.setattr(history, "WIDE", 2)
        log = Log()
        for number, (names, others) in enumerate(zip(commits, between, strict=False)):
            await log.other(others)
            await log.commit(**dict.fromkeys(sorted(names), number))
        rows, before = await log.history.page("r", field, limit, None)
        while before is not None:
            more, before = await log.history.page("r", field, limit, before)
            rows += more
        written = [(n, number) for number, names in enumerate(commits) for n in sorted(names) if field in (None, n)]
        assert sorted((row.change.field, row.change.value) for row in rows) == sorted(written)
        for row in rows:
            assert (row.previous is None) == (row.change.version == 1)
            assert row.previous is None or row.previous[0].version == row.change.version - 1


async def test_a_page_is_bounded_by_its_size_and_by_what_is_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    for number in range(5):
        await log.commit(a="x" * 100, b=number)
    monkeypatch.setattr(history, "PAGE_BYTES_MAX", 500)
    rows, before = await log.history.page("r", None, 50, None)
    assert (len(rows), before) == (4, 4)
    monkeypatch.setattr(history, "PAGE_SEARCHED_MAX", 2)
    rows, before = await log.history.page("r", "c", 50, None)
    assert (rows, before) == ([], 4)


async def test_versions_are_found_unless_they_are_too_far_back(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    for number in range(6):
        await log.commit(a=number)
    assert await log.history.bases("r", {("a", 1), ("a", 6), ("a", 9), ("b", 1)}) == {("a", 1): 0, ("a", 6): 5}
    monkeypatch.setattr(history, "SEARCHED_MAX", 3)
    assert await log.history.bases("r", {("a", 1), ("a", 4)}) == {("a", 4): 3}


async def test_a_replica_of_the_log_that_lags_behind_is_no_history() -> None:
    class Lagging(MemoryEventLog):
        async def read(self, guard: str, *, after: int, upto: int, limit: int | None = None) -> list[StoredFact]:
            return list(await super().read(guard, after=after, upto=upto - 1, limit=limit))

    log = Log()
    log.facts = Lagging()
    log.history = History(log.facts, RecordCodec())
    await log.commit(a=1)
    with pytest.raises(Unavailable):
        await log.history.page("r", None, 50, None)


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_diff_leads_from_the_old_text_to_the_new_one(old: str, new: str) -> None:
    made, position = "", 0
    for at, removed, added in diff(old, new):
        assert old[at : at + len(removed)] == removed
        made += old[position:at] + added
        position = at + len(removed)
    assert made + old[position:] == new
