"""What is read: the inboxes, projected from the service's own log, and the counts of unread notes."""

import heapq
from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Iterator
from itertools import accumulate, islice, takewhile
from typing import NamedTuple

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.ids import token
from confer_contracts.notify import VIEWS, Inbox, InboxQuery, Notification
from confer_contracts.notify import Counts as UnreadCount
from confer_contracts.subjects import EVERYBODY, FactSubject, Kind, audience
from confer_kit.ledger import Ledger
from confer_kit.service import Service
from notify_svc.domain.person import MarkedRead, Person, Seen

(COUNTS,) = VIEWS
FLUSH_S = 0.1
PAGE_BYTES_MAX = 384 * 1024  # of notes; two pages fit into one message, as a dashboard needs
FLUSHED_MAX = 100  # people per flush: a note to everybody is spread over some seconds
Withheld = Collection[str]  # shared audiences whose notes are not the reader's
_KEPT_KINDS = frozenset({Kind.USER, Kind.ROLE, Kind.ALL})  # rooms and queues are told live only


class Entry(NamedTuple):
    """`position` is the sequence of the note's fact."""

    position: int
    note: Notification


class Kept:
    """The notes of one audience, oldest first. `dropped_to`: the position of the last one that went; 0: none did."""

    __slots__ = ("dropped_to", "entries")

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque()
        self.dropped_to = 0


class Inboxes:
    """The newest notes of every audience that has inboxes. An inbox is merged from three of them when it is asked for.

    Bounded: of the log's newest `window` notes the newest `kept` of each audience. What is dropped is still in the log.
    """

    def __init__(self, kept: int, window: int) -> None:
        self._kept = kept
        self._window = window
        self._audiences: dict[str, Kept] = {}
        self._dropped_to = 0  # of audiences of which nothing is left
        self._order: deque[tuple[str, int]] = deque()  # (audience, position), oldest first

    def add(self, subject: FactSubject, position: int, note: Notification) -> None:
        """The next note of the log."""
        if subject.kind not in _KEPT_KINDS:
            return
        name = f"{subject.kind}.{subject.ident}"
        kept = self._audiences.setdefault(name, Kept())
        kept.entries.append(Entry(position, note))
        self._order.append((name, position))
        if len(kept.entries) > self._kept:
            kept.dropped_to = kept.entries.popleft().position
        if len(self._order) > self._window:
            self._drop(*self._order.popleft())

    def clear(self) -> None:
        """The log was made anew."""
        self._audiences.clear()
        self._order.clear()
        self._dropped_to = 0

    def entries(self, user: str, role: str | None, person: Person, withheld: Withheld = ()) -> Iterator[Entry]:
        """The inbox of a person (a token), newest first: own notes; the role's and everybody's since they are known,
        but of `withheld` audiences."""
        notes = (self._since(name, since) for name, since in _sources(user, role, person, withheld))
        return heapq.merge(*notes, key=_newest_first)

    def unread(self, user: str, role: str | None, person: Person, withheld: Withheld = ()) -> int:
        return sum(not person.has_read(entry.position) for entry in self.entries(user, role, person, withheld))

    def page(
        self, query: InboxQuery, user: str, role: str | None, person: Person, withheld: Withheld = ()
    ) -> Inbox:  # fmt: skip
        """A page of the inbox; Rejection(not_found) when `before` is not in it."""
        entries: Iterator[Entry] = self.entries(user, role, person, withheld)
        if query.before is not None:
            entries = _after(query.before, entries)
        shown = [_marked(e, person) for e in entries if not (query.unread_only and person.has_read(e.position))]
        page = _fitting(shown[: query.limit])
        return Inbox(
            unread=self.unread(user, role, person, withheld),
            notifications=page,
            more=len(shown) > len(page),
            trimmed=self._is_trimmed(user, role, person, withheld),
        )

    def _since(self, name: str, since: int) -> Iterator[Entry]:
        kept = self._audiences.get(name)
        return takewhile(lambda entry: entry.position >= since, reversed(kept.entries)) if kept else iter(())

    def _is_trimmed(self, user: str, role: str | None, person: Person, withheld: Withheld) -> bool:
        """Whether the inbox lacks notes that were dropped (or may: of audiences of which nothing is left)."""
        sources = _sources(user, role, person, withheld)
        gone = any(kept.dropped_to > since for name, since in sources if (kept := self._audiences.get(name)))
        return gone or self._dropped_to > (person.known_since or 0)

    def _drop(self, name: str, position: int) -> None:
        kept = self._audiences.get(name)
        if kept is None or kept.entries[0].position != position:
            return  # the audience's own bound has dropped it before
        kept.dropped_to = kept.entries.popleft().position
        if not kept.entries:
            self._dropped_to = position
            del self._audiences[name]


