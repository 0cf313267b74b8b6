"""An inbox, put together when it is asked for: own notes, and those of what the person shares in, since they do."""

import heapq
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import accumulate, islice

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.notify import Counts, Inbox, InboxQuery, NoteState, Notification
from confer_contracts.subjects import EVERYBODY, Kind, audience
from confer_kit import clock
from notify_svc.codec import notification_of, unix
from notify_svc.domain.audience import Content
from notify_svc.domain.person import Person
from notify_svc.inboxes import Entry, Inboxes

PAGE_BYTES_MAX = 384 * 1024  # of notes; two pages fit into one message, as a dashboard needs
UNREAD = frozenset({"unseen", "seen"})
_ALL = UNREAD | {"read", "archived"}
_WANTED: dict[str | None, frozenset[str]] = {None: UNREAD | {"read"}, "unread": UNREAD, "all": _ALL}


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose inbox: `user` is a token. `withheld`: shared audiences whose notes are not the reader's."""

    user: str
    role: str | None
    person: Person
    withheld: Collection[str] = ()

    @property
    def sources(self) -> list[tuple[str, int]]:
        """The audiences that the inbox is made of, each with the position from which on its notes are the person's."""
        own = [(f"{Kind.USER}.{self.user}", 0)]
        since = self.person.known_since
        if since is None:
            return own
        shared = [(EVERYBODY, since)] + ([(audience(Kind.ROLE, self.role), since)] if self.role else [])
        return own + [source for source in (*shared, *self.person.follows.items()) if source[0] not in self.withheld]

    def state(self, entry: Entry) -> NoteState:
        position, person = entry.position, self.person
        if person.archived.has(position):
            return "archived"
        if person.read.has(position):
            return "read"
        return "seen" if person.seen.has(position) else "unseen"

    def silent(self, entry: Entry) -> bool:
        """Whether it is kept without being counted."""
        said = entry.content
        return said.covers is None and self.person.preferences.silent(said.type, said.priority)

    def shown(self, entry: Entry) -> Notification:
        state = self.state(entry)
        read = state == "read" or (state == "archived" and self.person.read.has(entry.position))
        note = notification_of(entry.sent, entry.audience)
        return note.model_copy(update={"state": state, "read": read, "muted": self.silent(entry)})


def entries(inboxes: Inboxes, reader: Reader) -> Iterator[Entry]:
    """All that stands in the inbox, archived or not, newest first."""
    return heapq.merge(*(inboxes.of(name, since) for name, since in reader.sources), key=_newest_first)


def counts(inboxes: Inboxes, reader: Reader, now: float) -> Counts:
    """Looks no further back than there is anything that is not read."""
    person = reader.person
    floor = max(person.read.floor, person.archived.floor)
    unread = [
        entry.position
        for name, since in reader.sources
        for entry in inboxes.of(name, max(since, floor + 1))
        if reader.state(entry) in UNREAD and not reader.silent(entry)
    ]
    unseen = sum(not person.seen.has(position) for position in unread)
    quiet_until = person.preferences.quiet_until(now)
    return Counts(unread=len(unread), unseen=unseen, quiet_until=quiet_until and clock.iso(quiet_until))


def page(inboxes: Inboxes, reader: Reader, query: InboxQuery, now: float) -> Inbox:
    """A page of the inbox; Rejection(not_found) when `before` is not in it."""
    found = entries(inboxes, reader)
    if query.before is not None:
        found = _after(query.before, found)
    wants = list(islice(filter(_wanted(query, reader), found), query.limit + 1))  # one more tells that there are more
    notes = fitting([reader.shown(entry) for entry in wants[: query.limit]])
    counted = counts(inboxes, reader, now)
    return Inbox(
        unread=counted.unread,
        unseen=counted.unseen or 0,
        quiet_until=counted.quiet_until,
        notifications=notes,
        more=len(wants) > len(notes),
        trimmed=_trimmed(inboxes, reader),
    )


def alerts(inboxes: Inboxes, reader: Reader, limit: int) -> list[Notification]:
    """The newest notes that warn of something or are urgent."""
    urgent = (e for e in entries(inboxes, reader) if _is_urgent(e.content) and reader.state(e) != "archived")
    return fitting([reader.shown(entry) for entry in islice(urgent, limit)])


def fitting(notes: list[Notification]) -> list[Notification]:
    """The first ones, as many as PAGE_BYTES_MAX allows."""
    sizes = accumulate(len(note.model_dump_json().encode()) for note in notes)
    return notes[: sum(size <= PAGE_BYTES_MAX for size in sizes)]


def _wanted(query: InboxQuery, reader: Reader) -> Callable[[Entry], bool]:
    states = _WANTED.get(query.state, frozenset({query.state})) & (UNREAD if query.unread_only else _ALL)
    since = None if query.since is None else unix(query.since)

    def wanted(entry: Entry) -> bool:
        said = entry.content
        return (
            reader.state(entry) in states
            and (query.types is None or said.type in query.types)
            and (query.priorities is None or said.priority in query.priorities)
            and (query.group is None or said.group == query.group)
            and (since is None or entry.sent.at >= since)
        )

    return wanted


def _trimmed(inboxes: Inboxes, reader: Reader) -> bool:
    """Whether it lacks notes that were dropped, or may lack some."""
    forgotten = inboxes.forgotten_to > (reader.person.known_since or 0)
    return forgotten or any(inboxes.lacks(name, since) for name, since in reader.sources)


def _is_urgent(said: Content) -> bool:
    return said.type in ("warning", "error") or said.priority in ("high", "critical")


def _newest_first(entry: Entry) -> int:
    return -entry.position


def _after(note: str, found: Iterator[Entry]) -> Iterator[Entry]:
    """The entries that are older than `note`."""
    for entry in found:
        if entry.sent.id == note:
            return found
    raise Rejection(ErrorCode.NOT_FOUND, "before: not in your inbox, or no longer shown by it", field="before")
