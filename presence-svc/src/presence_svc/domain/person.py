"""A person in a room, over any number of tabs: when they came, are away, left (pure).

Times are Unix seconds. An event carries the whole person: `evolve` has nothing to compute.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal, assert_never

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.operations import made_at
from presence_svc.domain.commands import Attach, Command, Detach, Expire, Focus, GoAway, Heartbeat, LoseEdge, MoveStep

SESSIONS_MAX = 32  # tabs of one person in one room
OPERATIONS_MAX = 8  # remembered per person: they travel in each fact
ACTIVITY_EVERY_S = 10.0  # an unchanged heartbeat is stored at most this often


@dataclass(frozen=True, slots=True)
class Session:
    """A tab: which start of which edge serves it, and the number of its latest attach there."""

    incarnation: str
    attach: int
    screening: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody in a room; without sessions and grace they are not there. Never changed, only replaced.

    screening      they took part in the screening at some time since they came
    step_at        when the step was last told, so that a late word about an earlier step is recognised
    changed_at     when a session last came or went
    operations     the newest operation ids that had an effect, oldest first
    """

    user_id: str
    name: str = ""
    role: str = ""
    step: int | None = None
    status: Literal["active", "away"] = "active"
    focus: str | None = None
    focus_session: str | None = None
    sessions: Mapping[str, Session] = field(default_factory=dict)
    screening: bool = False
    joined_at: float = 0.0
    last_activity: float = 0.0
    step_at: float = 0.0
    changed_at: float = 0.0
    grace_until: float | None = None
    left_at: float | None = None
    operations: tuple[str, ...] = ()

    @property
    def present(self) -> bool:
        return bool(self.sessions) or self.grace_until is not None

    @property
    def shown(self) -> tuple[object, ...]:
        """What others are told of at once when it changes."""
        return self.name, self.role, self.step, self.status, self.focus


