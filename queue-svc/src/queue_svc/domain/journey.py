"""From one queue into another: two events that are stored together or not at all."""

from dataclasses import replace

from confer_contracts.errors import ErrorCode, Rejection
from queue_svc.domain.commands import By, Transfer
from queue_svc.domain.events import allowed, changed, refuse_other_holders
from queue_svc.domain.number import Series
from queue_svc.domain.queue import Queue
from queue_svc.domain.ticket import VISITS_MAX, Change, Ticket, TicketChanged, Visit


def transfer(command: Transfer, source: Queue, target: Queue) -> tuple[TicketChanged, TicketChanged] | None:
    """None: it ran before. Raises Rejection."""
    by = command.by
    if source.operations.find(by.user, by.op) is not None:
        return None
    source.operations.refuse_if_stale(by.user, by.op)
    target.operations.refuse_if_stale(by.user, by.op)
    ticket = allowed("transfer", command.ticket, source)
    refuse_other_holders(ticket, command.token)
    target.policy.check_kind(command.kind)
    if not _admits(target, ticket):
        message = "to: the patient has as many tickets in that queue as it allows"
        raise Rejection(ErrorCode.CONFLICT, message, field="to")
    gone = replace(ticket, status="transferred", claim=None)
    left = replace(changed(Change.TRANSFERRED, gone, by, command.reason), went_to=command.target)
    asked = replace(ticket, priority=command.priority or ticket.priority, kind=command.kind or ticket.kind)
    came = _arrived(asked, "transferred", by, command.source, target)
    return left, replace(changed(Change.QUEUED, came, by, command.reason), came_from=command.source)


def joined(done: TicketChanged, by: By, source: str, target: Queue) -> TicketChanged | None:
    """What a ticket that is done makes of the next queue of its journey; None: the patient is there already."""
    if not _admits(target, done.ticket):
        return None
    came = _arrived(done.ticket, "done", by, source, target)
    return replace(changed(Change.QUEUED, came, by), came_from=source)


def onward(done: TicketChanged, target: str) -> TicketChanged:
    """The end of a ticket here, which tells where it went on to."""
    return replace(done, went_to=target)


def _admits(target: Queue, ticket: Ticket) -> bool:
    return ticket.id not in target.tickets and (
        len(target.of_patient.get(ticket.patient_id, ())) < target.policy.tickets_per_patient
    )


def _arrived(ticket: Ticket, left: str, by: By, source: str, target: Queue) -> Ticket:
    """The same ticket, at the end of its priority in the other queue, with where it came from; under another number
    where somebody has that one there."""
    most = target.policy.tickets_max
    if len(target.tickets) >= most:
        text = f"to: the other queue has at most {most} tickets at a time"
        raise Rejection(ErrorCode.LIMIT_EXCEEDED, text, field="to")
    if target.operations.find(by.user, by.op) is not None:
        raise Rejection(ErrorCode.INVALID, "op: was used in the other queue for something else", field="op")
    known = not target.policy.kinds or ticket.kind in target.policy.kinds
    since = ticket.visits[-1].until if ticket.visits else ticket.created_at
    number = ticket.number
    if number is not None and str(number) in target.numbers.shown:
        number = target.numbers.next(Series(number.letter, number.day))
    visit = Visit(source, since, by.now, "done" if left == "done" else "transferred", by.user)
    return replace(
        ticket.waiting(), arrival=target.next_arrival(by.now), moved=None, kind=ticket.kind if known else None,
        number=number,
        visits=(*ticket.visits, visit)[-VISITS_MAX:],
    )  # fmt: skip
