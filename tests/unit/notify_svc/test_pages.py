"""Inboxes: own, the role's, everybody's and what is followed since then; in pages, filtered, counted."""

from datetime import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confer_contracts.errors import Rejection
from confer_contracts.notify import Counts, Inbox, InboxQuery
from notify_svc.domain.audience import Content, Sent
from notify_svc.domain.marks import Marks
from notify_svc.domain.person import Person
from notify_svc.domain.preferences import Preferences, Quiet
from notify_svc.inboxes import Entry, Inboxes
from notify_svc.pages import Reader, alerts, counts, page

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z
NURSE = Person(known_since=3, role="nurse")
AUDIENCES = ["user.ana", "role.nurse", "all.all", "topic.board", "role.doctor", "user.bob", "room.p1", "queue.q1"]


def say(made: Inboxes, audience: str, position: int, **more: Any) -> None:
    """A minute after the other."""
    content = Content(**{"type": "info", "title": "t", "message": ""} | more)
    sent = Sent(sender="ana", op=f"o{position}", at=NOW + 60 * position, id=f"n{position}", content=content)
    made.add(Entry(position, audience, sent))


def inboxes(*audiences: str, kept: int = 100, window: int = 1000, **more: Any) -> Inboxes:
    """The first audience's note has position 1, the second's 2, and so on."""
    made = Inboxes(kept, window)
    for position, audience in enumerate(audiences, start=1):
        say(made, audience, position, **more)
    return made


def own(*kinds: dict[str, Any]) -> Inboxes:
    made = Inboxes(1000, 1000)
    for position, kind in enumerate(kinds, start=1):
        say(made, "user.ana", position, **kind)
    return made


def ask(made: Inboxes, person: Person = NURSE, withheld: set[str] | None = None, **query: Any) -> Inbox:
    return page(made, Reader("ana", "nurse", person, withheld or ()), InboxQuery.model_validate(query), NOW)


def ids(made: Inboxes, person: Person = NURSE, **query: Any) -> list[str]:
    return [n.id for n in ask(made, person, **query).notifications]


def test_an_inbox_is_own_and_shared_notes_newest_first() -> None:
    made = inboxes("user.ana", "all.all", "role.nurse", "role.doctor", "user.bob", "all.all", "user.ana", "room.p1")
    assert ids(made) == ["n7", "n6", "n3", "n1"], "n2 was said to all before the person was known, n1 to them"


def test_a_person_who_was_never_seen_has_only_what_was_said_to_them() -> None:
    assert ids(inboxes("user.ana", "all.all", "role.nurse"), Person()) == ["n1"]


def test_what_is_followed_is_there_from_then_on() -> None:
    person = Person(known_since=1, follows={"topic.board": 3, "staff.eyes": 5})
    made = inboxes("topic.board", "staff.eyes", "topic.board", "staff.eyes", "staff.eyes", "topic.other")
    assert ids(made, person) == ["n5", "n3"]


@given(withheld=st.sets(st.sampled_from(AUDIENCES[1:4])), audiences=st.lists(st.sampled_from(AUDIENCES)))
def test_what_is_withheld_is_neither_shown_nor_counted(withheld: set[str], audiences: list[str]) -> None:
    person = Person(known_since=1, role="nurse", follows={"topic.board": 1})
    found = ask(inboxes(*audiences), person, withheld)
    theirs = set(AUDIENCES[:4]) - withheld
    expected = [f"n{position}" for position, audience in enumerate(audiences, start=1) if audience in theirs]
    assert [n.id for n in found.notifications] == expected[::-1]
    assert found.unread == found.unseen == len(expected)


def test_pages_follow_one_another() -> None:
    made = inboxes(*["user.ana"] * 5)
    first = ask(made, limit=2)
    assert ([n.id for n in first.notifications], first.more, first.unread) == (["n5", "n4"], True, 5)
    last = ask(made, limit=3, before="n4")
    assert ([n.id for n in last.notifications], last.more) == (["n3", "n2", "n1"], False)


def test_a_page_ends_where_a_message_is_full_and_the_next_one_goes_on() -> None:
    made = inboxes(*["user.ana"] * 200, kept=500, title="ก" * 200, message="\x01" * 4000)
    told: list[str] = []
    more, before = True, None
    while more:
        found = ask(made, limit=200, before=before)
        assert len(found.model_dump_json().encode()) < 500_000
        told += [n.id for n in found.notifications]
        more, before = found.more, told[-1]
    assert told == [f"n{position}" for position in range(200, 0, -1)]


def test_a_page_before_an_unknown_note_is_refused() -> None:
    with pytest.raises(Rejection, match="before"):
        ids(inboxes("user.ana"), before="n99")


