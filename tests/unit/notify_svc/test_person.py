"""A person: known since when, and what they have read."""

import copy

import hypothesis
import pytest
from hypothesis import strategies as st

from confer_contracts.errors import ErrorCode
from confer_kit.testing import specification
from notify_svc.domain.person import READ_MAX, MarkedRead, MarkRead, Person, See, Seen, decide, evolve

NOW = 1_800_000_000.0
INBOX = {"n9": 9, "n7": 7, "n4": 4}  # newest first, as an inbox is
SEEN = Seen(role="nurse", at=NOW, position=2)


def read(*ids: str, up_to: str | None = None, op: str = "op-1") -> MarkRead:
    return MarkRead(user="ana", op=op, now=NOW, inbox=INBOX, ids=ids, up_to=up_to)


def marked(unread: int, op: str = "op-1", **what: object) -> MarkedRead:
    return MarkedRead(user="ana", op=op, at=NOW, unread=unread, **what)  # type: ignore[arg-type]


given = specification(Person, evolve, decide)


def test_a_person_is_seen_for_the_first_time() -> None:
    given().when(See(role="nurse", now=NOW)).then(Seen(role="nurse", at=NOW))


@pytest.mark.parametrize("role", ["nurse", None])
def test_a_known_person_is_nothing_new(role: str | None) -> None:
    given(SEEN).when(See(role=role, now=NOW)).then_nothing()


def test_another_role_is_noted_but_the_first_time_stays() -> None:
    given(SEEN).when(See(role="doctor", now=NOW)).then(Seen(role="doctor", at=NOW))
    person = given(SEEN, Seen(role="doctor", at=NOW, position=50)).state
    assert (person.known_since, person.role) == (2, "doctor")


def test_notes_are_read_one_by_one() -> None:
    given(SEEN).when(read("n7", "n4")).then(marked(1, ids=("n7", "n4"), positions=(7, 4)))


def test_a_note_named_twice_counts_once() -> None:
    given(SEEN).when(read("n7", "n7")).then(marked(2, ids=("n7",), positions=(7,)))


def test_only_what_is_new_is_marked() -> None:
    read_before = marked(2, op="op-0", ids=("n7",), positions=(7,))
    given(SEEN, read_before).when(read("n7", "n4")).then(marked(1, ids=("n4",), positions=(4,)))


def test_everything_up_to_a_note_is_read_at_once() -> None:
    given(SEEN).when(read(up_to="n7")).then(marked(1, up_to="n7", mark=7))


def test_reading_what_is_read_is_nothing() -> None:
    later = given(SEEN, marked(1, up_to="n7", mark=7))
    later.when(read("n4", op="op-2")).then_nothing()
    later.when(read(up_to="n4", op="op-3")).then_nothing()


@pytest.mark.parametrize("command", [read("n7", "stranger"), read(up_to="stranger")])
def test_a_note_that_is_not_in_the_inbox_is_named(command: MarkRead) -> None:
    refusal = given(SEEN).when(command).then_refused(ErrorCode.NOT_FOUND)
    assert "stranger" in refusal.message
    assert "n7" not in refusal.message


def test_the_same_operation_again_is_not_even_checked() -> None:
    given(SEEN, marked(2, ids=("n7",), positions=(7,))).when(read("gone-meanwhile")).then_nothing()


def test_the_mark_swallows_what_stands_below_it() -> None:
    person = given(SEEN, marked(2, ids=("n4", "n9"), positions=(4, 9)), marked(1, up_to="n7", mark=7)).state
    assert person.read == {9}
    assert all(person.has_read(position) for position in (4, 5, 7, 9))
    assert not person.has_read(8)


def test_notes_read_one_by_one_are_remembered_up_to_a_bound() -> None:
    positions = tuple(range(10, 10 + 2 * READ_MAX + 10, 2))  # every second note
    person = given(SEEN, marked(0, positions=positions)).state
    assert len(person.read) == READ_MAX
    assert all(person.has_read(position) for position in positions)
    assert not person.has_read(positions[-1] - 1)
    assert person.has_read(positions[0] + 1), "the price: a note older than 2000 read ones counts as read"


reads = st.builds(
    read, st.sampled_from(sorted(INBOX)), op=st.sampled_from("abc"), up_to=st.none() | st.sampled_from(sorted(INBOX))
)
sees = st.builds(See, role=st.none() | st.sampled_from(["nurse", "doctor"]), now=st.just(NOW))


@hypothesis.given(st.lists(reads | sees, max_size=12))
def test_twice_is_once_and_deciding_changes_nothing(asked: list[MarkRead | See]) -> None:
    state = Person()
    for position, command in enumerate(asked, start=1):
        before = copy.deepcopy(state)
        event = decide(command, state)
        assert state == before
        if isinstance(event, Seen):
            event = Seen(role=event.role, at=event.at, position=position)
        if event is not None:
            state = evolve(state, event)
        assert decide(command, state) is None
        if isinstance(event, MarkedRead):
            assert event.unread == sum(not state.has_read(p) for p in INBOX.values())
