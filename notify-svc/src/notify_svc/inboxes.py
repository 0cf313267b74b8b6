"""The notes of all audiences, as the log tells them: what inboxes are put together from (pages.py).

Bounded: of the log's newest `window` notes the newest `kept` of each audience. What is dropped is still in the log.
"""

import heapq
from collections import deque
from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple

from confer_contracts.subjects import Kind
from notify_svc.domain.audience import Content, Sent

KEPT_KINDS = frozenset({Kind.USER, Kind.ROLE, Kind.STAFF, Kind.TOPIC, Kind.ALL})  # rooms and queues are told live only


class Entry(NamedTuple):
    """`position` is the sequence of the note's fact, `audience` to whom it was said (`<kind>.<token>`). What browsers
    get is made when it is asked for: kept, it would take three times the memory."""

    position: int
    audience: str
    sent: Sent

    @property
    def content(self) -> Content:
        return self.sent.content


class Kept:
    """The notes of one audience by position, oldest first. `dropped_to`: the position of the last one that went for
    want of room; 0: none did."""

    __slots__ = ("dropped_to", "entries", "groups")

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}
        self.groups: dict[str, int] = {}  # group -> the position of its newest note
        self.dropped_to = 0

    def add(self, entry: Entry) -> None:
        """It replaces an older one of its group."""
        if (group := entry.content.group) is not None:
            self.entries.pop(self.groups.get(group, 0), None)
            self.groups[group] = entry.position
        self.entries[entry.position] = entry

    def remove(self, position: int) -> bool:
        entry = self.entries.pop(position, None)
        if entry is not None and entry.content.group is not None:
            del self.groups[entry.content.group]
        return entry is not None


class Inboxes:
    """Follows the log; `now` and times of expiry are Unix seconds."""

    def __init__(self, kept: int, window: int) -> None:
        self._kept = kept
        self._window = window
        self._audiences: dict[str, Kept] = {}
        self.forgotten_to = 0  # the last that was dropped of audiences of which nothing is left
        self._order: deque[tuple[str, int]] = deque()  # (audience, position), oldest first
        self._expiring: list[tuple[float, str, int]] = []  # a heap: (when, audience, position)

    def add(self, entry: Entry) -> None:
        """The next note of the log."""
        name = entry.audience
        if name.partition(".")[0] not in KEPT_KINDS:
            return
        kept = self._audiences.setdefault(name, Kept())
        kept.add(entry)
        self._order.append((name, entry.position))
        if len(kept.entries) > self._kept:
            self._drop(name, next(iter(kept.entries)))
        if len(self._order) > self._window:
            self._drop(*self._order.popleft())
        if entry.content.expires_at is not None:
            self._expires(entry.content.expires_at, name, entry.position)

    def expire(self, now: float) -> list[str]:
        """Let go what has expired; the audiences of which something went."""
        gone: dict[str, None] = {}
        while self._expiring and self._expiring[0][0] <= now:
            _, name, position = heapq.heappop(self._expiring)
            kept = self._audiences.get(name)
            if kept is not None and kept.remove(position):
                gone[name] = None
                self._forget_empty(name, kept)
        return list(gone)

    @property
    def next_expiry(self) -> float | None:
        return self._expiring[0][0] if self._expiring else None

    def clear(self) -> None:
        """The log was made anew."""
        self._audiences.clear()
        self._order.clear()
        self._expiring.clear()
        self.forgotten_to = 0

    def of(self, name: str, since: int) -> Iterator[Entry]:
        """The notes of an audience from a position on, newest first."""
        kept = self._audiences.get(name)
        return takewhile(lambda entry: entry.position >= since, reversed(kept.entries.values())) if kept else iter(())

    def lacks(self, name: str, since: int) -> bool:
        """Whether notes of the audience from there on were dropped, and others of it are left."""
        kept = self._audiences.get(name)
        return kept is not None and kept.dropped_to > since

    def _expires(self, at: float, name: str, position: int) -> None:
        heapq.heappush(self._expiring, (at, name, position))
        if len(self._expiring) > 2 * self._window:  # most of it is of notes that went before
            self._expiring = [e for e in self._expiring if e[1] in self._audiences and e[2] in self._kept_of(e[1])]
            heapq.heapify(self._expiring)

    def _kept_of(self, name: str) -> dict[int, Entry]:
        return self._audiences[name].entries

    def _drop(self, name: str, position: int) -> None:
        kept = self._audiences.get(name)
        if kept is not None and kept.remove(position):
            kept.dropped_to = position
            self._forget_empty(name, kept)

    def _forget_empty(self, name: str, kept: Kept) -> None:
        if not kept.entries:
            self.forgotten_to = max(self.forgotten_to, kept.dropped_to)
            del self._audiences[name]