class Notice(StrEnum):
    """What the others in the room are told."""

    JOINED = "joined"
    UPDATED = "updated"
    LEFT = "left"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The person as they are now. `joined_screening`: with this they joined the screening."""

    person: Person
    notice: Notice
    joined_screening: bool = False


def evolve(person: Person, event: Changed) -> Person:
    return event.person


def decide(command: Command, person: Person) -> Changed | None:
    event: Changed | None
    match command:
        case Attach():
            event = _attach(command, person)
        case Detach():
            event = _detach(command, person)
        case LoseEdge():
            event = _lose_edge(command, person)
        case Heartbeat():
            event = _heartbeat(command, person)
        case Focus():
            event = _focus(command, person)
        case MoveStep():
            event = _move_step(command, person)
        case GoAway():
            event = _go_away(command, person)
        case Expire():
            event = _expire(command, person)
        case _:
            assert_never(command)
    return event


def _attach(c: Attach, person: Person) -> Changed | None:
    known = person.sessions.get(c.session)
    if known and known.incarnation == c.incarnation and known.attach >= c.attach:
        return None
    if _unsettled(person, c.now, c.settled_s):
        return None
    if known is None and len(person.sessions) >= SESSIONS_MAX:
        raise Rejection(ErrorCode.LIMIT_EXCEEDED, f"more than {SESSIONS_MAX} sessions of one person in this room")
    before = person if person.present else Person(user_id=person.user_id, joined_at=c.now)
    sessions = {**before.sessions, c.session: Session(c.incarnation, c.attach, c.screening)}
    after = replace(
        before, name=c.name, role=c.role, status="active", sessions=sessions, grace_until=None,
        screening=before.screening or c.screening, last_activity=max(c.now, before.last_activity),
        changed_at=max(c.now, before.changed_at),
    )  # fmt: skip
    after = _focus_kept(_at_step(after, c.step, c.now))
    joined_screening = c.screening and not before.screening
    if not person.present:
        return Changed(person=after, notice=Notice.JOINED, joined_screening=joined_screening)
    return replace(_told(after, person), joined_screening=joined_screening)


def _detach(c: Detach, person: Person) -> Changed | None:
    known = person.sessions.get(c.session)
    if known is None or known.incarnation != c.incarnation or known.attach > c.attach:
        return None
    if _unsettled(person, c.now, c.settled_s):
        return None
    return _without({c.session}, person, c.now, c.grace_s)


def _heartbeat(c: Heartbeat, person: Person) -> Changed | None:
    if not person.present:
        return None
    after = replace(_at_step(person, c.step, c.now), last_activity=max(c.now, person.last_activity), status="active")
    if after.shown == person.shown and c.now - person.last_activity < ACTIVITY_EVERY_S:
        return None
    return _told(after, person)


def _focus(c: Focus, person: Person) -> Changed | None:
    if c.session not in person.sessions:
        # the edge says that they are in the room: we have not heard of it yet, and will from its list
        raise Rejection(ErrorCode.UNAVAILABLE, "presence has not heard of this session yet")
    if c.op in person.operations:
        return None
    _refuse_if_stale(c.op, person)
    if c.name == person.focus or (c.name is None and c.session != person.focus_session):
        return None  # a tab that loses its focus does not end another tab's
    after = replace(
        person, focus=c.name, focus_session=c.session if c.name is not None else None, status="active",
        last_activity=max(c.now, person.last_activity), operations=(*person.operations, c.op)[-OPERATIONS_MAX:],
    )  # fmt: skip
    return _told(after, person)


def _move_step(c: MoveStep, person: Person) -> Changed | None:
    if not person.present or c.at <= person.step_at or c.step == person.step:
        return None
    after = replace(_at_step(person, c.step, c.at), status="active", last_activity=max(c.at, person.last_activity))
    return _told(after, person)


def _lose_edge(c: LoseEdge, person: Person) -> Changed | None:
    gone = {name for name, session in person.sessions.items() if session.incarnation == c.incarnation}
    return _without(gone, person, c.now, grace_s=0) if gone else None


def _go_away(c: GoAway, person: Person) -> Changed | None:
    if not person.sessions or person.status == "away" or person.last_activity != c.last_activity:
        return None
    return _told(replace(person, status="away"), person)


def _expire(c: Expire, person: Person) -> Changed | None:
    if person.sessions or person.grace_until != c.grace_until or c.now < c.grace_until:
        return None
    return _left(person, c.now)


def _without(sessions: set[str], person: Person, now: float, grace_s: float) -> Changed:
    rest = {name: session for name, session in person.sessions.items() if name not in sessions}
    if not rest and grace_s <= 0:
        return _left(person, now)
    after = replace(
        person, sessions=rest, changed_at=max(now, person.changed_at), grace_until=None if rest else now + grace_s
    )
    return _told(_focus_kept(after), person)


def _left(person: Person, now: float) -> Changed:
    """What stays of somebody who left holds no name."""
    return Changed(person=Person(user_id=person.user_id, left_at=now, changed_at=now), notice=Notice.LEFT)


def _told(after: Person, before: Person) -> Changed:
    return Changed(person=after, notice=Notice.NOTHING if after.shown == before.shown else Notice.UPDATED)


def _at_step(person: Person, step: int | None, at: float) -> Person:
    return person if step is None or step == person.step else replace(person, step=step, step_at=at)


def _focus_kept(person: Person) -> Person:
    """A mark ends with its session, unless that was the last one and may come back."""
    kept = not person.sessions or person.focus_session in person.sessions
    return person if kept else replace(person, focus=None, focus_session=None)


def _unsettled(person: Person, now: float, settled_s: float) -> bool:
    """Commands of several replicas come with clocks that differ a little: without `settled_s`, order is arrival."""
    return settled_s > 0 and now - person.changed_at < settled_s


def _refuse_if_stale(op: str, person: Person) -> None:
    """Of operations older than the oldest remembered one nobody knows whether they ran."""
    if len(person.operations) < OPERATIONS_MAX:
        return
    made, oldest = made_at(op), made_at(person.operations[0])
    if made is not None and oldest is not None and made < oldest:
        raise Rejection(ErrorCode.STALE_OPERATION, "op: too old to know whether it already ran", field="op")
