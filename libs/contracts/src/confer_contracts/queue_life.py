"""What happens to a ticket beside its straight way: holds, recalls, moves, transfers, people, notes. Of `queue`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from confer_contracts import subjects
from confer_contracts.message import Body, Id, Ok, ShortText
from confer_contracts.queue import (
    SERVICE,
    ClaimAndReason,
    ClaimedTicket,
    InQueue,
    OfQueue,
    OnTicket,
    Priority,
    QueuePlace,
    Ticket,
    TicketReply,
    audience_of,
    ticket_fact,
)
from confer_contracts.queue_reading import EstimatedWait
from confer_contracts.route import Call
from confer_contracts.subjects import Kind

NOTE_CHARS_MAX = 1000
POSITION_MAX = 10_000
Reason = Annotated[str, Field(strict=True, min_length=1, max_length=200)]


class Hold(OnTicket):
    """`token`: of the claim, where somebody holds the ticket."""

    token: Id | None = None


class SetPriority(OnTicket):
    priority: Priority


class Move(InQueue):
    """To a position among those who wait (1: next; beyond the last: the last), or before another ticket."""

    ticket: Id
    position: Annotated[int, Field(strict=True, ge=1, le=POSITION_MAX)] | None = None
    before: Id | None = None
    reason: Reason

    @model_validator(mode="after")
    def _one_place(self) -> "Move":
        if (self.position is None) == (self.before is None):
            raise ValueError("give either position or before")
        return self


class Transfer(OnTicket):
    """`to`: the other queue; `token` as for a hold. Priority and kind stay as they are unless given."""

    to: Id
    token: Id | None = None
    priority: Priority | None = None
    kind: Id | None = None

    @model_validator(mode="after")
    def _another_queue(self) -> "Transfer":
        if self.to == self.queue:
            raise ValueError("to must be another queue")
        return self


class Assign(InQueue):
    """`role`: what the person is to do for the patient."""

    ticket: Id
    user_id: Id
    role: ShortText | None = None


class Unassign(InQueue):
    ticket: Id
    user_id: Id


class AddNote(InQueue):
    ticket: Id
    text: Annotated[str, Field(strict=True, min_length=1, max_length=NOTE_CHARS_MAX)]


class PositionQuery(OfQueue):
    """Of one ticket, or of the patient's first one."""

    ticket: Id | None = None
    patient_id: Id | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "PositionQuery":
        if (self.ticket is None) == (self.patient_id is None):
            raise ValueError("give either ticket or patient_id")
        return self


class PositionReply(Ok):
    """`place` is null where the ticket does not wait, `estimated_wait` also where too little is known."""

    ticket: Ticket
    queue_position: int
    place: QueuePlace | None = None
    estimated_wait: EstimatedWait | None = None


class PolicyQuery(OfQueue):
    """Which rules hold for a queue?"""


class StationPolicy(Body):
    name: str
    kinds: list[str] | None = None
    skills: list[str] = []


class PolicyReply(Ok):
    """What a queue's policy says; `version` 0: none was declared, and these are the defaults."""

    queue: str
    version: int
    claim_s: float
    recalls_max: int | None = None
    requeue: Literal["old", "end"] = "old"
    requeue_choice: bool = False
    rule: Literal["priority", "ageing", "shares"] = "priority"
    kinds: list[str] = []
    stations: list[StationPolicy] = []
    next_queue: str | None = None
    tickets_per_patient: int = 1
    tickets_max: int


HOLD = Call(service=SERVICE, event="queue_hold", request=Hold, reply=TicketReply, audience=audience_of,
            doc="A ticket is not called until it is resumed.")  # fmt: skip
RESUME = Call(service=SERVICE, event="queue_resume", request=OnTicket, reply=TicketReply, audience=audience_of,
              doc="A ticket on hold waits again, at its old place.")  # fmt: skip
RECALL = Call(service=SERVICE, event="queue_recall", request=ClaimAndReason, reply=TicketReply, audience=audience_of,
              doc="Calls the patient once more; beyond what the policy allows, the ticket is a no-show.")  # fmt: skip
RENEW = Call(service=SERVICE, event="queue_renew", request=ClaimedTicket, reply=TicketReply, audience=audience_of,
             doc="Prolongs the claim.")  # fmt: skip
PRIORITY = Call(service=SERVICE, event="queue_priority", request=SetPriority, reply=TicketReply, audience=audience_of,
                doc="Changes a ticket's priority; it stands where it would have stood with it.")  # fmt: skip
MOVE = Call(service=SERVICE, event="queue_move", request=Move, reply=TicketReply, audience=audience_of,
            doc="Moves a waiting ticket, with a reason that is kept.")  # fmt: skip
TRANSFER = Call(service=SERVICE, event="queue_transfer", request=Transfer, reply=TicketReply, audience=audience_of,
                further=lambda q: [subjects.audience(Kind.QUEUE, q.to)],
                doc="Moves a ticket to another queue, with its history: never in none, never in both.")  # fmt: skip
ASSIGN = Call(service=SERVICE, event="queue_assign", request=Assign, reply=TicketReply, audience=audience_of,
              doc="Somebody is to care for the patient, in a role.")  # fmt: skip
UNASSIGN = Call(service=SERVICE, event="queue_unassign", request=Unassign, reply=TicketReply, audience=audience_of,
                doc="Ends that.")  # fmt: skip
NOTE = Call(service=SERVICE, event="queue_note", request=AddNote, reply=TicketReply, audience=audience_of,
            doc="Adds a note to a ticket.")  # fmt: skip
POSITION = Call(service=SERVICE, event="queue_position", request=PositionQuery, reply=PositionReply, ordered=False,
                audience=audience_of, doc="Where a ticket stands, and why.")  # fmt: skip
POLICY = Call(service=SERVICE, event="queue_policy", request=PolicyQuery, reply=PolicyReply, ordered=False,
              audience=audience_of, doc="Which rules hold for a queue.")  # fmt: skip

CALLS = (HOLD, RESUME, RECALL, RENEW, PRIORITY, MOVE, TRANSFER, ASSIGN, UNASSIGN, NOTE, POSITION, POLICY)
FACTS = (
    ticket_fact("held", "A ticket is not to be called for now."),
    ticket_fact("resumed", "A ticket on hold waits again."),
    ticket_fact("recalled", "A patient was called once more."),
    ticket_fact("moved", "A ticket was moved within the queue; `reason` says why."),
    ticket_fact("priority_changed", "A ticket has another priority."),
    ticket_fact("transferred", "A ticket went to `to_queue`, where it is already."),
    ticket_fact("assigned", "Somebody is to care for the patient."),
    ticket_fact("unassigned", "Somebody no longer is."),
    ticket_fact("noted", "A note was added: `note`."),
)
