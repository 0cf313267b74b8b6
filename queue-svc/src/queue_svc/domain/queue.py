"""A queue: first in, first out within a priority; one winner per call; claims that end by themselves.

`decide` answers with at most one event and changes nothing; `evolve` applies an event to a state it may keep.
"""

from bisect import bisect_left, insort
from dataclasses import dataclass, field, replace
from typing import Final, assert_never

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.operations import OperationLog
from queue_svc.domain.commands import (
    Attend,
    By,
    CallNext,
    Cancel,
    Command,
    Enqueue,
    ExpireClaim,
    ReachStep,
    StaffLeft,
    UseClaim,
)
from queue_svc.domain.number import Numbers
from queue_svc.domain.ticket import (
    ACTIVE,
    ALLOWED,
    CLAIMED,
    Attendance,
    Change,
    Claim,
    Place,
    Priority,
    Status,
    Ticket,
    TicketChanged,
)

TICKETS_MAX: Final = 10_000  # active tickets of one queue
GIVEN_BACK: Final = "given back"
EXPIRED: Final = "claim expired"


@dataclass(slots=True)
class Queue:
    """The fold. `waiting` is sorted; `operations` remembers the ticket as each operation left it."""

    tickets: dict[str, Ticket] = field(default_factory=dict)
    waiting: list[Place] = field(default_factory=list)
    of_patient: dict[str, str] = field(default_factory=dict)
    arrivals: int = 0
    numbers: Numbers = field(default_factory=Numbers)
    operations: OperationLog[Ticket] = field(default_factory=OperationLog)

    def ticket_of(self, patient_id: str) -> Ticket | None:
        """The active ticket of a patient."""
        return self.tickets.get(self.of_patient.get(patient_id, ""))

    def in_order(self) -> list[Ticket]:
        """Every active ticket: those called or being served first, then the waiting ones, each in calling order."""
        claimed = sorted((t for t in self.tickets.values() if t.status in CLAIMED), key=lambda t: t.place)
        return claimed + [self.tickets[ticket] for _, _, ticket in self.waiting]

    def position(self, ticket: str) -> int | None:
        """The 1-based place in `in_order`; None when the ticket is not active."""
        found = self.tickets.get(ticket)
        if found is None:
            return None
        if found.status == "waiting":
            return len(self.tickets) - len(self.waiting) + bisect_left(self.waiting, found.place) + 1
        return sum(t.status in CLAIMED and t.place <= found.place for t in self.tickets.values())


def answer(command: Command, queue: Queue) -> Ticket | None:
    """The ticket that answers a command which changed nothing: it ran before, or the patient already waits."""
    known = queue.operations.find(command.by.user, command.by.op)
    if known is None and isinstance(command, Enqueue):
        return queue.ticket_of(command.patient_id)
    return known


def decide(command: Command, queue: Queue) -> TicketChanged | None:
    """What a command makes of a queue; None: nothing. Raises Rejection."""
    by = command.by
    if queue.operations.find(by.user, by.op) is not None:
        return None
    queue.operations.refuse_if_stale(by.user, by.op)
    match command:
        case Enqueue():
            event = _enqueue(command, queue)
        case Attend():
            event = _attend(command, queue)
        case StaffLeft():
            event = _staff_left(command, queue)
        case ReachStep():
            event = _reach_step(command, queue)
        case CallNext():
            event = _call_next(command, queue)
        case UseClaim():
            event = _use_claim(command, queue)
        case Cancel():
            ticket = _allowed("cancel", command.ticket, queue)
            event = _changed(Change.CANCELLED, replace(ticket, status="cancelled"), by, command.reason)
        case ExpireClaim():
            event = _expire(command, queue)
        case _:
            assert_never(command)
    return event


def _changed(change: Change, ticket: Ticket, by: By, reason: str | None = None) -> TicketChanged:
    return TicketChanged(change=change, ticket=ticket, user=by.user, op=by.op, at=by.now, reason=reason)


def _new_ticket(command: Enqueue | Attend, priority: Priority, queue: Queue) -> Ticket:
    if len(queue.tickets) >= TICKETS_MAX:
        raise Rejection(ErrorCode.LIMIT_EXCEEDED, f"queue: at most {TICKETS_MAX} tickets at a time", field="queue")
    return Ticket(
        id=command.ticket,
        patient_id=command.patient_id,
        priority=priority,
        arrival=queue.arrivals + 1,
        created_at=command.by.now,
        number=queue.numbers.next(command.series),
    )


def _enqueue(command: Enqueue, queue: Queue) -> TicketChanged | None:
    if queue.ticket_of(command.patient_id):
        return None
    ticket = _new_ticket(command, command.priority, queue)
    return _changed(Change.QUEUED, ticket, command.by)