def test_each_note_has_its_state_and_can_be_asked_for_by_it() -> None:
    person = Person(
        known_since=3, seen=Marks(4), read=Marks(2, frozenset({4})), archived=Marks(0, frozenset({1, 3})),
    )  # fmt: skip
    made = inboxes(*["user.ana"] * 5)
    shown = ask(made, person, state="all").notifications
    assert [(n.id, n.state, n.read) for n in shown] == [
        ("n5", "unseen", False), ("n4", "read", True), ("n3", "archived", False), ("n2", "read", True),
        ("n1", "archived", True),
    ]  # fmt: skip
    assert ids(made, person) == ["n5", "n4", "n2"]
    assert ids(made, person, state="unseen") == ids(made, person, unread_only=True) == ["n5"]
    assert ids(made, person, state="read") == ["n4", "n2"]
    assert ids(made, person, state="archived") == ["n3", "n1"]
    assert (ask(made, person).unread, ask(made, person).unseen) == (1, 1)
    seen = Person(known_since=3, seen=Marks(4))
    assert ids(made, seen, state="unread") == ["n5", "n4", "n3", "n2", "n1"]
    assert (ask(made, seen).unread, ask(made, seen).unseen) == (5, 1)


def test_filters_are_of_type_priority_group_and_time() -> None:
    made = own({"type": "error"}, {"priority": "high"}, {"group": "g"}, {"type": "error", "priority": "high"})
    assert ids(made, types=["error"]) == ["n4", "n1"]
    assert ids(made, priorities=["high"]) == ["n4", "n2"]
    assert ids(made, types=["error"], priorities=["high"]) == ["n4"]
    assert ids(made, group="g") == ["n3"]
    assert ids(made, since="2027-01-15T15:03:00+07:00") == ["n4", "n3"]
    assert ids(made, types=["error"], limit=1, before="n4") == ["n1"]
    assert ids(made, state="read", unread_only=True) == []


def test_what_is_muted_is_shown_as_that_and_not_counted() -> None:
    person = Person(known_since=3, preferences=Preferences(mute=frozenset({"info"})))
    found = ask(own({}, {"type": "error"}, {"priority": "critical"}), person)
    assert [(n.id, n.muted) for n in found.notifications] == [("n3", False), ("n2", False), ("n1", True)]
    assert (found.unread, found.unseen) == (2, 2)


def test_counts_tell_of_quiet_hours() -> None:
    quiet = Quiet(time(7), time(9), "UTC")
    reader = Reader("ana", None, Person(known_since=1, preferences=Preferences(quiet=quiet)))
    assert counts(own({}), reader, NOW) == Counts(unread=1, unseen=1, quiet_until="2027-01-15T09:00:00.000Z")
    assert counts(own({}), reader, NOW + 3600).quiet_until is None


def test_an_audience_keeps_its_newest_notes_and_the_inbox_says_so() -> None:
    found = ask(inboxes(*["user.ana"] * 5, kept=3))
    assert [n.id for n in found.notifications] == ["n5", "n4", "n3"]
    assert found.trimmed
    bobs = page(inboxes(*["user.ana"] * 5, kept=3), Reader("bob", "nurse", NURSE), InboxQuery(), NOW)
    assert not bobs.trimmed


def test_notes_older_than_the_window_leave_every_inbox_which_says_so() -> None:
    found = ask(inboxes("user.ana", "user.bob", "user.ana", "user.bob", "user.bob", window=3))
    assert ([n.id for n in found.notifications], found.trimmed) == (["n3"], True)


def test_what_was_dropped_before_a_person_was_known_is_not_missed() -> None:
    made = inboxes(*["all.all"] * 5, kept=2)
    assert not ask(made, Person(known_since=4)).trimmed
    assert ask(made, Person(known_since=2)).trimmed


def test_alerts_are_what_warns_or_is_urgent_and_was_not_put_away() -> None:
    made = own({"type": "warning"}, {"type": "info"}, {"priority": "critical"}, {"type": "error"}, {"priority": "low"})
    reader = Reader("ana", "nurse", NURSE)
    assert [n.id for n in alerts(made, reader, 2)] == ["n4", "n3"]
    away = Reader("ana", "nurse", Person(known_since=3, archived=Marks(0, frozenset({4}))))
    assert [n.id for n in alerts(made, away, 2)] == ["n3", "n1"]


some = st.frozensets(st.integers(1, 30), max_size=5)
all_marks = st.builds(Marks, st.integers(0, 30), some)


@given(st.lists(st.sampled_from(AUDIENCES), max_size=30), all_marks, all_marks, all_marks)
def test_counts_are_of_the_notes_that_a_page_shows(said: list[str], seen: Marks, read: Marks, archived: Marks) -> None:
    person = Person(known_since=3, role="nurse", seen=seen, read=read, archived=archived)
    found = ask(inboxes(*said), person)
    assert found.unread == sum(n.state in ("unseen", "seen") for n in found.notifications)
    assert found.unseen == sum(n.state == "unseen" for n in found.notifications)
