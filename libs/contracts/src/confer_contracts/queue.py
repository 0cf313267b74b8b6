"""Queues of tickets: first in, first out within a priority. Owner: queue-svc.

The aggregate is the queue: `log.queue.queue.<queue token>.<room of the patient>`, guarded over its wildcard. The
key names the second audience: the patient's room gets a copy of each ticket fact as `patient_ticket_*`. The queue's
policy has a key of its own, `POLICY`, and is told to nobody. A long log goes on in `log.queue.queue-<segment>...`, so
that the wildcard never covers many subjects; the last fact of a segment has the key `SEALED` (docs/adr/0043).
"""

from typing import Annotated, Literal

from pydantic import Field

from confer_contracts import subjects
from confer_contracts.message import Body, Id, Ok, Payload, ShortText
from confer_contracts.route import Call, Fact, Snapshot, View
from confer_contracts.subjects import Kind

SERVICE = "queue"
DEFAULT_QUEUE = "screening"
POLICY = "=70olicy"  # the key of a queue's policy: no room's token begins so (`ids.token` never escapes a letter)
SEALED = "=73ealed"  # likewise, the key of the fact that ends a segment of a queue's log
Priority = Literal["high", "normal", "low"]
TicketStatus = Literal["waiting", "called", "serving", "held", "done", "no_show", "cancelled", "transferred"]


def _says_nothing(value: object) -> bool:
    """The default of a member that came later: older readers and tests see bodies as they were."""
    return not value


class QueueRow(Body):
    """A row of the portal's queue table. `staff_working` holds user ids; `number` is what displays show."""

    patient_id: str
    queue_position: int
    current_step: int | None = None
    priority: Priority
    staff_working: list[str] = []
    status: TicketStatus
    ticket: str
    number: str | None = None
    estimated_completion: str | None = None
    created_at: str


class AssignedPerson(Body):
    """Somebody who is to care for the patient; `role` is what they are to the ticket, not their role in the portal."""

    user_id: str
    role: str | None = None


class Ticket(Body):
    """A ticket as every ticket fact and reply shows it. What follows `created_at` is absent where it says nothing.

    number         what displays show for it, such as `S-017`; facts of older versions do not tell it
    station        where the patient was called to
    recalls        how often since the call
    hold_reason    why it is on hold
    moved          it stands where somebody moved it to
    assigned       people who are to care for the patient
    from_queue     the queue that it came from, by a transfer or a journey
    """

    queue: str
    ticket: str
    number: str | None = None
    patient_id: str
    priority: Priority
    status: TicketStatus
    called_by: str | None = None
    station: str | None = None
    created_at: str
    kind: str | None = Field(default=None, exclude_if=_says_nothing)
    recalls: int = Field(default=0, exclude_if=_says_nothing)
    hold_reason: str | None = Field(default=None, exclude_if=_says_nothing)
    moved: bool = Field(default=False, exclude_if=_says_nothing)
    assigned: list[AssignedPerson] = Field(default=[], exclude_if=_says_nothing)
    from_queue: str | None = Field(default=None, exclude_if=_says_nothing)


class TicketNote(Body):
    """A note on a ticket. Its text is in the fact `ticket_noted`, and in no other."""

    id: str
    text: str


class TicketFact(Ticket):
    """`previous_status`: absent for a ticket that is new. `to_queue`: where it went, of a transfer or a journey."""

    previous_status: TicketStatus | None = Field(default=None, exclude_if=_says_nothing)
    user_id: str
    op: str
    timestamp: str
    reason: str | None = None
    to_queue: str | None = Field(default=None, exclude_if=_says_nothing)
    note: TicketNote | None = Field(default=None, exclude_if=_says_nothing)


class OfQueue(Payload):
    queue: Id = DEFAULT_QUEUE


class InQueue(OfQueue):
    op: Id | None = None


class Enqueue(InQueue):
    """Puts a patient into a queue, once (or as often as its policy allows): a patient who already waits keeps the
    place. `kind`: one of the queue's, where its policy declares any."""

    patient_id: Id
    priority: Priority = "normal"
    kind: Id | None = None


class CallNext(InQueue):
    """Calls the first waiting ticket that may be called to this station, and is of one of these kinds, if any."""

    station: ShortText | None = None
    kinds: Annotated[list[Id], Field(max_length=50)] = []


class ClaimedTicket(InQueue):
    """An action of the holder: `token` is the fencing token of the call's acknowledgement."""

    ticket: Id
    token: Id


class OnTicket(InQueue):
    ticket: Id
    reason: ShortText | None = None


class Requeue(ClaimedTicket):
    """`place`: the old one, or the end; what the queue's policy says, if not given."""

    place: Literal["old", "end"] | None = None
    reason: ShortText | None = None


class ClaimAndReason(ClaimedTicket):
    reason: ShortText | None = None


