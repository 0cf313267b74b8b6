"""What every decision needs: the event it makes, and whether a ticket's state allows it."""

from confer_contracts.errors import ErrorCode, Rejection
from queue_svc.domain.commands import By
from queue_svc.domain.queue import Queue
from queue_svc.domain.ticket import ALLOWED, Change, Ticket, TicketChanged


def changed(change: Change, ticket: Ticket, by: By, reason: str | None = None) -> TicketChanged:
    return TicketChanged(change=change, ticket=ticket, user=by.user, op=by.op, at=by.now, reason=reason)


def allowed(action: str, ticket_id: str, queue: Queue, field: str = "ticket") -> Ticket:
    """The ticket, when its state allows the action; `field`: of the request, that named it."""
    ticket = queue.tickets.get(ticket_id)
    if ticket is None:
        raise Rejection(ErrorCode.NOT_FOUND, f"{field}: not in this queue, or already over", field=field)
    possible = ALLOWED[ticket.status]
    if action not in possible:
        message = f"{field}: is {ticket.status}, which allows {', '.join(possible)} and not {action}"
        details = {"ticket_status": ticket.status, "allowed": list(possible)}
        raise Rejection(ErrorCode.CONFLICT, message, field=field, details=details)
    return ticket


def refuse_other_holders(ticket: Ticket, token: str | None) -> None:
    """A ticket on which there is a claim takes orders from its holder alone."""
    if ticket.claim is not None and ticket.claim.token != token:
        said = "another claim holds" if token is not None else "somebody holds"
        raise Rejection(ErrorCode.CONFLICT, f"token: {said} this ticket now", field="token")
