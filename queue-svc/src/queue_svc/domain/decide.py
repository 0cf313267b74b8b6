"""What a command makes of a queue: at most one event, and nothing is changed."""

from dataclasses import replace
from typing import assert_never

from confer_contracts.errors import ErrorCode, Rejection
from queue_svc.domain import changes, claims
from queue_svc.domain.commands import (
    Assign,
    Attend,
    By,
    CallNext,
    Command,
    Declare,
    Enqueue,
    ExpireClaim,
    HolderLeft,
    ReachStep,
    SetPriority,
    StaffLeft,
    Unassign,
    UseClaim,
)
from queue_svc.domain.events import changed
from queue_svc.domain.policy import PolicyDeclared
from queue_svc.domain.queue import Decided, Queue
from queue_svc.domain.ticket import (
    Attendance,
    Change,
    Ticket,
    TicketChanged,
)

_News = Attend | StaffLeft | ReachStep
_Claiming = CallNext | UseClaim | ExpireClaim | HolderLeft


def answer(command: Command, queue: Queue) -> Ticket | None:
    """The ticket that answers a command which changed nothing: it ran before, or the patient already waits."""
    known = queue.operations.find(command.by.user, command.by.op)
    if known is None and isinstance(command, Enqueue):
        return next(iter(queue.tickets_of(command.patient_id)), None)
    if known is None and isinstance(command, SetPriority | Assign | Unassign):
        return queue.tickets.get(command.ticket)
    return known


def decide(command: Command, queue: Queue) -> Decided | None:
    """What a command makes of a queue; None: nothing. Raises Rejection."""
    by = command.by
    if queue.operations.find(by.user, by.op) is not None:
        return None
    queue.operations.refuse_if_stale(by.user, by.op)
    event: Decided | None
    match command:
        case Declare():
            event = _declare(command, queue)
        case Enqueue():
            event = _enqueue(command, queue)
        case Attend() | StaffLeft() | ReachStep():
            event = _heard(command, queue)
        case CallNext() | UseClaim() | ExpireClaim() | HolderLeft():
            event = _claim(command, queue)
        case _:
            event = changes.decide(command, queue)
    return event


def _declare(command: Declare, queue: Queue) -> PolicyDeclared | None:
    by, policy = command.by, command.policy
    if policy.version <= queue.policy.version:
        return None
    return PolicyDeclared(policy=policy, user=by.user, op=by.op, at=by.now)


def new_ticket(command: Enqueue | Attend, queue: Queue) -> Ticket:
    """At the end of its priority. Rejection when the queue is full."""
    most = queue.policy.tickets_max
    if len(queue.tickets) >= most:
        raise Rejection(ErrorCode.LIMIT_EXCEEDED, f"queue: at most {most} tickets at a time", field="queue")
    now = command.by.now
    made = Ticket(
        id=command.ticket, patient_id=command.patient_id, priority="normal", arrival=queue.next_arrival(now),
        created_at=now, number=queue.numbers.next(command.series),
    )  # fmt: skip
    return replace(made, priority=command.priority, kind=command.kind) if isinstance(command, Enqueue) else made


def _enqueue(command: Enqueue, queue: Queue) -> TicketChanged | None:
    queue.policy.check_kind(command.kind)
    most, there = queue.policy.tickets_per_patient, queue.of_patient.get(command.patient_id, ())
    if len(there) >= most:
        if most == 1:
            return None
        rule = f"patient_id: at most {most} tickets at a time in this queue"
        raise Rejection(ErrorCode.LIMIT_EXCEEDED, rule, field="patient_id", retry=False)
    return changed(Change.QUEUED, new_ticket(command, queue), command.by)


# --- news of other services -------------------------------------------------------------------------------


def _heard(command: _News, queue: Queue) -> TicketChanged | None:
    """Of several tickets of a patient, the one that came first is told."""
    ticket = next(iter(queue.tickets_of(command.patient_id)), None)
    match command:
        case Attend():
            return _attend(command, ticket, queue)
        case StaffLeft():
            if ticket is None or ticket.heard(command.by.user) >= command.sequence:
                return None
            gone = Attendance(command.by.user, command.sequence, present=False, role=_role(command.by, ticket))
            return changed(Change.STAFF_LEFT, ticket.attended(gone), command.by)
        case ReachStep():
            if ticket is None or ticket.step_sequence >= command.sequence:
                return None
            reached = replace(ticket, step=command.step, step_sequence=command.sequence)
            return changed(Change.STEP_REACHED, reached, command.by)
        case _:
            assert_never(command)


def _role(by: By, ticket: Ticket) -> str:
    return next((one.role for one in ticket.staff if one.user == by.user), "")


def _attend(command: Attend, ticket: Ticket | None, queue: Queue) -> TicketChanged | None:
    news = Attendance(command.by.user, command.sequence, present=True, role=command.role)
    if ticket is None and not command.enqueue:
        return None
    if ticket is None:
        fresh = replace(new_ticket(command, queue).attended(news), step=command.step)
        return changed(Change.QUEUED, fresh, command.by)
    if ticket.heard(news.user) >= news.sequence:
        return None
    return changed(Change.STAFF_JOINED, ticket.attended(news), command.by)


# --- claims -----------------------------------------------------------------------------------------------


def _claim(command: _Claiming, queue: Queue) -> TicketChanged | None:
    match command:
        case CallNext():
            return claims.call_next(command, queue)
        case UseClaim():
            return claims.use(command, queue)
        case ExpireClaim():
            return claims.expire(command, queue)
        case HolderLeft():
            return claims.holder_left(command, queue)
        case _:
            assert_never(command)
