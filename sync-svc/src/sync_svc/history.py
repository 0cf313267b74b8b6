"""A record's past, read from its log, newest first, a bounded number of commits at a time."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from confer_kit.event_log import EventLog, Unavailable
from confer_kit.facts import StoredFact
from confer_kit.ledger import decoded
from sync_svc.codec import RecordCodec
from sync_svc.domain.messages import Bases, Committed, FieldsUpdated
from sync_svc.domain.state import size_of
from sync_svc.domain.words import diff

SEARCHED_MAX = 5000  # commits of a record that are looked through for a version
PAGE_SEARCHED_MAX = 1000  # and for a page
PAGE_BYTES_MAX = 512 * 1024  # of values, so that a page fits into a message
DIFF_BYTES_MAX = 32 * 1024  # of texts that are compared for a page, so that nobody waits for it
READ_AT_ONCE = 500
NARROW, WIDE = 256, 64  # sequences of the first window; commits below which the next window is wider


@dataclass(slots=True)
class Row:
    """A version, and the commit that it came with; `previous`: the version before, likewise."""

    change: Committed
    commit: FieldsUpdated
    previous: tuple[Committed, FieldsUpdated] | None = None
    diff: list[tuple[int, str, str]] | None = None


class History:
    def __init__(self, log: EventLog, codec: RecordCodec) -> None:
        self._log = log
        self._codec = codec

    async def versions(
        self, room: str, wanted: Iterable[tuple[str, int]], before: int | None = None, most: int | None = None
    ) -> dict[tuple[str, int], Committed]:
        """Those of the wanted (field, version) that are among the latest `most` (SEARCHED_MAX) commits with sequences
        below `before`. Raises Unavailable."""
        missing, found = set(wanted), dict[tuple[str, int], Committed]()
        searched = 0
        async for _, event in self.backwards(room, before):
            for change in event.changes:
                if (at := (change.field, change.version)) in missing:
                    found[at] = change
                    missing.discard(at)
            searched += 1
            if not missing or searched >= (most or SEARCHED_MAX):
                break
        return found

    async def bases(self, room: str, wanted: Iterable[tuple[str, int]]) -> Bases:
        return {at: change.value for at, change in (await self.versions(room, wanted)).items()}

    async def page(self, room: str, field: str | None, limit: int, before: int | None) -> tuple[list[Row], int | None]:
        """The versions below the position `before`, newest first: of one field, or of all (None), and the position
        of the next page. Raises Unavailable."""
        page, searched = _Page(field, limit), 0
        async for fact, commit in self.backwards(room, before):
            if page.full and not page.waiting:
                break
            page.take(fact.seq, commit)
            searched += 1
            if searched >= PAGE_SEARCHED_MAX:
                page.next = page.next or fact.seq
                break
        page.compare()
        return page.rows, page.next

    async def backwards(self, room: str, before: int | None = None) -> AsyncIterator[tuple[StoredFact, FieldsUpdated]]:
        """The commits of fields, newest first, with sequences below `before`. Raises Unavailable."""
        guard = self._codec.guard(room)
        last = await self._log.last(guard)
        upto = min(last.seq, (before or last.seq + 1) - 1) if last else 0
        newest = last.seq if last and upto == last.seq else None
        width = NARROW
        while upto > 0:
            after = max(0, upto - width)
            facts = await self._log.read(guard, after=after, upto=upto, limit=READ_AT_ONCE)
            if newest and (not facts or facts[-1].seq < newest) and len(facts) < READ_AT_ONCE:
                raise Unavailable("a replica that lags behind answered")
            if len(facts) == READ_AT_ONCE and width > NARROW:
                width = max(NARROW, width // 8)  # there may be more, and newer ones: look at less at once
                continue
            for fact in reversed(facts):
                event = decoded(self._codec.decode, fact)
                if isinstance(event, FieldsUpdated):
                    yield fact, event
            newest, upto = None, after
            width = width * 8 if len(facts) < WIDE else width


class _Page:
    """Rows as they come, newest first, each waiting for its version before. Whole commits, so that a position is
    enough to go on from."""

    def __init__(self, field: str | None, limit: int) -> None:
        self._field, self._limit, self._left = field, limit, PAGE_BYTES_MAX
        self.rows: list[Row] = []
        self.waiting: dict[tuple[str, int], Row] = {}
        self.next: int | None = None

    @property
    def full(self) -> bool:
        return self.next is not None

    def take(self, seq: int, commit: FieldsUpdated) -> None:
        for change in commit.changes:
            row = self.waiting.pop((change.field, change.version), None)
            size = size_of(change.field, change.value)
            if row is not None and size <= self._left:
                self._left -= size
                row.previous = (change, commit)
        if not self.full:
            self._add(seq, [Row(c, commit) for c in commit.changes if self._field in (None, c.field)])

    def _add(self, seq: int, rows: list[Row]) -> None:
        size = sum(size_of(row.change.field, row.change.value) for row in rows)
        if self.rows and size > self._left:
            self.next = seq + 1
            return
        self._left -= size
        self.rows += rows
        self.waiting |= {(row.change.field, row.change.version - 1): row for row in rows if row.change.version > 1}
        oldest = self._field is not None and bool(rows) and rows[0].change.version == 1
        if len(self.rows) >= self._limit and not oldest:
            self.next = seq

    def compare(self) -> None:
        left = DIFF_BYTES_MAX
        for row in self.rows:
            old, new = row.previous and row.previous[0].value, row.change.value
            if isinstance(old, str) and isinstance(new, str):
                left -= len(old) + len(new)
                row.diff = diff(old, new) if left >= 0 else None