class SeenLately:
    """The people seen last, by role: whom a note to a role, or to everybody, gives a new count. Bounded."""

    def __init__(self, people_max: int) -> None:
        self._people_max = people_max
        self._roles: OrderedDict[str, str | None] = OrderedDict()

    def saw(self, user: str, role: str | None) -> None:
        self._roles[user] = role or self._roles.get(user)
        self._roles.move_to_end(user)
        while len(self._roles) > self._people_max:
            self._roles.popitem(last=False)

    def told_by(self, subject: FactSubject) -> list[str]:
        """The tokens of those whose inbox a note to this audience reaches."""
        if subject.kind == Kind.USER:
            return [subject.ident]
        if subject.kind == Kind.ALL:
            return list(self._roles)
        if subject.kind == Kind.ROLE:
            return [user for user, role in self._roles.items() if role and token(role) == subject.ident]
        return []


class Counts:
    """Publishes how many notes are unread to those for whom that changed."""

    def __init__(self, service: Service, persons: Ledger[Person, Seen | MarkedRead], inboxes: Inboxes) -> None:
        self._service = service
        self._persons = persons
        self._inboxes = inboxes
        self._changed: set[str] = set()

    def changed(self, users: Iterable[str]) -> None:
        self._changed.update(users)

    async def flush(self) -> None:
        """Hand the next ones to the views; people whose state cannot be read now stay for the next time."""
        for user in tuple(islice(self._changed, FLUSHED_MAX)):
            try:
                person = (await self._persons.load(user)).state
            except Rejection:
                return
            self._changed.discard(user)
            if person.known_since is not None:
                self._publish(user, person)

    def _publish(self, user: str, person: Person) -> None:
        unread = self._inboxes.unread(user, person.role, person, person.withheld)
        drawn = UnreadCount(unread=unread).model_dump_json().encode(), self._service.position
        self._service.views.coalesce(COUNTS, user, lambda: drawn)


def alerts(entries: Iterator[Entry], person: Person, limit: int) -> list[Notification]:
    """The newest notes that warn of something or are urgent."""
    urgent = (e for e in entries if e.note.type in ("warning", "error") or e.note.priority in ("high", "critical"))
    return _fitting([_marked(entry, person) for entry in islice(urgent, limit)])


def _sources(user: str, role: str | None, person: Person, withheld: Withheld) -> list[tuple[str, int]]:
    """The audiences that an inbox is made of, each with the position from which on its notes are the person's."""
    own = [(f"{Kind.USER}.{user}", 0)]
    if person.known_since is None:
        return own
    shared = [EVERYBODY] if role is None else [EVERYBODY, audience(Kind.ROLE, role)]
    return own + [(name, person.known_since) for name in shared if name not in withheld]


def _marked(entry: Entry, person: Person) -> Notification:
    return entry.note.model_copy(update={"read": True}) if person.has_read(entry.position) else entry.note


def _fitting(notes: list[Notification]) -> list[Notification]:
    """The first ones, as many as PAGE_BYTES_MAX allows."""
    sizes = accumulate(len(note.model_dump_json().encode()) for note in notes)
    return notes[: sum(size <= PAGE_BYTES_MAX for size in sizes)]


def _newest_first(entry: Entry) -> int:
    return -entry.position


def _after(note: str, entries: Iterator[Entry]) -> Iterator[Entry]:
    """The entries that are older than `note`."""
    for entry in entries:
        if entry.note.id == note:
            return entries
    raise Rejection(ErrorCode.NOT_FOUND, "before: not in your inbox, or no longer shown by it", field="before")
