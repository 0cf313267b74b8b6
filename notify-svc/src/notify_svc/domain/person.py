"""A person: since when they are known, in which role, what they follow, what became of their notes, and what they want
to hear of.

Notes are named here by their position, which is the sequence of their fact in the service's log: it orders the
notes of all audiences alike.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Literal

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.operations import OperationLog
from notify_svc.domain.marks import UNMARKED, Marks
from notify_svc.domain.preferences import UNTOLD, Preferences

NAMED_MAX = 10  # unknown ids that a refusal names
State = Literal["seen", "read", "archived"]
STATES: tuple[State, ...] = ("seen", "read", "archived")
NOTHING: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class See:
    """The person is here, in this role (None: the caller cannot tell). `withheld`: the shared audiences whose notes are
    not theirs."""

    role: str | None
    now: float
    withheld: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """`ids` are now `state`, or with `up_to` that note and all older ones; with `undo`, they no longer are.

    `inbox` is id -> position of all of theirs; `silent`: positions of those that are not counted.
    """

    user: str
    op: str
    now: float
    state: State
    inbox: Mapping[str, int]
    silent: Set[int] = NOTHING
    ids: tuple[str, ...] = ()
    up_to: str | None = None
    undo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """From now on (or no longer) the person has what is said to this audience (a topic's, or a queue's staff). `most`:
    so many may be followed."""

    user: str
    op: str
    now: float
    audience: str
    on: bool = True
    most: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefer:
    user: str
    op: str
    now: float
    preferences: Preferences


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """`position` is known once the fact is in the log: what was said to all before it is none of theirs."""

    role: str | None
    at: float
    position: int = 0
    withheld: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """Either `positions` of `ids`, or `mark` of `up_to`. `unread` and `unseen` are what is left of the inbox."""

    user: str
    op: str
    at: float
    state: State
    unread: int
    unseen: int = 0
    ids: tuple[str, ...] = ()
    positions: tuple[int, ...] = ()
    up_to: str | None = None
    mark: int = 0
    undo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """`position` as of `Seen`."""

    user: str
    op: str
    at: float
    audience: str
    on: bool
    position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferred:
    user: str
    op: str
    at: float
    preferences: Preferences


Command = See | Mark | Follow | Prefer
Event = Seen | Marked | Followed | Preferred


@dataclass(slots=True)
class Person:
    known_since: int | None = None  # a position; None: never seen
    role: str | None = None
    withheld: tuple[str, ...] = ()
    seen: Marks = UNMARKED
    read: Marks = UNMARKED
    archived: Marks = UNMARKED
    follows: dict[str, int] = field(default_factory=dict)  # audience -> the position since when
    preferences: Preferences = UNTOLD
    operations: OperationLog[bool] = field(default_factory=OperationLog)

    def marks(self, state: State) -> Marks:
        marks: Marks = getattr(self, state)
        return marks


def decide(command: Command, state: Person) -> Event | None:
    """What changes, or None when nothing does; Rejection(not_found) for notes that are not in the inbox,
    Rejection(limit_exceeded) for too much to follow."""
    if isinstance(command, See):
        same = command.role in (None, state.role) and command.withheld == state.withheld
        known = state.known_since is not None and same
        return None if known else Seen(role=command.role, at=command.now, withheld=command.withheld)
    if state.operations.find(command.user, command.op):
        return None
    state.operations.refuse_if_stale(command.user, command.op)
    match command:
        case Mark():
            return _mark(command, state)
        case Follow():
            return _follow(command, state)
        case Prefer():
            if command.preferences == state.preferences:
                return None
            return Preferred(user=command.user, op=command.op, at=command.now, preferences=command.preferences)


def evolve(state: Person, event: Event) -> Person:
    match event:
        case Seen():
            state.known_since = event.position if state.known_since is None else state.known_since
            state.role, state.withheld = event.role or state.role, event.withheld
            return state
        case Marked():
            before = state.marks(event.state)
            setattr(state, event.state, _marked(before, event.positions, event.mark, undo=event.undo))
        case Followed(on=True):
            state.follows[event.audience] = event.position
        case Followed():
            state.follows.pop(event.audience, None)
        case Preferred():
            state.preferences = event.preferences
    state.operations.remember(event.user, event.op, event.at, True)
    return state


def _follow(command: Follow, state: Person) -> Followed | None:
    if command.on == (command.audience in state.follows):
        return None
    if command.on and len(state.follows) >= command.most:
        text = f"a person may follow {command.most} topics at most"
        raise Rejection(ErrorCode.LIMIT_EXCEEDED, text, retry=False)
    return Followed(
        user=command.user, op=command.op, at=command.now, audience=command.audience, on=command.on
    )  # fmt: skip


def _mark(command: Mark, state: Person) -> Marked | None:
    before = state.marks(command.state)
    ids: tuple[str, ...] = ()
    mark = 0
    if command.up_to:
        _refuse_unknown([command.up_to], command.inbox, "up_to")
        mark = command.inbox[command.up_to]
    else:
        _refuse_unknown(command.ids, command.inbox, "ids")
        ids = tuple(note for note in dict.fromkeys(command.ids) if before.has(command.inbox[note]) == command.undo)
    positions = tuple(command.inbox[note] for note in ids)
    after = _marked(before, positions, mark, undo=command.undo)
    changed = (p for p in command.inbox.values() if before.has(p) != after.has(p))
    if not any(not (command.state == "seen" and state.read.has(p)) for p in changed):
        return None
    unread, unseen = _left(command, state, after)
    return Marked(
        user=command.user, op=command.op, at=command.now, state=command.state, unread=unread, unseen=unseen,
        ids=ids, positions=positions, up_to=command.up_to, mark=mark, undo=command.undo,
    )  # fmt: skip


def _marked(marks: Marks, positions: Iterable[int], mark: int, *, undo: bool) -> Marks:
    if mark:
        return marks.up_to(mark)
    return marks.without(positions) if undo else marks.with_(positions)


def _left(command: Mark, state: Person, after: Marks) -> tuple[int, int]:
    """How many are unread, and unseen, once the command's marks are `after`."""
    marks = {state_: after if state_ == command.state else state.marks(state_) for state_ in STATES}
    counted = (p for p in command.inbox.values() if p not in command.silent and not marks["archived"].has(p))
    unread = [p for p in counted if not marks["read"].has(p)]
    return len(unread), sum(not marks["seen"].has(p) for p in unread)


def _refuse_unknown(ids: Iterable[str], inbox: Mapping[str, int], member: str) -> None:
    unknown = [note for note in ids if note not in inbox]
    if not unknown:
        return
    names = ", ".join(unknown[:NAMED_MAX]) + (" ..." if len(unknown) > NAMED_MAX else "")
    raise Rejection(ErrorCode.NOT_FOUND, f"{member}: not in your inbox: {names}", field=member)
