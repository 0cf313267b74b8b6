"""Queue facts as bytes: `log.queue.queue.<queue token>.<room of the patient>`, and `....<POLICY>` for its policy; in
later segments of its log `log.queue.queue-<segment>...` (docs/adr/0043).

The body is the public ticket; what only the fold needs (the claim with its secret token, staff, arrival, exact
times) is in the fold header, which no browser gets.
"""

from typing import Any, Final

import orjson

from confer_contracts.ids import patient_room, untoken
from confer_contracts.queue import POLICY, SEALED, SERVICE, AssignedPerson, TicketFact, TicketNote
from confer_contracts.queue import Ticket as TicketBody
from confer_contracts.subjects import FactSubject, Kind, in_segment, stream_of
from confer_kit.clock import iso
from confer_kit.facts import NewFact, StoredFact
from queue_svc.domain.policy import PolicyDeclared
from queue_svc.domain.queue import Event, Queue, SegmentSealed, evolve
from queue_svc.domain.ticket import INTERNAL, Change, Ticket, TicketChanged
from queue_svc.packing import packed, packed_policy, unpacked, unpacked_policy

_DECLARED: Final = "policy_declared"
_IN_BODY: Final = ("id", "patient_id", "priority", "status")
_CHANGES: Final = frozenset(Change)


def encode(
    key: str, event: TicketChanged, origin: str | None = None, before: Ticket | None = None, segment: int = 0
) -> NewFact:
    """The fact of an event in the queue with this token; `origin` is the session that caused it, `before` the ticket
    as it was, `segment` where the queue's log goes on."""
    ticket = event.ticket
    public = event.change not in INTERNAL
    return NewFact(
        subject=FactSubject(SERVICE, Kind.QUEUE, key, patient_room(ticket.patient_id), segment),
        body=_body(key, event, before).model_dump_json().encode(),
        event=f"ticket_{event.change}" if public else None,
        copies={Kind.ROOM: f"patient_ticket_{event.change}"} if public else {},
        fold=orjson.dumps(_fold(event)),
        op=event.op,
        actor=event.user,
        origin=origin,
    )


def encode_policy(key: str, event: PolicyDeclared, segment: int = 0) -> NewFact:
    """Stored, and told to nobody."""
    body = {"version": event.policy.version, "user_id": event.user, "timestamp": iso(event.at)}
    return NewFact(
        subject=FactSubject(SERVICE, Kind.QUEUE, key, POLICY, segment),
        body=orjson.dumps(body),
        fold=orjson.dumps({"change": _DECLARED, "at": event.at, "policy": packed_policy(event.policy)}),
        op=event.op,
        actor=event.user,
    )


def encode_seal(key: str, event: SegmentSealed) -> NewFact:
    """Stored, and told to nobody. Replicas from before there were segments cannot read it, and must not: they would
    append behind it."""
    return NewFact(
        subject=FactSubject(SERVICE, Kind.QUEUE, key, SEALED, event.segment),
        body=b"{}",
        fold=orjson.dumps({"sealed": event.segment, "at": event.at}),
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
        kind=ticket.kind,
        recalls=ticket.recalls,
        hold_reason=ticket.hold_reason,
        moved=ticket.moved is not None,
        assigned=[AssignedPerson(user_id=one.user, role=one.role) for one in ticket.assigned],
        from_queue=ticket.visits[-1].queue if ticket.visits else None,
    )


def _body(key: str, event: TicketChanged, before: Ticket | None) -> TicketFact:
    ticket = public_ticket(key, event.ticket).model_dump()
    note = TicketNote(id=event.ticket.notes[-1].id, text=event.text) if event.text is not None else None
    return TicketFact(
        **ticket, previous_status=before.status if before else None, user_id=event.user, op=event.op,
        timestamp=iso(event.at), reason=event.reason, to_queue=event.went_to, note=note,
    )  # fmt: skip


def _fold(event: TicketChanged) -> dict[str, Any]:
    """Replicas of the first version read this as well: they know shorter claims and staff, and need these members."""
    ticket = event.ticket
    told = {name: value for name, value in packed(ticket).items() if name not in _IN_BODY}
    fold = {"change": event.change, "at": event.at, "claim": None, "staff": [], "step": None, "step_sequence": 0} | told
    if ticket.claim:
        fold |= {"claim": told["claim"][:5], "claimed_at": ticket.claim.since}
    if ticket.staff:
        fold |= {"staff": [one[:3] for one in told["staff"]], "roles": [one.role for one in ticket.staff]}
    return fold


def _unfold(fold: dict[str, Any], body: TicketFact) -> Ticket:
    told = fold | {
        "id": body.ticket, "patient_id": body.patient_id, "priority": body.priority, "status": body.status,
    }  # fmt: skip
    if fold["claim"]:
        told["claim"] = [*fold["claim"], fold.get("claimed_at", 0.0)]
    if roles := fold.get("roles"):
        told["staff"] = [[*one, role] for one, role in zip(fold["staff"], roles, strict=True)]
    return unpacked(told)


class QueueCodec:
    """How the queue meets the log."""

    stream = stream_of(SERVICE)
    last_only = False

    def aggregate(self, subject: FactSubject) -> str | None:
        return subject.ident if (subject.service, subject.kind) == (SERVICE, Kind.QUEUE) else None

    def guard(self, key: str) -> str:
        return f"log.{SERVICE}.*.{key}.*"

    def segment(self, key: str, queue: Queue) -> str:
        """The guard of what comes next: of a bounded number of subjects, for the server looks at each of them."""
        return f"log.{SERVICE}.{in_segment(Kind.QUEUE, queue.segment)}.{key}.*"

    def past(self, key: str, patient: str) -> str:
        """All that the queue's log has of a patient."""
        return f"log.{SERVICE}.*.{key}.{patient_room(patient)}"

    def initial(self, key: str) -> Queue:
        return Queue()

    def evolve(self, state: Queue, event: Event) -> Queue:
        return evolve(state, event)

    def decode(self, fact: StoredFact) -> Event | None:
        """The event in a fact; None for a change that a newer version of this service wrote."""
        fold = fact.fold
        if "sealed" in fold:
            return SegmentSealed(fold["sealed"], fold["at"])
        if fold["change"] == _DECLARED:
            policy = unpacked_policy(fold["policy"])
            return PolicyDeclared(policy=policy, user=fact.actor or "", op=fact.op or "", at=fold["at"])
        if fold["change"] not in _CHANGES:
            return None
        body, change = TicketFact.model_validate_json(fact.body), Change(fold["change"])
        ticket = _unfold(fold, body)
        return TicketChanged(
            change=change,
            ticket=ticket,
            user=body.user_id,
            op=body.op,
            at=fold["at"],
            reason=body.reason,
            came_from=ticket.visits[-1].queue if change is Change.QUEUED and ticket.visits else None,
            went_to=body.to_queue,
            text=body.note.text if body.note else None,
        )