def _attend(command: Attend, queue: Queue) -> TicketChanged | None:
    news = Attendance(command.by.user, command.sequence, present=True)
    ticket = queue.ticket_of(command.patient_id)
    if ticket is None and not command.enqueue:
        return None
    if ticket is None:
        fresh = _new_ticket(command, "normal", queue)
        return _changed(Change.QUEUED, replace(fresh.attended(news), step=command.step), command.by)
    if ticket.heard(news.user) >= news.sequence:
        return None
    return _changed(Change.STAFF_JOINED, ticket.attended(news), command.by)


def _staff_left(command: StaffLeft, queue: Queue) -> TicketChanged | None:
    news = Attendance(command.by.user, command.sequence, present=False)
    ticket = queue.ticket_of(command.patient_id)
    if ticket is None or ticket.heard(news.user) >= news.sequence:
        return None
    return _changed(Change.STAFF_LEFT, ticket.attended(news), command.by)


def _reach_step(command: ReachStep, queue: Queue) -> TicketChanged | None:
    ticket = queue.ticket_of(command.patient_id)
    if ticket is None or ticket.step_sequence >= command.sequence:
        return None
    moved = replace(ticket, step=command.step, step_sequence=command.sequence)
    return _changed(Change.STEP_REACHED, moved, command.by)


def _call_next(command: CallNext, queue: Queue) -> TicketChanged | None:
    if not queue.waiting:
        return None
    by = command.by
    claim = Claim(by.user, by.session, command.token, command.until, command.station)
    first = queue.tickets[queue.waiting[0][2]]
    return _changed(Change.CALLED, replace(first, status="called", claim=claim), by)


def _use_claim(command: UseClaim, queue: Queue) -> TicketChanged:
    ticket, by = _allowed(command.action, command.ticket, queue), command.by
    claim = ticket.claim
    if claim is None or claim.token != command.token:
        raise Rejection(ErrorCode.CONFLICT, "token: another claim holds this ticket now", field="token")
    match command.action:
        case "serve":
            longer = replace(claim, until=command.until)
            event = _changed(Change.SERVING, replace(ticket, status="serving", claim=longer), by)
        case "done":
            event = _changed(Change.DONE, replace(ticket, status="done"), by)
        case "no_show":
            event = _changed(Change.NO_SHOW, replace(ticket, status="no_show"), by)
        case "requeue":
            event = _changed(Change.RETURNED, _returned(ticket), by, GIVEN_BACK)
        case _:
            assert_never(command.action)
    return event


def _expire(command: ExpireClaim, queue: Queue) -> TicketChanged | None:
    ticket = queue.tickets.get(command.ticket)
    claim = ticket.claim if ticket else None
    if ticket is None or claim is None or (claim.token, claim.until) != (command.token, command.until):
        return None
    if command.by.now < claim.until:
        return None
    return _changed(Change.RETURNED, _returned(ticket), command.by, EXPIRED)


def _returned(ticket: Ticket) -> Ticket:
    return replace(ticket, status="waiting", claim=None)


def _allowed(action: str, ticket_id: str, queue: Queue) -> Ticket:
    """The ticket, when its state allows the action."""
    ticket = queue.tickets.get(ticket_id)
    if ticket is None:
        raise Rejection(ErrorCode.NOT_FOUND, "ticket: not in this queue, or already over", field="ticket")
    allowed = ALLOWED[ticket.status]
    if action not in allowed:
        message = f"ticket: is {ticket.status}, which allows {', '.join(allowed)} and not {action}"
        details = {"ticket_status": ticket.status, "allowed": list(allowed)}
        raise Rejection(ErrorCode.CONFLICT, message, field="ticket", details=details)
    return ticket


# News of another service's log is recognised by its sequence; an operation log entry would only crowd out others.
_BY_SEQUENCE: Final = frozenset({Change.STAFF_LEFT, Change.STEP_REACHED})
_WAITING: Final[Status] = "waiting"


def evolve(queue: Queue, event: TicketChanged) -> Queue:
    """The queue after an event; changes `queue` itself."""
    ticket = event.ticket
    before = queue.tickets.pop(ticket.id, None)
    if before is not None:
        queue.of_patient.pop(before.patient_id, None)
        queue.numbers.shown.discard(str(before.number))
        if before.status == _WAITING:
            del queue.waiting[bisect_left(queue.waiting, before.place)]
    if ticket.status in ACTIVE:
        queue.tickets[ticket.id] = ticket
        queue.of_patient[ticket.patient_id] = ticket.id
        if ticket.number:
            queue.numbers.shown.add(str(ticket.number))
        if ticket.status == _WAITING:
            insort(queue.waiting, ticket.place)
    queue.arrivals = max(queue.arrivals, ticket.arrival)
    if event.change is Change.QUEUED and ticket.number:
        queue.numbers.given(ticket.number)
    if event.change not in _BY_SEQUENCE:
        queue.operations.remember(event.user, event.op, event.at, ticket)
    return queue
