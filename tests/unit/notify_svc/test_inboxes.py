"""What inboxes are put together from: bounded, superseded by group, expired in time."""

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from notify_svc.domain.audience import Content, Sent
from notify_svc.inboxes import Entry, Inboxes

AUDIENCES = ["user.ana", "role.nurse", "all.all", "topic.board", "staff.eyes", "room.p1", "queue.q1"]


def say(made: Inboxes, audience: str, position: int, expires_at: float | None = None, group: str | None = None) -> None:
    content = Content(type="info", title="t", message="", group=group, expires_at=expires_at)
    sent = Sent(sender="ana", op=f"o{position}", at=0.0, id=f"n{position}", content=content)
    made.add(Entry(position, audience, sent))


def inboxes(*audiences: str, kept: int = 100, window: int = 1000) -> Inboxes:
    """The first audience's note has position 1, the second's 2, and so on."""
    made = Inboxes(kept, window)
    for position, audience in enumerate(audiences, start=1):
        say(made, audience, position)
    return made


def positions(found: Iterator[Any]) -> list[int]:
    return [entry.position for entry in found]


def test_the_notes_of_an_audience_newest_first_from_a_position_on() -> None:
    made = inboxes("topic.board", "user.ana", "topic.board", "topic.board")
    assert positions(made.of("topic.board", 2)) == [4, 3]
    assert positions(made.of("topic.other", 0)) == []


def test_what_is_said_to_rooms_and_to_who_watches_a_queue_is_in_no_inbox() -> None:
    made = inboxes("room.p1", "queue.q1")
    assert positions(made.of("room.p1", 0)) == positions(made.of("queue.q1", 0)) == []


def test_the_newest_of_a_group_replaces_those_before_it_in_its_audience() -> None:
    made = Inboxes(10, 10)
    told = [("all.all", "fire"), ("user.ana", "fire"), ("all.all", None), ("all.all", "fire"), ("all.all", "flood")]
    for position, (audience, group) in enumerate(told, start=1):
        say(made, audience, position, group=group)
    assert positions(made.of("all.all", 0)) == [5, 4, 3]
    assert positions(made.of("user.ana", 0)) == [2]


def test_what_expires_leaves_and_its_group_does_not_come_back() -> None:
    made = Inboxes(10, 10)
    say(made, "user.ana", 1, group="fire")
    say(made, "user.ana", 2, 200.0, group="fire")
    say(made, "all.all", 3, 100.0)
    assert made.next_expiry == 100.0
    assert made.expire(99.9) == []
    assert made.expire(100.0) == ["all.all"]
    assert positions(made.of("user.ana", 0)) == [2]
    assert made.next_expiry == 200.0
    assert made.expire(1000.0) == ["user.ana"]
    assert positions(made.of("user.ana", 0)) == []
    assert made.next_expiry is None


def test_what_was_superseded_expires_without_a_word() -> None:
    made = Inboxes(10, 10)
    say(made, "user.ana", 1, 100.0, group="fire")
    say(made, "user.ana", 2, group="fire")
    assert made.expire(100.0) == []
    assert positions(made.of("user.ana", 0)) == [2]


def test_an_audience_keeps_its_newest_notes_and_says_so() -> None:
    made = inboxes(*["user.ana"] * 5, kept=3)
    assert positions(made.of("user.ana", 0)) == [5, 4, 3]
    assert made.lacks("user.ana", 1)
    assert not made.lacks("user.ana", 2), "what was dropped is older"


def test_notes_older_than_the_window_leave_every_inbox() -> None:
    made = inboxes("user.bob", "user.ana", "user.ana", "user.ana", window=2)
    assert positions(made.of("user.ana", 0)) == [4, 3]
    assert positions(made.of("user.bob", 0)) == []
    assert made.forgotten_to == 1


def test_of_what_expires_no_more_is_remembered_than_of_notes() -> None:
    made = Inboxes(kept=2, window=5)
    for position in range(1, 101):
        say(made, "user.ana", position, 1000.0 + position)
    assert len(made._expiring) <= 10
    assert made.expire(2000.0) == ["user.ana"]
    assert positions(made.of("user.ana", 0)) == []


said = st.tuples(
    st.sampled_from(AUDIENCES), st.none() | st.sampled_from("gh"), st.none() | st.sampled_from([10.0, 20.0])
)


@given(st.lists(said, max_size=30), st.sampled_from([0.0, 10.0, 20.0]))
def test_what_is_kept_equals_a_plain_list(notes: list[tuple[str, str | None, float | None]], now: float) -> None:
    made = Inboxes(1000, 1000)
    plain: list[tuple[int, str, str | None, float | None]] = []
    for position, (audience, group, expires_at) in enumerate(notes, start=1):
        say(made, audience, position, expires_at, group=group)
        plain = [e for e in plain if group is None or (e[1], e[2]) != (audience, group)]
        plain.append((position, audience, group, expires_at))
    made.expire(now)
    for audience in AUDIENCES[:5]:
        left = [p for p, a, _, at in reversed(plain) if a == audience and (at is None or at > now)]
        assert positions(made.of(audience, 0)) == left


@given(st.lists(st.sampled_from(AUDIENCES), max_size=30), st.integers(1, 6), st.integers(1, 12))
def test_bounds_keep_the_newest(notes: list[str], kept: int, window: int) -> None:
    made = inboxes(*notes, kept=kept, window=window)
    inboxed = [(p, a) for p, a in enumerate(notes, start=1) if not a.startswith(("room.", "queue."))][-window:]
    for audience in AUDIENCES:
        assert positions(made.of(audience, 0)) == [p for p, a in reversed(inboxed) if a == audience][:kept]
