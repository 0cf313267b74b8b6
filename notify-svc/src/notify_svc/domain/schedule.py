"""The notes of one sender that wait for their time.

A note whose time has come is released here first: whether it is sent or cancelled is decided in one place. Sending it
is owed from then on, under an operation of its own, so that doing it twice has one effect.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.operations import OperationLog
from notify_svc.domain.audience import Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Send it `at` (Unix seconds) to an audience. At most `ahead_s` from now, and `waiting_max` at a time."""

    sender: str
    op: str
    now: float
    id: str
    at: float
    to: str
    content: Content
    ahead_s: float
    waiting_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    sender: str
    op: str
    now: float
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Its time has come."""

    id: str
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    sender: str
    op: str
    made_at: float
    id: str
    at: float
    to: str
    content: Content

    @property
    def sending(self) -> str:
        """The operation that sends it."""
        return f"scheduled-{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    sender: str
    op: str
    at: float
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    id: str
    at: float


ScheduleEvent = Scheduled | Cancelled | Released


@dataclass(frozen=True, slots=True)
class Promise:
    """What the sender is told, also when asking again."""

    id: str
    at: float


@dataclass(slots=True)
class Waiting:
    notes: dict[str, Scheduled] = field(default_factory=dict)
    operations: OperationLog[Promise] = field(default_factory=OperationLog)

    def in_order(self) -> Sequence[Scheduled]:
        """The next one first."""
        return sorted(self.notes.values(), key=lambda note: (note.at, note.id))


def decide(command: Schedule | Cancel | Release, state: Waiting) -> ScheduleEvent | None:
    """What changes, or None when nothing does. Rejection: a time that is past or too far ahead, too many that wait, or
    none of this id."""
    match command:
        case Release():
            return Released(id=command.id, at=command.now) if command.id in state.notes else None
        case Cancel():
            if state.operations.find(command.sender, command.op):
                return None
            if command.id not in state.notes:
                raise Rejection(ErrorCode.NOT_FOUND, "id: no such note of yours waits or is unacknowledged", field="id")
            return Cancelled(sender=command.sender, op=command.op, at=command.now, id=command.id)
        case Schedule():
            if state.operations.find(command.sender, command.op):
                return None
            state.operations.refuse_if_stale(command.sender, command.op)
            _refuse_impossible(command, state)
            return Scheduled(
                sender=command.sender, op=command.op, made_at=command.now, id=command.id, at=command.at,
                to=command.to, content=command.content,
            )  # fmt: skip


def evolve(state: Waiting, event: ScheduleEvent) -> Waiting:
    match event:
        case Scheduled():
            state.notes[event.id] = event
            state.operations.remember(event.sender, event.op, event.made_at, Promise(event.id, event.at))
        case Cancelled():
            state.notes.pop(event.id, None)
            state.operations.remember(event.sender, event.op, event.at, Promise(event.id, event.at))
        case Released():
            state.notes.pop(event.id, None)
    return state


def _refuse_impossible(command: Schedule, state: Waiting) -> None:
    if command.at <= command.now:
        raise Rejection(ErrorCode.INVALID, "at: must be in the future", field="at")
    if command.content.expires_at is not None and command.content.expires_at <= command.at:
        raise Rejection(ErrorCode.INVALID, "expires_at: must be after the time of sending", field="expires_at")
    if command.at > command.now + command.ahead_s:
        days = command.ahead_s / 86400
        raise Rejection(ErrorCode.INVALID, f"at: must not be more than {days:g} days ahead", field="at")
    if len(state.notes) >= command.waiting_max:
        text = f"{command.waiting_max} notes of yours wait already (CONFER_NOTIFY_SCHEDULED_MAX)"
        raise Rejection(ErrorCode.LIMIT_EXCEEDED, text, retry=False)
