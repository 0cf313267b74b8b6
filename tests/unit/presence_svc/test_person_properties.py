"""Any commands in any order: what is promised of a person whatever happens."""

import copy

from hypothesis import given
from hypothesis import strategies as st

from confer_contracts.errors import Rejection
from presence_svc.codec import PersonCodec
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
from presence_svc.domain.decide import decide
from presence_svc.domain.person import Notice, Person, evolve

T0 = 1_700_000_000.0
sessions = st.sampled_from(["tab1", "tab2", "a b"])
edges = st.sampled_from(["edgeA", "edgeB"])
numbers = st.integers(1, 4)
steps = st.none() | st.integers(0, 3)
times = st.integers(0, 60).map(lambda s: T0 + s)
graces = st.sampled_from([0.0, 5.0])
names = st.sampled_from(["Ana", "สมชาย ใจดี"])
commands = st.one_of(
    st.builds(Attach, session=sessions, incarnation=edges, attach=numbers, name=names, role=st.just("nurse"),
              now=times, step=steps, screening=st.booleans(), settled_s=st.sampled_from([0.0, 2.0])),
    st.builds(Detach, session=sessions, incarnation=edges, attach=numbers, now=times, grace_s=graces),
    st.builds(LoseEdge, incarnation=edges, now=times),
    st.builds(Heartbeat, now=times, step=steps, session=st.none() | sessions, device=st.sampled_from([None, "tablet"])),
    st.builds(Focus, name=st.none() | st.sampled_from(["va", "iop"]), session=sessions,
              op=st.uuids().map(str), now=times),
    st.builds(MoveStep, step=st.integers(0, 3), at=times),
    st.builds(GoAway, last_activity=times),
    st.builds(Edit, session=sessions, at=times, fields=st.frozensets(st.sampled_from(["va", "iop"]))),
    st.builds(EndMarks, silent_since=times),
    st.builds(Expire, grace_until=times, now=times),
)  # fmt: skip
CODEC, KEY = PersonCodec(), "p=2E1.ana"


def ran(command: Command, person: Person) -> Person:
    """The person after the command, by way of the log; the one before is not changed."""
    before = copy.deepcopy(person)
    try:
        event = decide(command, person)
    except Rejection:
        event = None
    assert person == before, "decide changed the person"
    if event is None:
        return person
    stored = CODEC.encode(KEY, event).stored(1, 0.0)
    assert all(value.isascii() and "\n" not in value for value in stored.headers.values())
    decoded = CODEC.decode(stored)
    assert decoded == event
    return evolve(person, decoded)


@given(st.lists(commands, max_size=25))
def test_the_same_command_twice_does_nothing_the_second_time(given_commands: list[Command]) -> None:
    person = Person(user_id="ana")
    for command in given_commands:
        person = ran(command, person)
        again = ran(command, person)
        assert again == person, command


@given(st.lists(commands, max_size=25))
def test_the_room_hears_join_and_leave_in_turns_and_they_agree_with_presence(given_commands: list[Command]) -> None:
    person, heard_in = Person(user_id="ana"), False
    for command in given_commands:
        try:
            event = decide(command, person)
        except Rejection:
            continue
        if event is None:
            continue
        shown, person = person.shown, evolve(person, event)
        assert (event.notice is Notice.JOINED) == (not heard_in and person.present)
        assert (event.notice is Notice.LEFT) == (heard_in and not person.present)
        if heard_in and person.present:
            assert (event.notice is Notice.UPDATED) == (shown != person.shown)
        heard_in = person.present
        assert person.sessions == {} or person.grace_until is None
        assert not person.marks or person.marks.keys() <= {*person.sessions, *person.lately} or not person.sessions


@given(st.lists(commands, max_size=25), commands)
def test_a_session_is_there_after_its_attach_and_gone_after_its_detach(before: list[Command], last: Command) -> None:
    person = Person(user_id="ana")
    for command in before:
        person = ran(command, person)
    after = ran(last, person)
    if isinstance(last, Attach) and last.settled_s == 0:
        assert last.session in after.sessions
    if isinstance(last, Detach) and (held := after.sessions.get(last.session)):
        assert held.incarnation != last.incarnation or held.attach > last.attach
    if isinstance(last, LoseEdge):
        assert last.incarnation not in {session.incarnation for session in after.sessions.values()}
