"""Queues of tickets: first in, first out within a priority. Owner: queue-svc.

The aggregate is the queue: `log.queue.queue.<queue token>.<room of the patient>`, guarded over its wildcard. The
key names the second audience: the patient's room gets a copy of each ticket fact as `patient_ticket_*`.
"""

from typing import Annotated, Literal

from pydantic import Field

from confer_contracts import subjects
from confer_contracts.message import Body, Id, Ok, Payload, ShortText
from confer_contracts.route import Call, Fact, Snapshot, View
from confer_contracts.subjects import Kind

SERVICE = "queue"
DEFAULT_QUEUE = "screening"
Priority = Literal["high", "normal", "low"]
TicketStatus = Literal["waiting", "called", "serving", "done", "no_show", "cancelled"]


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


class Ticket(Body):
    """A ticket as every ticket fact and reply shows it. `station`: where the patient was called to. `number`: what
    displays show for it, such as `S-017`; facts of older versions do not tell it."""

    queue: str
    ticket: str
    number: str | None = None
    patient_id: str
    priority: Priority
    status: TicketStatus
    called_by: str | None = None
    station: str | None = None
    created_at: str


class TicketFact(Ticket):
    """`previous_status`: absent for a ticket that is new."""

    previous_status: TicketStatus | None = Field(default=None, exclude_if=lambda status: status is None)
    user_id: str
    op: str
    timestamp: str
    reason: str | None = None


class InQueue(Payload):
    queue: Id = DEFAULT_QUEUE
    op: Id | None = None


class Enqueue(InQueue):
    """Puts a patient into a queue, once: a patient who already waits keeps the place."""

    patient_id: Id
    priority: Priority = "normal"


class CallNext(InQueue):
    """Calls the first waiting ticket."""

    station: ShortText | None = None


class ClaimedTicket(InQueue):
    """An action of the holder: `token` is the fencing token of the call's acknowledgement."""

    ticket: Id
    token: Id


class OnTicket(InQueue):
    ticket: Id
    reason: ShortText | None = None


class TicketReply(Ok):
    """`ticket` is null only when `queue_call_next` found nobody waiting. `token` goes to the caller alone."""

    ticket: Ticket | None = None
    queue_position: int | None = None
    token: str | None = None
    claimed_until: str | None = None


class QueueTable(Ok):
    """The queue part of a snapshot: of a queue, or, for a room, of the default queue, as the portal shows it."""

    as_of: dict[str, int] = {}
    queue: str = DEFAULT_QUEUE
    rows: list[QueueRow] = []


class DashboardQuery(Body):
    role: str
    user_id: str
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class QueueDashboard(Ok):
    """What the queue knows for a role's dashboard."""

    pending_screenings: list[QueueRow] = []
    total_patients: int = 0  # in any queue now
    total_screenings: int = 0  # done in the default queue, since its log began


def _audience(q: InQueue) -> str:
    return subjects.audience(Kind.QUEUE, q.queue)


ENQUEUE = Call(service=SERVICE, event="queue_enqueue", request=Enqueue, reply=TicketReply, audience=_audience,
               doc="Puts a patient into a queue, once.")  # fmt: skip
CALL_NEXT = Call(service=SERVICE, event="queue_call_next", request=CallNext, reply=TicketReply, audience=_audience,
                 doc="Calls the next patient: exactly one caller wins a ticket.")  # fmt: skip
SERVE = Call(service=SERVICE, event="queue_serve", request=ClaimedTicket, reply=TicketReply, audience=_audience,
             doc="The called patient came: service begins.")  # fmt: skip
DONE = Call(service=SERVICE, event="queue_done", request=ClaimedTicket, reply=TicketReply, audience=_audience,
            doc="Service is over.")  # fmt: skip
REQUEUE = Call(service=SERVICE, event="queue_requeue", request=ClaimedTicket, reply=TicketReply, audience=_audience,
               doc="Gives a claimed ticket back to its old place.")  # fmt: skip
NO_SHOW = Call(service=SERVICE, event="queue_no_show", request=ClaimedTicket, reply=TicketReply, audience=_audience,
               doc="The called patient did not come.")  # fmt: skip
CANCEL = Call(service=SERVICE, event="queue_cancel", request=OnTicket, reply=TicketReply, audience=_audience,
              doc="Takes a waiting ticket out of the queue.")  # fmt: skip
DASHBOARD = Call(service=SERVICE, event="dashboard", request=DashboardQuery, reply=QueueDashboard, public=False,
                 ordered=False, doc="The queue's part of a role's dashboard.")  # fmt: skip

CALLS = (ENQUEUE, CALL_NEXT, SERVE, DONE, REQUEUE, NO_SHOW, CANCEL, DASHBOARD)
SNAPSHOTS = (
    Snapshot(service=SERVICE, kind=Kind.QUEUE, reply=QueueTable),
    Snapshot(service=SERVICE, kind=Kind.ROOM, reply=QueueTable),
)


def _fact(name: str, doc: str) -> Fact:
    return Fact(service=SERVICE, event=f"ticket_{name}", kind=Kind.QUEUE, body=TicketFact, doc=doc,
                copies=((Kind.ROOM, f"patient_ticket_{name}"),))  # fmt: skip


FACTS = (
    _fact("queued", "A patient was put into the queue."),
    _fact("called", "A patient was called."),
    _fact("serving", "Service began."),
    _fact("done", "Service is over."),
    _fact("returned", "A claim ended without service: the ticket has its place again; `reason` says why."),
    _fact("no_show", "A called patient did not come."),
    _fact("cancelled", "A ticket was taken out."),
)
QUEUE_UPDATED = View(service=SERVICE, event="queue_updated", kind=Kind.QUEUE, name="table", body=list[QueueRow],
                     of_snapshot=lambda part: part["rows"],
                     doc="The whole queue, in order: claimed tickets first, then the waiting ones.")  # fmt: skip
VIEWS = (QUEUE_UPDATED,)
