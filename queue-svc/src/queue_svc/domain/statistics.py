"""How a queue has gone: who came when, what became of them, how long it took, and where. Folded from its facts.

Bounded: a course for each ticket in the queue, a tally for each station in each of the last minutes, and the last
services.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from queue_svc.domain.estimate import BASIS_MAX, Service
from queue_svc.domain.ticket import ACTIVE, Change, Ticket, TicketChanged

MINUTE_S: Final = 60.0
KEPT_S: Final = 26 * 3600.0  # longer than a day on which clocks are put back
STATIONS_MAX: Final = 100  # that are told apart in a minute; others count as no station
Station = str | None


@dataclass(slots=True)
class Tally:
    """What happened, and seconds in all: until the first call of `called` tickets, at the service of `served` ones."""

    called: int = 0
    served: int = 0
    no_shows: int = 0
    cancelled: int = 0
    waited_s: float = 0.0
    service_s: float = 0.0

    def add(self, other: "Tally") -> None:
        self.called += other.called
        self.served += other.served
        self.no_shows += other.no_shows
        self.cancelled += other.cancelled
        self.waited_s += other.waited_s
        self.service_s += other.service_s


@dataclass(slots=True)
class Course:
    """A ticket in this queue, in Unix seconds: since when, and when it was called last and service began, while a
    claim holds it. `first`: the sequence of its first fact here."""

    since: float
    first: int
    called: float | None = None
    began: float | None = None
    was_called: bool = False


@dataclass(slots=True)
class Statistics:
    """Of one queue. `at`: the time of the latest fact (Unix seconds)."""

    at: float = 0.0
    courses: dict[str, Course] = field(default_factory=dict)
    minutes: deque[tuple[int, dict[Station, Tally]]] = field(default_factory=deque)
    services: deque[Service] = field(default_factory=lambda: deque(maxlen=BASIS_MAX))

    def take(self, event: TicketChanged, sequence: int) -> None:
        """A fact of the queue, in its order."""
        ticket = event.ticket
        self.at = max(self.at, event.at)
        course = self.courses.pop(ticket.id, None)
        if course is None:
            course = Course(event.at, sequence)
        self._count(event, course)
        if ticket.status in ACTIVE:
            self.courses[ticket.id] = course

    def since(self, moment: float) -> dict[Station, Tally]:
        """What happened from the minute of this moment (Unix seconds) on, by station."""
        first, found = int(moment // MINUTE_S), dict[Station, Tally]()
        for minute, stations in self.minutes:
            if minute >= first:
                for station, tally in stations.items():
                    found.setdefault(station, Tally()).add(tally)
        return found

    def _count(self, event: TicketChanged, course: Course) -> None:
        ticket, at = event.ticket, event.at
        match ticket.status:
            case "called":
                if course.called is None or event.change in CALLS:
                    course.called = at
                if not course.was_called:
                    course.was_called = True
                    tally = self._tally(event)
                    tally.called += 1
                    tally.waited_s += max(0.0, at - course.since)
            case "serving":
                course.began = at if course.began is None else course.began
            case "done":
                took = max(0.0, at - (course.began or course.called or at))
                tally = self._tally(event)
                tally.served += 1
                tally.service_s += took
                if course.called is not None:
                    self.services.append(Service(at, took, place_of(ticket)))
            case "no_show":
                self._tally(event).no_shows += 1
            case "cancelled":
                self._tally(event).cancelled += 1
            case _:
                course.called = course.began = None

    def _tally(self, event: TicketChanged) -> Tally:
        """That of the fact's minute and station; of the latest minute where a clock is behind."""
        minute = int(self.at // MINUTE_S)
        if not self.minutes or self.minutes[-1][0] < minute:
            self.minutes.append((minute, {}))
        while self.minutes[0][0] < minute - KEPT_S / MINUTE_S:
            self.minutes.popleft()
        stations = self.minutes[-1][1]
        station = event.ticket.claim.station if event.ticket.claim else None
        return stations.setdefault(station if station in stations or len(stations) < STATIONS_MAX else None, Tally())


CALLS: Final = frozenset({Change.CALLED, Change.RECALLED})  # after these the patient is looked for anew


def place_of(ticket: Ticket) -> str:
    """Where a ticket is served: its station, or, where none is named, whoever holds it."""
    return (ticket.claim.station or ticket.claim.user) if ticket.claim else ""


def places(tickets: Iterator[Ticket]) -> set[str]:
    return {place_of(ticket) for ticket in tickets if ticket.claim}
