"""How fast a queue goes, as its own log tells it: what waits are estimated from."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from confer_contracts.queue_reading import EstimatedWait
from queue_svc.domain import estimate
from queue_svc.domain.estimate import Basis, basis_of
from queue_svc.domain.queue import Queue
from queue_svc.domain.statistics import Course, Statistics, places
from queue_svc.domain.ticket import Ticket


@dataclass(frozen=True, slots=True)
class Pace:
    """At a time (Unix seconds). `basis`: None while too little is known."""

    basis: Basis | None
    at: float

    def wait(self, ahead: int) -> EstimatedWait | None:
        """Of somebody who waits with so many before them."""
        if self.basis is None:
            return None
        found = estimate.wait(self.basis, ahead)
        return EstimatedWait(
            from_s=found.from_s, to_s=found.to_s, services=self.basis.services, stations=self.basis.stations
        )

    def completion(self, ahead: int | None, course: Course | None) -> float | None:
        """By when a ticket is likely to be done (Unix seconds), with so many before it; None: it has been called."""
        if self.basis is None:
            return None
        if ahead is None:
            begun = (course.began or course.called) if course else None
            return max(self.at, (begun or self.at) + self.basis.slow_s)
        return ceil(self.at + estimate.wait(self.basis, ahead).to_s + self.basis.slow_s)


def pace_of(queue: Queue, statistics: Statistics, at: float) -> Pace:
    busy = places(queue.tickets[place.ticket] for place in queue.claimed)
    return Pace(basis_of(statistics.services, busy, at), at)


class Placed(NamedTuple):
    """A ticket at its 1-based position in the table; `ahead`: how many wait before it, if it waits."""

    position: int
    ticket: Ticket
    ahead: int | None


def placed(queue: Queue) -> Iterator[Placed]:
    """Every ticket in the queue, in order."""
    waiting = 0
    for position, ticket in enumerate(queue.in_order(), start=1):
        waits = ticket.status == "waiting"
        yield Placed(position, ticket, waiting if waits else None)
        waiting += waits


def place_of(queue: Queue, ticket: Ticket) -> Placed:
    """Where a ticket of the queue is."""
    position = queue.position(ticket.id)
    assert position is not None
    return Placed(position, ticket, position - 1 - len(queue.claimed) if ticket.status == "waiting" else None)
