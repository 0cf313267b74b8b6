"""A ticket: a patient's place in a queue, who holds it, and what can happen to it.

    waiting --call--> called --serve--> serving --done--> done
     |  ^ ^             | |               |
     |  | +-- requeue, claim over --------+      done also from called
     |  |               | +--no show, too many recalls--> no_show
     |  +--resume-- held <--hold-- waiting, called, serving
     +--cancel--> cancelled            any of the four --transfer--> transferred

A ticket that is done, no_show, cancelled or transferred is over here and leaves the queue.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from queue_svc.domain.number import Number

Priority = Literal["high", "normal", "low"]
Status = Literal["waiting", "called", "serving", "held", "done", "no_show", "cancelled", "transferred"]
Action = Literal["serve", "recall", "renew", "done", "requeue", "no_show"]  # what only the holder of the claim may do

STAFF_MAX: Final = 50  # people remembered at one ticket
ASSIGNED_MAX: Final = 20
NOTES_MAX: Final = 50
VISITS_MAX: Final = 10  # of its former queues; the oldest are forgotten first
ARRIVAL_DIGITS: Final = 15
PRIORITIES: Final[tuple[Priority, ...]] = ("high", "normal", "low")
CLAIMED: Final = frozenset[Status]({"called", "serving"})
ACTIVE: Final = CLAIMED | {"waiting", "held"}
_ALWAYS: Final = ("priority", "assign", "unassign", "note", "transfer")
ALLOWED: Final[dict[Status, tuple[str, ...]]] = {
    "waiting": ("call_next", "hold", "cancel", "move", *_ALWAYS),
    "called": ("serve", "recall", "renew", "done", "requeue", "no_show", "hold", *_ALWAYS),
    "serving": ("renew", "done", "requeue", "hold", *_ALWAYS),
    "held": ("resume", "cancel", *_ALWAYS),
}
_RANK: Final[dict[Priority, int]] = {priority: rank for rank, priority in enumerate(PRIORITIES)}


class Place(NamedTuple):
    """Sorts as tickets are called strictly by priority. `order`: Unix milliseconds as ARRIVAL_DIGITS digits, and
    decimals of one for what was moved between two. The id only makes it a key."""

    rank: int
    order: str
    ticket: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease: until `until` (Unix seconds) only `token` moves the ticket on. The token is a secret of the holder."""

    user: str
    session: str
    token: str
    until: float
    station: str | None = None
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Attendance:
    """Whether a person is with the patient, and the presence fact that said so: an older one changes nothing."""

    user: str
    sequence: int
    present: bool
    role: str = ""


@dataclass(frozen=True, slots=True)
class Assigned:
    """Somebody who is to care for the patient, whether they are there or not."""

    user: str
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Who wrote a note, and when (Unix seconds). Its text is in the fact that brought it, and nowhere else."""

    id: str
    user: str
    at: float


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a ticket was moved to: among those of `priority`, as if it had come then."""

    priority: Priority
    order: str


@dataclass(frozen=True, slots=True)
class Visit:
    """A queue that the ticket was in before: from when until when (Unix seconds), how it left, and by whom."""

    queue: str
    since: float
    until: float
    status: Status
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """`arrival`: when it came to the queue, in Unix milliseconds, made distinct (in older logs a count);
    `step_sequence` is the sync fact that told the step. `number`: None in logs from before there were any."""

    id: str
    patient_id: str
    priority: Priority
    arrival: int
    created_at: float
    status: Status = "waiting"
    kind: str | None = None
    claim: Claim | None = None
    recalls: int = 0
    hold_reason: str | None = None
    moved: Spot | None = None
    staff: tuple[Attendance, ...] = ()
    assigned: tuple[Assigned, ...] = ()
    notes: tuple[Note, ...] = ()
    visits: tuple[Visit, ...] = ()
    step: int | None = None
    step_sequence: int = 0
    number: Number | None = None

    @property
    def place(self) -> Place:
        spot = self.moved or Spot(self.priority, order_of(self.arrival))
        return Place(_RANK[spot.priority], spot.order, self.id)

    @property
    def shown_number(self) -> str:
        """What displays show for it."""
        return str(self.number) if self.number else f"#{self.arrival}"

    @property
    def working(self) -> list[str]:
        """Ids of the people who are with the patient, in the order in which they were heard of, and of the holder."""
        present = [one.user for one in self.staff if one.present]
        return present if self.claim is None or self.claim.user in present else [*present, self.claim.user]

    def heard(self, user: str) -> int:
        """Sequence of the newest presence fact that is known of a person."""
        return next((one.sequence for one in self.staff if one.user == user), 0)

    def attended(self, news: Attendance) -> "Ticket":
        """With the news of one person; who is away is forgotten first when there are too many."""
        others = [one for one in self.staff if one.user != news.user]
        if len(others) >= STAFF_MAX:
            others = sorted(others, key=lambda one: (one.present, one.sequence))[1:]
        return replace(self, staff=(*others, news))

    def waiting(self) -> "Ticket":
        """Back at its place, held by nobody."""
        return replace(self, status="waiting", claim=None, recalls=0, hold_reason=None)


def order_of(arrival: int) -> str:
    return f"{arrival:0{ARRIVAL_DIGITS}d}"


def between(low: str, high: str) -> str:
    """An order strictly between two others, the lower one first ("": before everybody)."""
    digits = max(len(low), len(high))
    halfway = (int(low.ljust(digits, "0")) + int(high.ljust(digits, "0"))) // 2
    return f"{halfway:0{digits}d}5"


class Change(StrEnum):
    """What happened to a ticket. Of those in INTERNAL nobody is told: they concern the queue's table only."""

    QUEUED = "queued"
    CALLED = "called"
    RECALLED = "recalled"
    SERVING = "serving"
    DONE = "done"
    RETURNED = "returned"
    NO_SHOW = "no_show"
    HELD = "held"
    RESUMED = "resumed"
    CANCELLED = "cancelled"
    MOVED = "moved"
    PRIORITY_CHANGED = "priority_changed"
    TRANSFERRED = "transferred"
    ASSIGNED = "assigned"
    UNASSIGNED = "unassigned"
    NOTED = "noted"
    RENEWED = "renewed"
    STAFF_JOINED = "staff_joined"
    STAFF_LEFT = "staff_left"
    STEP_REACHED = "step_reached"


INTERNAL: Final = frozenset({Change.RENEWED, Change.STAFF_JOINED, Change.STAFF_LEFT, Change.STEP_REACHED})


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketChanged:
    """What happened, and the ticket as it is afterwards. `at` is in Unix seconds.

    came_from, went_to   the other queue, of a ticket that came by a transfer or a journey, or went
    text                 of a note
    """

    change: Change
    ticket: Ticket
    user: str
    op: str
    at: float
    reason: str | None = None
    came_from: str | None = None
    went_to: str | None = None
    text: str | None = None
