"""The counts: who is told theirs when something changed, and when."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from confer_contracts.errors import Rejection
from confer_contracts.ids import token
from confer_contracts.notify import COUNTS
from confer_contracts.subjects import EVERYBODY, Kind
from confer_kit import clock, telemetry
from confer_kit.ledger import Ledger
from confer_kit.service import Service
from notify_svc.domain.person import Event, Person
from notify_svc.inboxes import Inboxes
from notify_svc.pages import Reader, counts

FLUSH_S = 0.1
FLUSHED_MAX = 100  # people per flush: a note to everybody is spread over some seconds


@dataclass(slots=True)
class _Someone:
    role: str | None = None
    follows: set[str] = field(default_factory=set)
    unread: int = 0


class SeenLately:
    """The people seen last: whom a note to a role, a topic, or everybody, gives a new count. Bounded."""

    def __init__(self, people_max: int) -> None:
        self._people_max = people_max
        self._people: OrderedDict[str, _Someone] = OrderedDict()

    def saw(self, user: str, role: str | None, follows: Iterable[str] | None = None) -> None:
        """`follows`: the audiences, where the caller knows them."""
        someone = self._people.setdefault(user, _Someone())
        someone.role = role or someone.role
        if follows is not None:
            someone.follows = set(follows)
        self._people.move_to_end(user)
        while len(self._people) > self._people_max:
            self._people.popitem(last=False)

    def follows(self, user: str, audience: str, *, on: bool) -> None:
        if (someone := self._people.get(user)) is not None:
            (someone.follows.add if on else someone.follows.discard)(audience)

    @property
    def people(self) -> int:
        return len(self._people)

    def told(self, user: str, unread: int) -> None:
        """The person was told that so many notes are."""
        if (someone := self._people.get(user)) is not None:
            someone.unread = unread

    def unread(self) -> int:
        """Of all of them."""
        return sum(someone.unread for someone in self._people.values())

    def clear(self) -> None:
        """The log was made anew."""
        self._people.clear()

    def told_by(self, audience: str) -> list[str]:
        """The tokens of those whose inbox a note to this audience reaches."""
        kind, _, ident = audience.partition(".")
        if kind == Kind.USER:
            return [ident]
        if audience == EVERYBODY:
            return list(self._people)
        if kind == Kind.ROLE:
            return [user for user, who in self._people.items() if who.role and token(who.role) == ident]
        return [user for user, who in self._people.items() if audience in who.follows]


class Counts:
    """Publishes how many notes are unread and unseen to those for whom that changed."""

    def __init__(self, service: Service, persons: Ledger[Person, Event], inboxes: Inboxes, lately: SeenLately) -> None:
        self._service = service
        self._lately = lately
        self._persons = persons
        self._inboxes = inboxes
        self._changed: dict[str, str] = {}  # and by what: a traceparent

    def changed(self, users: Iterable[str]) -> None:
        self._changed.update(dict.fromkeys(users, telemetry.cause()))

    async def flush(self) -> None:
        """Hand the next ones to the views; people whose state cannot be read now stay for the next time."""
        for user in tuple(islice(self._changed, FLUSHED_MAX)):
            try:
                person = (await self._persons.load(user)).state
            except Rejection:
                return
            cause = self._changed.pop(user, "")
            if person.known_since is not None:
                with telemetry.following(cause):
                    self._publish(user, person)
            await asyncio.sleep(0)  # somebody may be waiting for an answer

    def _publish(self, user: str, person: Person) -> None:
        counted = counts(self._inboxes, Reader(user, person.role, person, person.withheld), clock.now())
        self._lately.told(user, counted.unread)
        drawn = counted.model_dump_json().encode(), self._service.position
        self._service.views.coalesce(COUNTS, user, lambda: drawn)
