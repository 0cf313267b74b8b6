"""What is known of a queue beside its table: a page of it, a ticket with its past, how it goes. Part of `queue`."""

from typing import Annotated

from pydantic import Field

from confer_contracts.message import Body, Id, Ok, ShortText
from confer_contracts.queue import (
    DEFAULT_QUEUE,
    SERVICE,
    AssignedPerson,
    OfQueue,
    Priority,
    Ticket,
    TicketStatus,
    audience_of,
)
from confer_contracts.route import Call

ROWS_MAX = 200  # of a page
EVENTS_MAX = 200  # of a ticket's past, on a page


class EstimatedWait(Body):
    """Until the call, in seconds from now, at least and at most, as far as the middle half of the last `services` at
    `stations` that are at work tells. Where too little is known there is none."""

    from_s: int
    to_s: int
    services: int
    stations: int


class QueueGet(OfQueue):
    """A page of a queue, in calling order. Each filter that is given must fit; `after`: the reply's `next`."""

    statuses: Annotated[list[TicketStatus], Field(min_length=1, max_length=20)] | None = None
    priorities: Annotated[list[Priority], Field(min_length=1, max_length=3)] | None = None
    kinds: Annotated[list[Id], Field(min_length=1, max_length=50)] | None = None
    station: ShortText | None = None
    patient_id: Id | None = None
    limit: Annotated[int, Field(strict=True, ge=1, le=ROWS_MAX)] = 50
    after: Annotated[int, Field(strict=True, ge=0, le=2**53)] = 0


class QueueEntry(Ticket):
    """A ticket in the queue. `queue_position`: its place among all of them. `estimated_wait`: of one that waits."""

    queue_position: int
    current_step: int | None = None
    staff_working: list[str] = []
    estimated_wait: EstimatedWait | None = None


class QueuePage(Ok):
    """`total`: how many fit. `next`: ask with it as `after` for those behind; places move while tickets come and go."""

    queue: str = DEFAULT_QUEUE
    rows: list[QueueEntry] = []
    total: int = 0
    next: int | None = None


class QueueTicket(OfQueue):
    """A ticket with what happened to it here, oldest first. Of one that is over its patient must be named as well, for
    only the log still knows it. `after`: the reply's `next`."""

    ticket: Id
    patient_id: Id | None = None
    limit: Annotated[int, Field(strict=True, ge=1, le=EVENTS_MAX)] = 50
    after: Annotated[int, Field(strict=True, ge=0, le=2**53)] = 0


class TicketEvent(Body):
    """What happened, and in which `status` the ticket was afterwards.

    sequence              of the fact in the queue's log
    change                `queued`, `called`, ..., also `renewed`, `staff_joined`, `staff_left`, `step_reached`
    from_queue, to_queue  of a transfer or a journey
    note                  the text of one that was `noted`
    assigned              who is to care for the patient, after somebody was `assigned` or `unassigned`
    """

    sequence: int
    change: str
    status: TicketStatus
    user_id: str
    op: str
    timestamp: str
    station: str | None = None
    reason: str | None = None
    from_queue: str | None = None
    to_queue: str | None = None
    note: str | None = Field(default=None, exclude_if=lambda note: note is None)
    assigned: list[AssignedPerson] | None = Field(default=None, exclude_if=lambda people: people is None)


class TicketVisit(Body):
    """Of a queue that the ticket was in before: from when until when, how it left, and by whom."""

    queue: str
    since: str
    until: str
    status: TicketStatus
    user_id: str


class TicketPast(Ok):
    """`ticket`: as it is now; null where it is over. `visits`: of other queues before, of one that is not over; what
    happened there, their own `queue_ticket` tells. `next`: there may be more after it."""

    ticket: QueueEntry | None = None
    visits: list[TicketVisit] = []
    history: list[TicketEvent] = []
    next: int | None = None


class Figures(Body):
    """What happened: first calls, services, and who did not come or was taken out. Averages are in seconds: from
    coming to the first call, and from the beginning of a service (without one: from the call) to its end."""

    called: int = 0
    served: int = 0
    no_shows: int = 0
    cancelled: int = 0
    average_wait_s: float | None = None
    average_service_s: float | None = None


class StationFigures(Figures):
    """`station`: null for what happened where none was named."""

    station: str | None = None


class Window(Figures):
    """From the minute of `since` (ISO 8601) on. `stations`: the busiest ones, at most 200."""

    since: str
    stations: list[StationFigures] = []


class QueueFigures(Ok):
    """How a queue goes now, today (where it is), and in the last hour.

    tickets          how many are in the queue, by status
    longest_wait_s   of those who wait
    estimated_wait   of somebody who came now
    """

    queue: str = DEFAULT_QUEUE
    waiting: int = 0
    tickets: dict[TicketStatus, int] = {}
    longest_wait_s: float | None = None
    estimated_wait: EstimatedWait | None = None
    today: Window
    hour: Window


class QueuesQuery(Body):
    """`after`: the reply's `next`."""

    limit: Annotated[int, Field(ge=1, le=ROWS_MAX)] = ROWS_MAX
    after: str = ""


class QueueSummary(Body):
    queue: str
    waiting: int
    tickets: int
    longest_wait_s: float | None = None


class QueuesReply(Ok):
    """Every queue in which somebody is, or that has a policy, by its id."""

    queues: list[QueueSummary] = []
    next: str | None = None


GET = Call(service=SERVICE, event="queue_get", request=QueueGet, reply=QueuePage, ordered=False, audience=audience_of,
           doc="A page of a queue, with filters and estimated waits.")  # fmt: skip
TICKET = Call(service=SERVICE, event="queue_ticket", request=QueueTicket, reply=TicketPast, ordered=False,
              audience=audience_of, doc="A ticket with its past: who did what, when and why.")  # fmt: skip
STATISTICS = Call(service=SERVICE, event="queue_statistics", request=OfQueue, reply=QueueFigures, ordered=False,
                  audience=audience_of, doc="How a queue goes: now, today, in the last hour, by station.")  # fmt: skip
LIST = Call(service=SERVICE, event="queues", request=QueuesQuery, reply=QueuesReply, public=False, ordered=False,
            doc="All queues in which somebody is, or that have a policy.")  # fmt: skip
CALLS = (GET, TICKET, STATISTICS, LIST)
