"""A queue: the tickets that are not over, who is next, and what was asked before. `evolve` applies an event."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from confer_contracts.operations import OperationLog
from queue_svc.domain.number import Numbers
from queue_svc.domain.order import Line
from queue_svc.domain.policy import Policy, PolicyDeclared
from queue_svc.domain.ticket import ACTIVE, CLAIMED, Change, Place, Ticket, TicketChanged


@dataclass(frozen=True, slots=True)
class SegmentSealed:
    """This was the last fact of the queue in the segment `segment` of its log; `at` is in Unix seconds."""

    segment: int
    at: float


Decided = TicketChanged | PolicyDeclared  # what comes of commands
Event = Decided | SegmentSealed


@dataclass(slots=True)
class Queue:
    """The fold. `arrivals`: the latest arrival; `operations` remembers the ticket as each operation left it; `segment`:
    of its log, where it goes on, and `facts`: how many are there."""

    policy: Policy = field(default_factory=Policy)
    tickets: dict[str, Ticket] = field(default_factory=dict)
    line: Line = field(default_factory=Line)
    claimed: list[Place] = field(default_factory=list)
    held: list[Place] = field(default_factory=list)
    of_patient: dict[str, tuple[str, ...]] = field(default_factory=dict)
    arrivals: int = 0
    numbers: Numbers = field(default_factory=Numbers)
    operations: OperationLog[Ticket] = field(default_factory=OperationLog)
    segment: int = 0
    facts: int = 0

    def tickets_of(self, patient_id: str) -> list[Ticket]:
        """A patient's active tickets, in the order in which they came."""
        return [self.tickets[ticket] for ticket in self.of_patient.get(patient_id, ())]

    def copy(self) -> "Queue":
        """As it is now, whatever happens to this one."""
        operations = replace(
            self.operations, results=dict(self.operations.results), forgotten=dict(self.operations.forgotten)
        )
        return replace(
            self, tickets=dict(self.tickets), line=self.line.copy(), claimed=list(self.claimed), held=list(self.held),
            of_patient=dict(self.of_patient), numbers=replace(self.numbers, shown=set(self.numbers.shown)),
            operations=operations,
        )  # fmt: skip

    def next_arrival(self, now: float) -> int:
        return max(int(now * 1000), self.arrivals + 1)

    def in_order(self) -> Iterator[Ticket]:
        """Every active ticket: those called or being served first, then the waiting ones as they would be called, then
        those on hold."""
        for places in (self.claimed, self.line, self.held):
            for place in places:
                yield self.tickets[place.ticket]

    def position(self, ticket: str) -> int | None:
        """The 1-based place in `in_order`; None when the ticket is not active."""
        found = self.tickets.get(ticket)
        if found is None:
            return None
        if found.status == "waiting":
            return len(self.claimed) + self.line.position(found.place)
        if found.status == "held":
            return len(self.claimed) + len(self.line) + bisect_left(self.held, found.place) + 1
        return bisect_left(self.claimed, found.place) + 1


# What can be heard again and again is recognised otherwise; an operation log entry would only crowd out others.
_NOT_REMEMBERED = frozenset({Change.STAFF_LEFT, Change.STEP_REACHED})


def evolve(queue: Queue, event: Event) -> Queue:
    """The queue after an event; changes `queue` itself."""
    if isinstance(event, SegmentSealed):
        queue.segment, queue.facts = event.segment + 1, 0
        return queue
    queue.facts += 1
    if isinstance(event, PolicyDeclared):
        _declare(queue, event.policy)
        return queue
    ticket = event.ticket
    before = queue.tickets.pop(ticket.id, None)
    if event.change is Change.CALLED and before is not None and before.status == "waiting":
        queue.line.called(before.place)
    _stand(queue, before, ticket)
    _number(queue, before, event)
    if ticket.status in ACTIVE:
        queue.tickets[ticket.id] = ticket
        if before is None:
            queue.of_patient[ticket.patient_id] = (*queue.of_patient.get(ticket.patient_id, ()), ticket.id)
    elif before is not None:
        _forget_patient(queue, before)
    queue.arrivals = max(queue.arrivals, ticket.arrival)
    if event.change not in _NOT_REMEMBERED:
        queue.operations.remember(event.user, event.op, event.at, ticket)
    return queue


def standing(policy: Policy, tickets: Iterable[Ticket]) -> Queue:
    """A queue with these active tickets; each patient's in the order in which they came."""
    queue = Queue(policy, line=Line(policy.ordering))
    for ticket in tickets:
        queue.tickets[ticket.id] = ticket
        queue.of_patient[ticket.patient_id] = (*queue.of_patient.get(ticket.patient_id, ()), ticket.id)
        if ticket.number is not None:
            queue.numbers.shown.add(str(ticket.number))
    for ticket in sorted(queue.tickets.values(), key=lambda ticket: ticket.place):
        _stand(queue, None, ticket)
    return queue


def _declare(queue: Queue, policy: Policy) -> None:
    waiting = [(place, queue.tickets[place.ticket].kind or "") for lane in queue.line.lanes for place in lane]
    queue.policy, queue.line = policy, Line(policy.ordering)
    for place, kind in waiting:
        queue.line.add(place, kind)


def _stand(queue: Queue, before: Ticket | None, after: Ticket) -> None:
    """Among those who wait, are attended to, or are on hold. Who stays where they are is not touched."""
    if before is not None and (_standing(before), before.place, before.kind) == (
        _standing(after), after.place, after.kind,
    ):  # fmt: skip
        return
    if before is not None and (stood := _places(queue, before)) is not None:
        del stood[bisect_left(stood, before.place)]
    elif before is not None:
        queue.line.remove(before.place, before.kind or "")
    if after.status not in ACTIVE:
        return
    if (stands := _places(queue, after)) is not None:
        insort(stands, after.place)
    else:
        queue.line.add(after.place, after.kind or "")


def _number(queue: Queue, before: Ticket | None, event: TicketChanged) -> None:
    """What was given out in another queue does not count here, but is shown."""
    ticket, numbers = event.ticket, queue.numbers
    if before is not None and ticket.status not in ACTIVE:
        numbers.shown.discard(str(before.number))
    elif before is None and ticket.number is not None and ticket.status in ACTIVE:
        numbers.shown.add(str(ticket.number))
        if event.came_from is None:
            numbers.given(ticket.number)


def _standing(ticket: Ticket) -> str:
    return "claimed" if ticket.status in CLAIMED else ticket.status


def _places(queue: Queue, ticket: Ticket) -> list[Place] | None:
    """Where an active ticket stands; None: in the line."""
    return {"claimed": queue.claimed, "held": queue.held}.get(_standing(ticket))


def _forget_patient(queue: Queue, ticket: Ticket) -> None:
    left = tuple(one for one in queue.of_patient[ticket.patient_id] if one != ticket.id)
    if left:
        queue.of_patient[ticket.patient_id] = left
    else:
        del queue.of_patient[ticket.patient_id]
