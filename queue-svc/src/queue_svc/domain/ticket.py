"""A ticket: a patient's place in a queue, who holds it, and what can happen to it.

    waiting --call--> called --serve--> serving --done--> done
       |  ^              |  |              |
       |  +--- requeue, claim expired -----+
       |                 +--no show--> no_show
       +--cancel--> cancelled

A ticket that is done, no_show or cancelled is over and leaves the queue.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Literal

from queue_svc.domain.number import Number

Priority = Literal["high", "normal", "low"]
Status = Literal["waiting", "called", "serving", "done", "no_show", "cancelled"]
Action = Literal["serve", "done", "requeue", "no_show"]  # what only the holder of the claim may do
Place = tuple[int, int, str]

STAFF_MAX: Final = 50  # people remembered at one ticket
CLAIMED: Final = frozenset[Status]({"called", "serving"})
ACTIVE: Final = CLAIMED | {"waiting"}
ALLOWED: Final[dict[Status, tuple[str, ...]]] = {
    "waiting": ("call_next", "cancel"),
    "called": ("serve", "done", "requeue", "no_show"),
    "serving": ("done", "requeue"),
}
_RANK: Final[dict[Priority, int]] = {"high": 0, "normal": 1, "low": 2}


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease: until `until` (Unix seconds) only `token` moves the ticket on. The token is a secret of the holder."""

    user: str
    session: str
    token: str
    until: float
    station: str | None = None


@dataclass(frozen=True, slots=True)
class Attendance:
    """Whether a person is with the patient, and the presence fact that said so: an older one changes nothing."""

    user: str
    sequence: int
    present: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """`arrival` counts the queue's tickets; `step_sequence` is the sync fact that told the step. `number`: None where
    the ticket is from before there were numbers."""

    id: str
    patient_id: str
    priority: Priority
    arrival: int
    created_at: float
    status: Status = "waiting"
    claim: Claim | None = None
    staff: tuple[Attendance, ...] = ()
    step: int | None = None
    step_sequence: int = 0
    number: Number | None = None

    @property
    def place(self) -> Place:
        """Sorts as tickets are called. The id only makes it a key."""
        return _RANK[self.priority], self.arrival, self.id

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


class Change(StrEnum):
    """What happened to a ticket. The last three concern the queue's table only; nobody is told of them."""

    QUEUED = "queued"
    CALLED = "called"
    SERVING = "serving"
    DONE = "done"
    RETURNED = "returned"
    NO_SHOW = "no_show"
    CANCELLED = "cancelled"
    STAFF_JOINED = "staff_joined"
    STAFF_LEFT = "staff_left"
    STEP_REACHED = "step_reached"


INTERNAL: Final = frozenset({Change.STAFF_JOINED, Change.STAFF_LEFT, Change.STEP_REACHED})


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketChanged:
    """The one kind of event: what happened, and the ticket as it is afterwards. `at` is in Unix seconds."""

    change: Change
    ticket: Ticket
    user: str
    op: str
    at: float
    reason: str | None = None
