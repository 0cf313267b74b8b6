"""An audience and what it was told: a user, a role, a room, a queue, its staff, a topic, or everybody.

There is one fact per notification, however many people read it (fan-out on read). The fold knows only which
operations ran, and under which keys: what was said is read by the inboxes, from the same facts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.operations import OperationLog
from notify_svc.domain.escalation import Plan

DIRECT_MESSAGE = "message"  # the type of a note that one person wrote to another


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is said. Plain text: whoever shows it escapes it.

    from_role    the sender's, of a direct message
    actor        whose doing it tells of, where that is not the sender
    group        the newest note of a group and audience replaces those before it
    expires_at   Unix seconds
    covers       of a digest: it tells of notes after the one position, up to the other
    must         somebody must acknowledge it
    escalates    it is a copy, for those told later, of the note of this id
    """

    type: str
    title: str
    message: str
    priority: str = "normal"
    link: str | None = None
    data: Mapping[str, object] | None = None
    from_role: str | None = None
    actor: str | None = None
    group: str | None = None
    expires_at: float | None = None
    covers: tuple[int, int] | None = None
    must: Plan | None = None
    escalates: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Tell the audience. `id` is the new note's, if this is the first run of the operation.

    `dedupe`: a key of the sender's; within `dedupe_s` seconds the same one is the same note. `expiry_s`: how far ahead
    it may expire.
    """

    sender: str
    op: str
    now: float
    id: str
    content: Content
    dedupe: str | None = None
    dedupe_s: float = 3600.0
    expiry_s: float = 400 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    sender: str
    op: str
    at: float
    id: str
    content: Content
    dedupe: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the sender is told, in the first answer and in every repeated one. `at` in Unix seconds."""

    id: str
    at: float


@dataclass(slots=True)
class Audience:
    operations: OperationLog[Receipt] = field(default_factory=OperationLog)
    keys: OperationLog[Receipt] = field(default_factory=OperationLog)  # by (sender, dedupe key)
    covered: int = 0  # the position up to which digests told of notes


def decide(command: Send, state: Audience) -> Sent | None:
    """The note, or None when it was sent already, under this operation or this key, or as part of another digest.
    Rejection(invalid) for a time of expiry that no note can have."""
    covers = command.content.covers
    if receipt_of(command, state) or (covers is not None and covers[0] != state.covered):
        return None
    state.operations.refuse_if_stale(command.sender, command.op)
    _refuse_expiry(command)
    return Sent(
        sender=command.sender, op=command.op, at=command.now, id=command.id, content=command.content,
        dedupe=command.dedupe,
    )  # fmt: skip


def receipt_of(command: Send, state: Audience) -> Receipt | None:
    """What the command's sender is told, if its note was sent; None: it was not."""
    if (receipt := state.operations.find(command.sender, command.op)) is not None or command.dedupe is None:
        return receipt
    receipt = state.keys.find(command.sender, command.dedupe)
    return receipt if receipt is not None and command.now < receipt.at + command.dedupe_s else None


def evolve(state: Audience, event: Sent) -> Audience:
    receipt = Receipt(event.id, event.at)
    state.operations.remember(event.sender, event.op, event.at, receipt)
    if event.dedupe is not None:
        state.keys.remember(event.sender, event.dedupe, event.at, receipt)
    if event.content.covers is not None:
        state.covered = event.content.covers[1]
    return state


def _refuse_expiry(command: Send) -> None:
    expires_at = command.content.expires_at
    if expires_at is None:
        return
    if expires_at <= command.now:
        raise Rejection(ErrorCode.INVALID, "expires_at: must not be in the past", field="expires_at")
    if expires_at > command.now + command.expiry_s:
        days = f"{command.expiry_s / 86400:g}"
        raise Rejection(ErrorCode.INVALID, f"expires_at: must be within {days} days", field="expires_at")
