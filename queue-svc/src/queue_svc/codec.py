"""Queue facts as bytes: `log.queue.queue.<queue token>.<room of the patient>`.

The body is the public ticket; what only the fold needs (the claim with its secret token, staff, arrival, exact
times) is in the fold header, which no browser gets.
"""

from typing import Any

import orjson

from confer_contracts.ids import patient_room, untoken
from confer_contracts.queue import SERVICE, TicketFact
from confer_contracts.queue import Ticket as TicketBody
from confer_contracts.subjects import FactSubject, Kind, stream_of
from confer_kit.clock import iso
from confer_kit.facts import NewFact, StoredFact
from queue_svc.domain.number import Number
from queue_svc.domain.queue import Queue, evolve
from queue_svc.domain.ticket import INTERNAL, Attendance, Change, Claim, Ticket, TicketChanged


def encode(key: str, event: TicketChanged, origin: str | None = None, before: Ticket | None = None) -> NewFact:
    """The fact of an event in the queue with this token; `origin` is the session that caused it, `before` the ticket
    as it was."""
    ticket = event.ticket
    public = event.change not in INTERNAL
    return NewFact(
        subject=FactSubject(SERVICE, Kind.QUEUE, key, patient_room(ticket.patient_id)),
        body=_body(key, event, before).model_dump_json().encode(),
        event=f"ticket_{event.change}" if public else None,
        copies={Kind.ROOM: f"patient_ticket_{event.change}"} if public else {},
        fold=orjson.dumps(_fold(event)),
        op=event.op,
        actor=event.user,
        origin=origin,
    )


def public_ticket(key: str, ticket: Ticket) -> TicketBody:
    """The ticket as clients see it."""
    return TicketBody(
        queue=untoken(key),
        ticket=ticket.id,
        number=ticket.shown_number,
        patient_id=ticket.patient_id,
        priority=ticket.priority,
        status=ticket.status,
        called_by=ticket.claim.user if ticket.claim else None,
        station=ticket.claim.station if ticket.claim else None,
        created_at=iso(ticket.created_at),
    )


def _body(key: str, event: TicketChanged, before: Ticket | None) -> TicketFact:
    ticket = public_ticket(key, event.ticket).model_dump()
    return TicketFact(
        **ticket, previous_status=before.status if before else None, user_id=event.user, op=event.op,
        timestamp=iso(event.at), reason=event.reason,
    )  # fmt: skip


def _fold(event: TicketChanged) -> dict[str, Any]:
    ticket, claim = event.ticket, event.ticket.claim
    return {
        "change": event.change,
        "at": event.at,
        "arrival": ticket.arrival,
        "created_at": ticket.created_at,
        "claim": [claim.user, claim.session, claim.token, claim.until, claim.station] if claim else None,
        "staff": [[one.user, one.sequence, one.present] for one in ticket.staff],
        "step": ticket.step,
        "step_sequence": ticket.step_sequence,
        "number": [number.letter, number.day, number.count] if (number := ticket.number) else None,
    }


class QueueCodec:
    """How the queue meets the log."""

    stream = stream_of(SERVICE)
    last_only = False

    def aggregate(self, subject: FactSubject) -> str | None:
        return subject.ident if (subject.service, subject.kind) == (SERVICE, Kind.QUEUE) else None

    def guard(self, key: str) -> str:
        return f"log.{SERVICE}.{Kind.QUEUE}.{key}.*"

    def initial(self, key: str) -> Queue:
        return Queue()

    def evolve(self, state: Queue, event: TicketChanged) -> Queue:
        return evolve(state, event)

    def decode(self, fact: StoredFact) -> TicketChanged | None:
        """The event in a fact; None for a change that a newer version of this service wrote."""
        fold = fact.fold
        if fold["change"] not in set(Change):
            return None
        body = TicketFact.model_validate_json(fact.body)
        ticket = Ticket(
            id=body.ticket,
            patient_id=body.patient_id,
            priority=body.priority,
            arrival=fold["arrival"],
            created_at=fold["created_at"],
            status=body.status,
            claim=Claim(*fold["claim"]) if fold["claim"] else None,
            staff=tuple(Attendance(*one) for one in fold["staff"]),
            step=fold["step"],
            step_sequence=fold["step_sequence"],
            number=Number(*fold["number"]) if fold.get("number") else None,
        )
        return TicketChanged(
            change=Change(fold["change"]),
            ticket=ticket,
            user=body.user_id,
            op=body.op,
            at=fold["at"],
            reason=body.reason,
        )
