"""An audience and what it was told: a user, a role, a room, a queue, or everybody.

There is one fact per notification, however many people read it (fan-out on read). The fold knows only which
operations ran: what was said is read by the inboxes (views.py), from the same facts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from confer_contracts.operations import OperationLog

DIRECT_MESSAGE = "message"  # the type of a note that one person wrote to another


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is said. Plain text: whoever shows it escapes it. `from_role` is the sender's, of a direct message."""

    type: str
    title: str
    message: str
    priority: str = "normal"
    link: str | None = None
    data: Mapping[str, object] | None = None
    from_role: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Tell the audience. `id` is the new note's, if this is the first run of the operation."""

    sender: str
    op: str
    now: float
    id: str
    content: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    sender: str
    op: str
    at: float
    id: str
    content: Content


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the sender is told, in the first answer and in every repeated one. `at` in Unix seconds."""

    id: str
    at: float


@dataclass(slots=True)
class Audience:
    operations: OperationLog[Receipt] = field(default_factory=OperationLog)


def decide(command: Send, state: Audience) -> Sent | None:
    """The note, or None when this operation has already sent it."""
    if state.operations.find(command.sender, command.op):
        return None
    state.operations.refuse_if_stale(command.sender, command.op)
    return Sent(sender=command.sender, op=command.op, at=command.now, id=command.id, content=command.content)


def evolve(state: Audience, event: Sent) -> Audience:
    state.operations.remember(event.sender, event.op, event.at, Receipt(event.id, event.at))
    return state