class QueuePlace(Body):
    """A place among those who wait, and why it is that one.

    position, waiting   the place (1: next), and how many wait
    ahead               how many of each priority go before
    rule                how priorities are weighed: strictly, by ageing, or by shares
    reason              the same as a sentence, for people
    """

    position: int
    waiting: int
    ahead: dict[Priority, int]
    rule: Literal["priority", "ageing", "shares"]
    reason: str


class TicketReply(Ok):
    """`ticket` is null only when `queue_call_next` found nobody waiting. `token` goes to the caller alone.

    place   where a waiting ticket stands, and why; `queue_position` counts those in service before it as well
    next    the patient's ticket in the next queue of the journey
    """

    ticket: Ticket | None = None
    queue_position: int | None = None
    token: str | None = None
    claimed_until: str | None = None
    place: QueuePlace | None = Field(default=None, exclude_if=_says_nothing)
    next: Ticket | None = Field(default=None, exclude_if=_says_nothing)


class QueueTable(Ok):
    """The queue part of a snapshot: of a queue, as the portal shows it; for a room the first rows of the default queue,
    and those of the room's own patient. `total`: how many are in the queue."""

    as_of: dict[str, int] = {}
    queue: str = DEFAULT_QUEUE
    rows: list[QueueRow] = []
    total: int = 0


class DashboardQuery(Body):
    role: str
    user_id: str
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class QueueDashboard(Ok):
    """What the queue knows for a role's dashboard."""

    pending_screenings: list[QueueRow] = []
    total_patients: int = 0  # in any queue now
    total_screenings: int = 0  # done in the default queue, since its log began


def audience_of(q: OfQueue) -> str:
    return subjects.audience(Kind.QUEUE, q.queue)


ENQUEUE = Call(service=SERVICE, event="queue_enqueue", request=Enqueue, reply=TicketReply, audience=audience_of,
               doc="Puts a patient into a queue, once.")  # fmt: skip
CALL_NEXT = Call(service=SERVICE, event="queue_call_next", request=CallNext, reply=TicketReply, audience=audience_of,
                 doc="Calls the next patient: exactly one caller wins a ticket.")  # fmt: skip
SERVE = Call(service=SERVICE, event="queue_serve", request=ClaimedTicket, reply=TicketReply, audience=audience_of,
             doc="The called patient came: service begins.")  # fmt: skip
DONE = Call(service=SERVICE, event="queue_done", request=ClaimedTicket, reply=TicketReply, audience=audience_of,
            doc="Service is over; where the queue's policy names a next one, the patient is in it.")  # fmt: skip
REQUEUE = Call(service=SERVICE, event="queue_requeue", request=Requeue, reply=TicketReply, audience=audience_of,
               doc="Gives a claimed ticket back: to its old place, or to the end.")  # fmt: skip
NO_SHOW = Call(service=SERVICE, event="queue_no_show", request=ClaimAndReason, reply=TicketReply, audience=audience_of,
               doc="The called patient did not come.")  # fmt: skip
CANCEL = Call(service=SERVICE, event="queue_cancel", request=OnTicket, reply=TicketReply, audience=audience_of,
              doc="Takes a ticket that waits, or is on hold, out of the queue.")  # fmt: skip
DASHBOARD = Call(service=SERVICE, event="dashboard", request=DashboardQuery, reply=QueueDashboard, public=False,
                 ordered=False, doc="The queue's part of a role's dashboard.")  # fmt: skip

CALLS = (ENQUEUE, CALL_NEXT, SERVE, DONE, REQUEUE, NO_SHOW, CANCEL, DASHBOARD)
SNAPSHOTS = (
    Snapshot(service=SERVICE, kind=Kind.QUEUE, reply=QueueTable),
    Snapshot(service=SERVICE, kind=Kind.ROOM, reply=QueueTable),
)


def ticket_fact(name: str, doc: str) -> Fact:
    """Told to the queue, and under another name to the patient's room."""
    return Fact(service=SERVICE, event=f"ticket_{name}", kind=Kind.QUEUE, body=TicketFact, doc=doc,
                copies=((Kind.ROOM, f"patient_ticket_{name}"),))  # fmt: skip


FACTS = (
    ticket_fact("queued", "A patient was put into the queue."),
    ticket_fact("called", "A patient was called."),
    ticket_fact("serving", "Service began."),
    ticket_fact("done", "Service is over."),
    ticket_fact("returned", "A claim ended without service: the ticket waits again; `reason` says why."),
    ticket_fact("no_show", "A called patient did not come."),
    ticket_fact("cancelled", "A ticket was taken out."),
)
QUEUE_UPDATED = View(service=SERVICE, event="queue_updated", kind=Kind.QUEUE, name="table", body=list[QueueRow],
                     of_snapshot=lambda part: part["rows"],
                     doc="The whole queue, in order: claimed tickets first, then the waiting ones.")  # fmt: skip
VIEWS = (QUEUE_UPDATED,)
