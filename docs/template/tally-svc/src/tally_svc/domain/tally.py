"""A tally: what may be added, and what it comes to. Pure."""

from dataclasses import dataclass, field, replace

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.operations import OperationLog


@dataclass(frozen=True, slots=True)
class Add:
    """`now` in Unix seconds."""

    user: str
    op: str
    now: float
    amount: int


@dataclass(frozen=True, slots=True)
class Added:
    user: str
    op: str
    at: float
    amount: int
    total: int


@dataclass(frozen=True, slots=True)
class Tally:
    """`operations`: what each operation that is remembered brought the total to."""

    total: int = 0
    operations: OperationLog[int] = field(default_factory=OperationLog)


def decide(command: Add, tally: Tally) -> Added | None:
    """None: it has been done already. Rejection when the total would be below zero."""
    if tally.operations.find(command.user, command.op) is not None:
        return None
    tally.operations.refuse_if_stale(command.user, command.op)
    total = tally.total + command.amount
    if total < 0:
        message = f"amount: is {command.amount}, but the total is {tally.total}"
        raise Rejection(ErrorCode.CONFLICT, message, field="amount", details={"total": tally.total})
    return Added(command.user, command.op, command.now, command.amount, total)


def evolve(tally: Tally, event: Added) -> Tally:
    tally.operations.remember(event.user, event.op, event.at, event.total)
    return replace(tally, total=event.total)
