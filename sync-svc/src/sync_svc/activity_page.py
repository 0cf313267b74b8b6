"""A page of the activity log while it is read: what is on it, and which older values it still needs. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from confer_contracts.activity import ActivityChange, ActivityQuery, ActivityRow
from confer_contracts.message import JsonValue
from confer_kit.facts import StoredFact
from sync_svc.activity_rows import room_of, row_of, source_of
from sync_svc.domain.state import size_of

PAGE_BYTES_MAX = 512 * 1024  # of bodies, so that a page fits into a message
CHANGES_BYTES_MAX = 192 * 1024  # and of what is told beside them

_OMITTED = {"old": None, "new": None, "omitted": True}
Version = tuple[str, str, int]  # room, field, version


@dataclass(slots=True)
class Wanted:
    """Versions of a record's fields, which are older than the sequence `before` of its own log."""

    before: int = 0
    versions: set[tuple[str, int]] = field(default_factory=set)


class Reading:
    """Rows as they come, newest first. `last`: the sequence of the last fact that was looked at."""

    def __init__(self, query: ActivityQuery) -> None:
        self._query = query
        self._since = unix(query.since) if query.since else float("-inf")
        self._until = unix(query.until) if query.until else float("inf")
        self._read: list[tuple[ActivityRow, str | None]] = []
        self._left = PAGE_BYTES_MAX
        self.last: int | None = None
        self.full = False
        self.wanted: dict[str, Wanted] = {}

    def take(self, sequence: int, fact: StoredFact | None) -> None:
        """The next fact; None: it is there no longer."""
        if self.full:
            return
        row = None if fact is None else row_of(fact)
        if fact is not None and row is not None and self._is_asked_for(fact, row):
            if self._read and len(fact.body) > self._left:
                self.full = True
                return
            self._left -= len(fact.body)
            self._add(fact, row)
        self.last = sequence
        self.full = len(self._read) >= self._query.limit

    def rows(self, known: Mapping[Version, JsonValue]) -> list[ActivityRow]:
        """The rows with what is known of the values before, as much as the page has room for."""
        left = CHANGES_BYTES_MAX
        rows: list[ActivityRow] = []
        for row, room in self._read:
            changes: list[ActivityChange] = []
            for change in row.changes:
                at = (room or "", change.name, (change.version or 0) - 1)
                found = {"old": known[at], "unknown": False} if change.unknown and at in known else {}
                told = change.model_copy(update=found)
                left -= size_of(told.name, [told.old, told.new])
                changes.append(
                    told if left >= 0 else told.model_copy(update={"old": None, "new": None, "omitted": True})
                )
            rows.append(row.model_copy(update={"changes": changes}))
        return rows

    def _is_asked_for(self, fact: StoredFact, row: ActivityRow) -> bool:
        """Also by whom and of what: were ACTIVITY made anew just now, a sequence would be another fact's."""
        of_room = self._query.room in (None, room_of(fact.subject))
        by_user = self._query.user in (None, fact.actor)
        return of_room and by_user and self._since <= unix(row.timestamp) < self._until

    def _add(self, fact: StoredFact, row: ActivityRow) -> None:
        room, source = room_of(fact.subject), source_of(fact)
        self._read.append((row, room))
        unknown = {(c.name, c.version - 1) for c in row.changes if c.unknown and c.version}
        if unknown and room is not None and source is not None:
            wanted = self.wanted.setdefault(room, Wanted())
            wanted.before = max(wanted.before, source)
            wanted.versions |= unknown


def unix(stamp: str) -> float:
    """ISO 8601 as Unix seconds."""
    return datetime.fromisoformat(stamp).timestamp()
