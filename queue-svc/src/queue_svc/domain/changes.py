"""What anybody of the staff may do with a ticket, as far as its state allows."""

from dataclasses import replace
from typing import Final, assert_never

from confer_contracts.errors import ErrorCode, Rejection
from queue_svc.domain.commands import AddNote, Assign, Cancel, Hold, Move, Resume, SetPriority, Unassign
from queue_svc.domain.events import allowed, changed, refuse_other_holders
from queue_svc.domain.queue import Queue
from queue_svc.domain.ticket import (
    ASSIGNED_MAX,
    NOTES_MAX,
    PRIORITIES,
    Assigned,
    Change,
    Note,
    Place,
    Spot,
    Ticket,
    TicketChanged,
    between,
    order_of,
)

ORDER_DIGITS_MAX: Final = 200
OnTicket = Hold | Resume | Cancel | SetPriority | Move | Assign | Unassign | AddNote


def decide(command: OnTicket, queue: Queue) -> TicketChanged | None:
    """None: it is so already. Raises Rejection."""
    by = command.by
    event: TicketChanged | None
    match command:
        case Hold():
            ticket = allowed("hold", command.ticket, queue)
            refuse_other_holders(ticket, command.token)
            held = replace(ticket, status="held", claim=None, recalls=0, hold_reason=command.reason)
            event = changed(Change.HELD, held, by, command.reason)
        case Resume():
            event = changed(Change.RESUMED, allowed("resume", command.ticket, queue).waiting(), by, command.reason)
        case Cancel():
            ticket = allowed("cancel", command.ticket, queue)
            event = changed(Change.CANCELLED, replace(ticket, status="cancelled"), by, command.reason)
        case Move():
            event = changed(Change.MOVED, _moved(command, queue), by, command.reason)
        case SetPriority():
            ticket = allowed("priority", command.ticket, queue)
            other = replace(ticket, priority=command.priority, moved=None)
            event = changed(Change.PRIORITY_CHANGED, other, by, command.reason) if other != ticket else None
        case Assign() | Unassign() | AddNote():
            event = _staffed(command, queue)
        case _:
            assert_never(command)
    return event


def _staffed(command: Assign | Unassign | AddNote, queue: Queue) -> TicketChanged | None:
    by = command.by
    match command:
        case Assign():
            ticket, now = allowed("assign", command.ticket, queue), Assigned(command.user, command.role)
            if now in ticket.assigned:
                return None
            others = tuple(one for one in ticket.assigned if one.user != command.user)
            _refuse_beyond(ASSIGNED_MAX, len(others), "people can be assigned to a ticket", "user_id")
            return changed(Change.ASSIGNED, replace(ticket, assigned=(*others, now)), by)
        case Unassign():
            ticket = allowed("unassign", command.ticket, queue)
            others = tuple(one for one in ticket.assigned if one.user != command.user)
            return (
                changed(Change.UNASSIGNED, replace(ticket, assigned=others), by) if others != ticket.assigned else None
            )
        case AddNote():
            ticket = allowed("note", command.ticket, queue)
            _refuse_beyond(NOTES_MAX, len(ticket.notes), "notes can be on a ticket", "ticket")
            noted = replace(ticket, notes=(*ticket.notes, Note(command.note, by.user, by.now)))
            return replace(changed(Change.NOTED, noted, by), text=command.text)
        case _:
            assert_never(command)


def _refuse_beyond(most: int, there: int, what: str, field: str) -> None:
    if there >= most:
        raise Rejection(ErrorCode.LIMIT_EXCEEDED, f"{field}: at most {most} {what}", field=field, retry=False)


def _moved(command: Move, queue: Queue) -> Ticket:
    ticket = allowed("move", command.ticket, queue)
    line = queue.line.without(ticket.place)
    follower: Place | None
    if command.before is not None:
        other = allowed("move", command.before, queue, field="before")
        if other.id == ticket.id:
            raise Rejection(ErrorCode.INVALID, "before: must be another ticket", field="before")
        follower = other.place
    else:
        follower = line.at(command.position or 1)
    if follower is not None:
        rank, order = follower.rank, line.before(follower)
    elif len(line):
        last = max(place for place in (lane[-1] for lane in line.lanes if lane) if line.position(place) == len(line))
        rank, latest = last.rank, queue.arrivals
        order = between(max(last.order, order_of(latest)), order_of(latest + 1))
    else:
        return ticket  # alone: wherever it goes, it is there
    if len(order) > ORDER_DIGITS_MAX:
        rule = f"{command.ticket}: more tickets were moved between the same two than places can be told apart"
        raise Rejection(ErrorCode.LIMIT_EXCEEDED, rule, field="position", retry=False)
    return replace(ticket, moved=Spot(PRIORITIES[rank], order))
