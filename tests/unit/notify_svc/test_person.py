"""A person: known since when, what became of their notes, what they follow and want to hear of."""

import copy
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from confer_contracts.errors import ErrorCode
from confer_kit.testing import specification
from notify_svc.domain.person import (
    Command,
    Follow,
    Followed,
    Mark,
    Marked,
    Person,
    Prefer,
    Preferred,
    See,
    Seen,
    State,
    decide,
    evolve,
)
from notify_svc.domain.preferences import Preferences

NOW = 1_800_000_000.0
INBOX = {"n9": 9, "n7": 7, "n4": 4}  # newest first, as an inbox is
SEEN = Seen(role="nurse", at=NOW, position=2)
MUTED = Preferences(mute=frozenset({"info"}))


def mark(*ids: str, state: State = "read", up_to: str | None = None, op: str = "op-1", **more: Any) -> Mark:
    return Mark(user="ana", op=op, now=NOW, state=state, inbox=INBOX, ids=ids, up_to=up_to, **more)


def marked(unread: int, unseen: int, state: State = "read", op: str = "op-1", **what: Any) -> Marked:
    return Marked(user="ana", op=op, at=NOW, state=state, unread=unread, unseen=unseen, **what)


def follow(audience: str = "topic.board", *, on: bool = True, op: str = "op-1") -> Follow:
    return Follow(user="ana", op=op, now=NOW, audience=audience, on=on)


def followed(audience: str = "topic.board", *, on: bool = True, op: str = "op-1", position: int = 0) -> Followed:
    return Followed(user="ana", op=op, at=NOW, audience=audience, on=on, position=position)


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


def test_notes_are_read_one_by_one_and_were_seen_then() -> None:
    given(SEEN).when(mark("n7", "n4")).then(marked(1, 1, ids=("n7", "n4"), positions=(7, 4)))


def test_a_note_named_twice_counts_once() -> None:
    given(SEEN).when(mark("n7", "n7")).then(marked(2, 2, ids=("n7",), positions=(7,)))


def test_only_what_is_new_is_marked() -> None:
    read_before = marked(2, 2, op="op-0", ids=("n7",), positions=(7,))
    given(SEEN, read_before).when(mark("n7", "n4")).then(marked(1, 1, ids=("n4",), positions=(4,)))


def test_everything_up_to_a_note_is_read_at_once() -> None:
    given(SEEN).when(mark(up_to="n7")).then(marked(1, 1, up_to="n7", mark=7))


def test_what_was_seen_is_still_unread() -> None:
    given(SEEN).when(mark(up_to="n9", state="seen")).then(marked(3, 0, "seen", up_to="n9", mark=9))


def test_what_was_read_need_not_be_seen() -> None:
    given(SEEN, marked(0, 0, up_to="n9", mark=9)).when(mark(up_to="n9", state="seen", op="op-2")).then_nothing()


def test_what_is_put_away_counts_no_more_and_can_be_taken_back() -> None:
    away = marked(2, 2, "archived", ids=("n7",), positions=(7,))
    later = given(SEEN).when(mark("n7", state="archived"))
    later.then(away)
    back = mark("n7", "n4", state="archived", op="op-2", undo=True)
    given(SEEN, away).when(back).then(marked(3, 3, "archived", op="op-2", ids=("n7",), positions=(7,), undo=True))


def test_one_can_be_taken_back_out_of_all_that_was_put_away() -> None:
    person = given(
        SEEN, marked(0, 0, "archived", up_to="n9", mark=9),
        marked(1, 1, "archived", op="op-2", ids=("n7",), positions=(7,), undo=True),
    ).state  # fmt: skip
    assert [person.archived.has(position) for position in (4, 7, 9)] == [True, False, True]


def test_what_is_silent_is_not_counted() -> None:
    given(SEEN).when(mark("n4", silent={9})).then(marked(1, 1, ids=("n4",), positions=(4,)))


def test_marking_what_is_marked_is_nothing() -> None:
    later = given(SEEN, marked(1, 1, up_to="n7", mark=7))
    later.when(mark("n4", op="op-2")).then_nothing()
    later.when(mark(up_to="n4", op="op-3")).then_nothing()
    given(SEEN).when(mark("n4", state="archived", undo=True)).then_nothing()


@pytest.mark.parametrize("state", ["seen", "read", "archived"])
@pytest.mark.parametrize("asked", [{"up_to": None}, {"up_to": "stranger"}])
def test_a_note_that_is_not_in_the_inbox_is_named(state: State, asked: dict[str, str | None]) -> None:
    ids = () if asked["up_to"] else ("n7", "stranger")
    refusal = given(SEEN).when(mark(*ids, state=state, up_to=asked["up_to"])).then_refused(ErrorCode.NOT_FOUND)
    assert "stranger" in refusal.message
    assert "n7" not in refusal.message


def test_the_same_operation_again_is_not_even_checked() -> None:
    given(SEEN, marked(2, 2, ids=("n7",), positions=(7,))).when(mark("gone-meanwhile")).then_nothing()


def test_a_topic_is_followed_from_then_on_and_no_longer() -> None:
    given(SEEN).when(follow()).then(followed())
    later = given(SEEN, followed(position=30))
    assert later.state.follows == {"topic.board": 30}
    later.when(follow(op="op-2")).then_nothing()
    later.when(follow(on=False, op="op-2")).then(followed(on=False, op="op-2"))
    assert given(SEEN, followed(position=30), followed(on=False, op="op-2")).state.follows == {}
    given(SEEN).when(follow(on=False)).then_nothing()


def test_nobody_follows_too_much() -> None:
    much = [followed(f"topic.t{n}", op=f"o{n}") for n in range(3)]
    one_more = Follow(user="ana", op="op-1", now=NOW, audience="topic.board", most=3)
    refusal = given(SEEN, *much).when(one_more).then_refused(ErrorCode.LIMIT_EXCEEDED)
    assert "3 topics at most" in refusal.message
    assert not refusal.retry


def test_preferences_are_replaced() -> None:
    wish = Prefer(user="ana", op="op-1", now=NOW, preferences=MUTED)
    given(SEEN).when(wish).then(Preferred(user="ana", op="op-1", at=NOW, preferences=MUTED))
    given(SEEN, Preferred(user="ana", op="op-0", at=NOW, preferences=MUTED)).when(wish).then_nothing()


states = st.sampled_from(["seen", "read", "archived"])
ids = st.sampled_from(sorted(INBOX))
ops = st.sampled_from("abcdef")
marks = st.builds(mark, ids, state=states, op=ops, undo=st.booleans()) | st.builds(
    mark, state=states, up_to=ids, op=ops
)
follows = st.builds(follow, st.sampled_from(["topic.a", "staff.q"]), on=st.booleans(), op=ops)
prefers = st.builds(
    Prefer, user=st.just("ana"), op=ops, now=st.just(NOW), preferences=st.sampled_from([MUTED, Preferences()])
)
sees = st.builds(See, role=st.none() | st.sampled_from(["nurse", "doctor"]), now=st.just(NOW))


@hypothesis.given(st.lists(marks | follows | prefers | sees, max_size=12))
def test_twice_is_once_and_deciding_changes_nothing(asked: list[Command]) -> None:
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
        if isinstance(event, Marked):
            unread = [p for p in INBOX.values() if not state.archived.has(p) and not state.read.has(p)]
            assert (event.unread, event.unseen) == (len(unread), sum(not state.seen.has(p) for p in unread))
