"""Calling, and what a claim allows, for as long as it lasts. A claim is a lease with a fencing token: the ticket goes
on with the newest one only."""

from dataclasses import replace
from typing import Final, assert_never

from confer_contracts.errors import ErrorCode, Rejection
from queue_svc.domain.commands import CallNext, ExpireClaim, HolderLeft, UseClaim
from queue_svc.domain.events import allowed, changed
from queue_svc.domain.queue import Queue
from queue_svc.domain.ticket import Change, Claim, Ticket, TicketChanged

GIVEN_BACK: Final = "given back"
EXPIRED: Final = "claim expired"
HOLDER_LEFT: Final = "holder left"


def call_next(command: CallNext, queue: Queue) -> TicketChanged | None:
    by, policy = command.by, queue.policy
    place = queue.line.first(policy.callable_at(command.station, command.kinds))
    if place is None:
        return None
    until = by.now + (policy.claim_s or command.claim_s)
    claim = Claim(by.user, by.session, command.token, until, command.station, since=by.now)
    called = replace(queue.tickets[place.ticket], status="called", claim=claim, recalls=0)
    return changed(Change.CALLED, called, by)


def use(command: UseClaim, queue: Queue) -> TicketChanged:
    ticket, by = allowed(command.action, command.ticket, queue), command.by
    claim = ticket.claim
    if claim is None or claim.token != command.token:
        raise Rejection(ErrorCode.CONFLICT, "token: another claim holds this ticket now", field="token")
    longer = replace(claim, until=by.now + (queue.policy.claim_s or command.claim_s))
    match command.action:
        case "serve":
            event = changed(Change.SERVING, replace(ticket, status="serving", claim=longer), by)
        case "renew":
            event = changed(Change.RENEWED, replace(ticket, claim=longer), by)
        case "recall":
            event = _recall(command, replace(ticket, claim=longer), queue)
        case "done":
            event = changed(Change.DONE, replace(ticket, status="done"), by)
        case "no_show":
            event = changed(Change.NO_SHOW, replace(ticket, status="no_show"), by, command.reason)
        case "requeue":
            back = ticket.waiting()
            if queue.policy.place_of_return(command.place) == "end":
                back = replace(back, arrival=queue.next_arrival(by.now), moved=None)
            event = changed(Change.RETURNED, back, by, command.reason or GIVEN_BACK)
        case _:
            assert_never(command.action)
    return event


def _recall(command: UseClaim, ticket: Ticket, queue: Queue) -> TicketChanged:
    most = queue.policy.recalls_max
    if most is not None and ticket.recalls >= most:
        return changed(Change.NO_SHOW, replace(ticket, status="no_show"), command.by, f"recalled {most} times")
    return changed(Change.RECALLED, replace(ticket, recalls=ticket.recalls + 1), command.by, command.reason)


def expire(command: ExpireClaim, queue: Queue) -> TicketChanged | None:
    ticket, by = queue.tickets.get(command.ticket), command.by
    claim = ticket.claim if ticket else None
    if ticket is None or claim is None or (claim.token, claim.until) != (command.token, command.until):
        return None
    if by.now < claim.until:
        return None
    if command.prolong_s is not None and queue.policy.renew_present:
        until = by.now + (queue.policy.claim_s or command.prolong_s)
        return changed(Change.RENEWED, replace(ticket, claim=replace(claim, until=until)), by)
    return changed(Change.RETURNED, ticket.waiting(), by, EXPIRED)


def holder_left(command: HolderLeft, queue: Queue) -> TicketChanged | None:
    """Only a claim that is older than the news ends. Of several tickets the first that the person holds; the others
    are found when it is said again."""
    if not queue.policy.return_when_left:
        return None
    for ticket in queue.tickets_of(command.patient_id):
        claim = ticket.claim
        if claim is not None and claim.user == command.by.user and claim.since <= command.left_at:
            return changed(Change.RETURNED, ticket.waiting(), command.by, HOLDER_LEFT)
    return None
