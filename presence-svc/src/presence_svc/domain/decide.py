"""What becomes of a person in a room when something is said about them: when they come, are away, leave (pure)."""

from dataclasses import replace
from typing import assert_never

from confer_contracts.errors import ErrorCode, Rejection
from presence_svc.domain import marks
from presence_svc.domain.commands import (
    Attach,
    Command,
    Detach,
    Edit,
    EndMarks,
    Expire,
    Focus,
    GoAway,
    Heartbeat,
    LoseEdge,
    MoveStep,
)
from presence_svc.domain.person import Changed, Notice, Person, Session

SESSIONS_MAX = 32  # tabs of one person in one room
ACTIVITY_EVERY_S = 10.0  # an unchanged heartbeat is stored at most this often


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
        case Edit():
            event = _edit(command, person)
        case MoveStep():
            event = _move_step(command, person)
        case _:
            event = _in_time(command, person)
    return event


def _in_time(command: GoAway | EndMarks | Expire, person: Person) -> Changed | None:
    match command:
        case GoAway():
            return _go_away(command, person)
        case EndMarks():
            return _end_marks(command, person)
        case Expire():
            return _expire(command, person)
    assert_never(command)


def _attach(c: Attach, person: Person) -> Changed | None:
    known = person.sessions.get(c.session)
    earlier = known or person.lately.get(c.session)
    if earlier and earlier.taken_up > c.taken_up:
        return None
    if known and known.incarnation == c.incarnation and known.attach >= c.attach:
        return None
    if _unsettled(person, c.now, c.settled_s):
        return None
    if known is None and len(person.sessions) >= SESSIONS_MAX:
        raise Rejection(ErrorCode.LIMIT_EXCEEDED, f"more than {SESSIONS_MAX} sessions of one person in this room")
    before = person if person.present else Person(user_id=person.user_id, joined_at=c.now)
    device = earlier.device if earlier else None
    sessions = {**before.sessions, c.session: Session(c.incarnation, c.attach, c.screening, c.step, device, c.taken_up)}
    after = replace(
        before, name=c.name, role=c.role, sessions=sessions, lately={}, grace_until=None,
        screening=before.screening or c.screening, changed_at=max(c.now, before.changed_at),
        marks=marks.kept(before.marks, sessions),
    )  # fmt: skip
    if earlier is None or earlier.step != c.step:  # else an old word: they may have moved on
        after = _at_step(after, c.step, c.now)
    anew = earlier is not None or c.settled_s > 0  # the connection alone
    if not (person.present and anew and after.step == before.step):
        after = _active(after, c.now)
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
    after = _active(_at_step(_with_device(person, c), c.step, c.now), c.now)
    told = after.sessions is not person.sessions or after.shown != person.shown
    if not told and c.now - person.last_activity < ACTIVITY_EVERY_S:
        return None
    return _told(after, person)


def _focus(c: Focus, person: Person) -> Changed | None:
    if c.session not in person.sessions:
        # the edge says that they are in the room: we have not heard of it yet, and will from its list
        raise Rejection(ErrorCode.UNAVAILABLE, "presence has not heard of this session yet")
    if c.op in person.operations:
        return None
    person.operations.refuse_if_stale(c.op, c.session)
    chosen = marks.chosen(person.marks, c.session, c.name, c.now)
    if chosen is person.marks:
        return None
    operations = person.operations.plus(c.op, c.session)
    return _told(_active(replace(person, marks=chosen, operations=operations), c.now), person)


def _edit(c: Edit, person: Person) -> Changed | None:
    if c.session not in person.sessions or c.at <= person.last_activity:
        return None
    renewed = marks.renewed(person.marks, c.session, c.fields, c.at)
    if renewed is person.marks and person.status == "active" and c.at - person.last_activity < ACTIVITY_EVERY_S:
        return None
    return _told(_active(replace(person, marks=renewed), c.at), person)


def _move_step(c: MoveStep, person: Person) -> Changed | None:
    if not person.present or c.at <= person.step_at or c.step == person.step:
        return None
    return _told(_active(_at_step(person, c.step, c.at), c.at), person)


def _lose_edge(c: LoseEdge, person: Person) -> Changed | None:
    gone = {name for name, session in person.sessions.items() if session.incarnation == c.incarnation}
    return _without(gone, person, c.now, grace_s=0) if gone else None


def _go_away(c: GoAway, person: Person) -> Changed | None:
    if not person.sessions or person.status == "away" or person.last_activity != c.last_activity:
        return None
    return _told(replace(person, status="away"), person)


def _end_marks(c: EndMarks, person: Person) -> Changed | None:
    heard = marks.heard_since(person.marks, c.silent_since)
    return _told(replace(person, marks=heard), person) if len(heard) < len(person.marks) else None


def _expire(c: Expire, person: Person) -> Changed | None:
    if person.sessions or person.grace_until != c.grace_until or c.now < c.grace_until:
        return None
    return _left(person, c.now)


def _without(sessions: set[str], person: Person, now: float, grace_s: float) -> Changed:
    rest, gone = dict(person.sessions), {}
    for name in sessions:
        gone[name] = rest.pop(name)
    if not rest and grace_s <= 0:
        return _left(person, now)
    after = replace(
        person, sessions=rest, lately={} if rest else gone, marks=marks.kept(person.marks, rest),
        changed_at=max(now, person.changed_at), grace_until=None if rest else now + grace_s,
    )  # fmt: skip
    return _told(after, person)


def _left(person: Person, now: float) -> Changed:
    """What stays of somebody who left holds no name."""
    return Changed(person=Person(user_id=person.user_id, left_at=now, changed_at=now), notice=Notice.LEFT)


def _told(after: Person, before: Person) -> Changed:
    return Changed(person=after, notice=Notice.NOTHING if after.shown == before.shown else Notice.UPDATED)


def _at_step(person: Person, step: int | None, at: float) -> Person:
    return person if step is None or step == person.step else replace(person, step=step, step_at=at)


def _with_device(person: Person, c: Heartbeat) -> Person:
    session = person.sessions.get(c.session or "")
    if c.session is None or session is None or c.device in (None, session.device):
        return person
    return replace(person, sessions={**person.sessions, c.session: replace(session, device=c.device)})


def _active(person: Person, at: float) -> Person:
    return replace(person, status="active", last_activity=max(at, person.last_activity))


def _unsettled(person: Person, now: float, settled_s: float) -> bool:
    """Commands of several replicas come with clocks that differ a little: without `settled_s`, order is arrival."""
    return settled_s > 0 and now - person.changed_at < settled_s
