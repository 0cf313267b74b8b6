"""What can be asked of a queue. Times, ids and secrets come in with the command."""

from dataclasses import dataclass

from queue_svc.domain.number import UNNAMED, Series
from queue_svc.domain.policy import Back, Policy
from queue_svc.domain.ticket import Action, Priority


@dataclass(frozen=True, slots=True)
class By:
    """Who asks, from which session, under which operation id, and when (Unix seconds)."""

    user: str
    session: str
    op: str
    now: float


@dataclass(frozen=True, slots=True)
class Declare:
    """An installation's policy for the queue: the newest version holds."""

    by: By
    policy: Policy


@dataclass(frozen=True, slots=True)
class Enqueue:
    """`ticket`: a new id, used when the patient may have another ticket here, with the next number of `series`."""

    by: By
    ticket: str
    patient_id: str
    priority: Priority = "normal"
    kind: str | None = None
    series: Series = UNNAMED


@dataclass(frozen=True, slots=True)
class Attend:
    """A person came to a patient, says the presence fact `sequence`: lists the person on the patient's ticket.

    `enqueue`: it is to screen the patient, who is queued if need be; otherwise a patient in no queue stays so.
    """

    by: By
    ticket: str
    patient_id: str
    sequence: int
    step: int | None = None
    enqueue: bool = True
    role: str = ""
    series: Series = UNNAMED


@dataclass(frozen=True, slots=True)
class StaffLeft:
    """A person left the patient's room, says the presence fact `sequence`."""

    by: By
    patient_id: str
    sequence: int


@dataclass(frozen=True, slots=True)
class ReachStep:
    """The patient's record is at another step, says the sync fact `sequence`."""

    by: By
    patient_id: str
    step: int
    sequence: int


@dataclass(frozen=True, slots=True)
class CallNext:
    """`token`: a new secret; `claim_s`: how long, where the policy does not say; `kinds`: of tickets, if not all."""

    by: By
    token: str
    claim_s: float
    station: str | None = None
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class UseClaim:
    """What the holder does with a ticket. `claim_s` as of CallNext, where this prolongs the claim. `place`: where it
    returns to, of `requeue`."""

    by: By
    action: Action
    ticket: str
    token: str
    claim_s: float
    reason: str | None = None
    place: Back | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Nobody is to call the ticket for now. `token`: of the claim on it, if there is one."""

    by: By
    ticket: str
    token: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Resume:
    """A held ticket waits again, at its old place."""

    by: By
    ticket: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    by: By
    ticket: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SetPriority:
    """Among those of the new priority the ticket stands as if it had always had it."""

    by: By
    ticket: str
    priority: Priority
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """To a position among those who wait (1: next), or before another ticket."""

    by: By
    ticket: str
    reason: str
    position: int | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Assign:
    """Somebody is to care for the patient; said again, the role is changed."""

    by: By
    ticket: str
    user: str
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Unassign:
    by: By
    ticket: str
    user: str


@dataclass(frozen=True, slots=True)
class AddNote:
    """`note`: a new id."""

    by: By
    ticket: str
    note: str
    text: str


@dataclass(frozen=True, slots=True)
class ExpireClaim:
    """The timer of the claim `token` with this deadline is due; every replica says so, the first one is heard.

    `prolong_s`: the holder is with the patient: where the policy allows, the claim goes on for so long.
    """

    by: By
    ticket: str
    token: str
    until: float
    prolong_s: float | None = None


@dataclass(frozen=True, slots=True)
class HolderLeft:
    """The holder left the patient's room at `left_at` (Unix seconds), and is not there now."""

    by: By
    patient_id: str
    left_at: float


@dataclass(frozen=True, slots=True)
class Transfer:
    """From the queue `source` to the queue `target`. `token` as of Hold; what is None stays as it is."""

    by: By
    source: str
    target: str
    ticket: str
    token: str | None = None
    reason: str | None = None
    priority: Priority | None = None
    kind: str | None = None


Command = (
    Declare | Enqueue | Attend | StaffLeft | ReachStep | CallNext | UseClaim | Hold | Resume | Cancel | SetPriority
    | Move | Assign | Unassign | AddNote | ExpireClaim | HolderLeft
)  # fmt: skip
