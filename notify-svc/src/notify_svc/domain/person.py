"""A person: since when they are known, in which role, and what they have read.

Notes are named here by their position, which is the sequence of their fact in the service's log: it orders the
notes of all audiences alike. Read is what stands at or below `mark`, and the positions in `read` above it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.operations import OperationLog

READ_MAX = 2000  # notes read one by one that are remembered above the mark
NAMED_MAX = 10  # unknown ids that a refusal names


@dataclass(frozen=True, slots=True, kw_only=True)
class See:
    """The person is here, in this role (None: the caller cannot tell). `withheld`: the shared audiences whose notes are
    not theirs."""

    role: str | None
    now: float
    withheld: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkRead:
    """Mark `ids` as read, or with `up_to` that note and all older ones. `inbox` is id -> position of all of theirs."""

    user: str
    op: str
    now: float
    inbox: Mapping[str, int]
    ids: tuple[str, ...] = ()
    up_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """`position` is known once the fact is in the log: what was said to all before it is none of theirs."""

    role: str | None
    at: float
    position: int = 0
    withheld: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedRead:
    """Either `positions` of `ids`, or `mark` of `up_to`. `unread` is what is left of the inbox."""

    user: str
    op: str
    at: float
    unread: int
    ids: tuple[str, ...] = ()
    positions: tuple[int, ...] = ()
    up_to: str | None = None
    mark: int = 0


@dataclass(slots=True)
class Person:
    known_since: int | None = None  # a position; None: never seen
    role: str | None = None
    withheld: tuple[str, ...] = ()
    mark: int = 0
    read: set[int] = field(default_factory=set)
    operations: OperationLog[bool] = field(default_factory=OperationLog)

    def has_read(self, position: int) -> bool:
        return position <= self.mark or position in self.read


def decide(command: See | MarkRead, state: Person) -> Seen | MarkedRead | None:
    """What changes, or None when nothing does; Rejection(not_found) for notes that are not in the inbox."""
    match command:
        case See():
            same = command.role in (None, state.role) and command.withheld == state.withheld
            known = state.known_since is not None and same
            return None if known else Seen(role=command.role, at=command.now, withheld=command.withheld)
        case MarkRead():
            if state.operations.find(command.user, command.op):
                return None
            state.operations.refuse_if_stale(command.user, command.op)
            return _read_up_to(command, state) if command.up_to else _read_some(command, state)


def evolve(state: Person, event: Seen | MarkedRead) -> Person:
    match event:
        case Seen():
            state.known_since = event.position if state.known_since is None else state.known_since
            state.role, state.withheld = event.role or state.role, event.withheld
        case MarkedRead():
            state.mark = max(state.mark, event.mark)
            state.read.update(event.positions)
            _forget(state)
            state.operations.remember(event.user, event.op, event.at, True)
    return state


def _read_up_to(command: MarkRead, state: Person) -> MarkedRead | None:
    assert command.up_to is not None
    _refuse_unknown([command.up_to], command.inbox, "up_to")
    mark = command.inbox[command.up_to]
    unread = [position for position in command.inbox.values() if not state.has_read(position)]
    left = sum(position > mark for position in unread)
    if left == len(unread):
        return None
    return MarkedRead(
        user=command.user, op=command.op, at=command.now, unread=left, up_to=command.up_to, mark=mark
    )  # fmt: skip


def _read_some(command: MarkRead, state: Person) -> MarkedRead | None:
    _refuse_unknown(command.ids, command.inbox, "ids")
    fresh = {note: command.inbox[note] for note in command.ids if not state.has_read(command.inbox[note])}
    if not fresh:
        return None
    unread = sum(not state.has_read(position) for position in command.inbox.values())
    return MarkedRead(
        user=command.user, op=command.op, at=command.now, unread=unread - len(fresh),
        ids=tuple(fresh), positions=tuple(fresh.values()),
    )  # fmt: skip


def _refuse_unknown(ids: Iterable[str], inbox: Mapping[str, int], member: str) -> None:
    unknown = [note for note in ids if note not in inbox]
    if not unknown:
        return
    names = ", ".join(unknown[:NAMED_MAX]) + (" ..." if len(unknown) > NAMED_MAX else "")
    raise Rejection(ErrorCode.NOT_FOUND, f"{member}: not in your inbox: {names}", field=member)


def _forget(state: Person) -> None:
    """Drop what the mark covers. Past the bound the mark moves up: far older than 2000 read notes counts as read."""
    excess = len(state.read) - READ_MAX
    if excess > 0:
        state.mark = max(state.mark, sorted(state.read)[excess - 1])
    state.read = {position for position in state.read if position > state.mark}
