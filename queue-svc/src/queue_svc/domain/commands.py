"""What can be asked of a queue. Times, ids and secrets come in with the command."""

from dataclasses import dataclass

from queue_svc.domain.number import UNNAMED, Series
from queue_svc.domain.ticket import Action, Priority


@dataclass(frozen=True, slots=True)
class By:
    """Who asks, from which session, under which operation id, and when (Unix seconds)."""

    user: str
    session: str
    op: str
    now: float


@dataclass(frozen=True, slots=True)
class Enqueue:
    """`ticket`: a new id, used when the patient has no active ticket yet, with the next number of `series`."""

    by: By
    ticket: str
    patient_id: str
    priority: Priority = "normal"
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
    """`token`: a new secret; `until`: when the claim ends (Unix seconds)."""

    by: By
    token: str
    until: float
    station: str | None = None


@dataclass(frozen=True, slots=True)
class UseClaim:
    """What the holder does with a ticket. `until`: when the claim ends, if this prolongs it (`serve`)."""

    by: By
    action: Action
    ticket: str
    token: str
    until: float


@dataclass(frozen=True, slots=True)
class Cancel:
    by: By
    ticket: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ExpireClaim:
    """The timer of the claim `token` with this deadline is due; every replica says so, the first one is heard."""

    by: By
    ticket: str
    token: str
    until: float


Command = Enqueue | Attend | StaffLeft | ReachStep | CallNext | UseClaim | Cancel | ExpireClaim
