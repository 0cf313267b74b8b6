"""Inboxes: own, the role's and everybody's since the person is known; bounded, and honest about it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confer_contracts.errors import Rejection
from confer_contracts.notify import InboxQuery, Notification
from confer_contracts.subjects import FactSubject
from notify_svc.domain.person import Person
from notify_svc.views import Inboxes, SeenLately, alerts

NURSE = Person(known_since=3, role="nurse")
AUDIENCES = ["user.ana", "role.nurse", "all.all", "role.doctor", "user.bob", "room.p1", "queue.q1"]


def note(position: int, **more: object) -> Notification:
    made = {"id": f"n{position}", "type": "info", "title": "t", "message": "", "timestamp": "2027-01-15T08:00:00.000Z"}
    return Notification.model_validate(made | more)


def subject(audience: str) -> FactSubject:
    return FactSubject.parse(f"log.notify.{audience}.note")


def inboxes(*audiences: str, kept: int = 100, window: int = 1000) -> Inboxes:
    """The first audience's note has position 1, the second's 2, and so on."""
    made = Inboxes(kept, window)
    for position, audience in enumerate(audiences, start=1):
        made.add(subject(audience), position, note(position))
    return made


def ids(made: Inboxes, person: Person = NURSE, **query: object) -> list[str]:
    return [n.id for n in made.page(InboxQuery.model_validate(query), "ana", "nurse", person).notifications]


def test_an_inbox_is_own_and_shared_notes_newest_first() -> None:
    made = inboxes("user.ana", "all.all", "role.nurse", "role.doctor", "user.bob", "all.all", "user.ana", "room.p1")
    assert ids(made) == ["n7", "n6", "n3", "n1"], "n2 was said to all before the person was known, n1 to them"


def test_a_person_who_was_never_seen_has_only_what_was_said_to_them() -> None:
    assert ids(inboxes("user.ana", "all.all", "role.nurse"), Person()) == ["n1"]


@given(withheld=st.sets(st.sampled_from(["role.nurse", "all.all"])), audiences=st.lists(st.sampled_from(AUDIENCES)))
def test_what_is_withheld_is_neither_shown_nor_counted(withheld: set[str], audiences: list[str]) -> None:
    page = inboxes(*audiences).page(InboxQuery(), "ana", "nurse", Person(known_since=1, role="nurse"), withheld)
    theirs = {"user.ana", "role.nurse", "all.all"} - withheld
    expected = [f"n{position}" for position, audience in enumerate(audiences, start=1) if audience in theirs]
    assert [n.id for n in page.notifications] == expected[::-1]
    assert page.unread == len(expected)


def test_pages_follow_one_another() -> None:
    made = inboxes(*["user.ana"] * 5)
    first = made.page(InboxQuery(limit=2), "ana", "nurse", NURSE)
    assert ([n.id for n in first.notifications], first.more, first.unread) == (["n5", "n4"], True, 5)
    last = made.page(InboxQuery(limit=3, before="n4"), "ana", "nurse", NURSE)
    assert ([n.id for n in last.notifications], last.more) == (["n3", "n2", "n1"], False)


def test_a_page_ends_where_a_message_is_full_and_the_next_one_goes_on() -> None:
    made = Inboxes(kept=500, window=1000)
    for position in range(1, 201):
        made.add(subject("user.ana"), position, note(position, title="ก" * 200, message="\x01" * 4000))
    told: list[str] = []
    more, before = True, None
    while more:
        page = made.page(InboxQuery(limit=200, before=before), "ana", "nurse", NURSE)
        assert len(page.model_dump_json().encode()) < 500_000
        told += [n.id for n in page.notifications]
        more, before = page.more, told[-1]
    assert told == [f"n{position}" for position in range(200, 0, -1)]


def test_a_page_before_an_unknown_note_is_refused() -> None:
    with pytest.raises(Rejection, match="before"):
        ids(inboxes("user.ana"), before="n99")


def test_read_notes_are_marked_and_can_be_left_out() -> None:
    person = Person(known_since=3, role="nurse", mark=2, read={4})
    made = inboxes(*["user.ana"] * 5)
    page = made.page(InboxQuery(), "ana", "nurse", person)
    assert [(n.id, n.read) for n in page.notifications] == [
        ("n5", False), ("n4", True), ("n3", False), ("n2", True), ("n1", True),
    ]  # fmt: skip
    assert page.unread == 2
    assert ids(made, person, unread_only=True) == ["n5", "n3"]


def test_an_audience_keeps_its_newest_notes_and_the_inbox_says_so() -> None:
    made = inboxes(*["user.ana"] * 5, kept=3)
    page = made.page(InboxQuery(), "ana", "nurse", NURSE)
    assert [n.id for n in page.notifications] == ["n5", "n4", "n3"]
    assert page.trimmed
    assert not made.page(InboxQuery(), "bob", "nurse", NURSE).trimmed


def test_notes_older_than_the_window_leave_every_inbox() -> None:
    made = inboxes("user.ana", "user.bob", "user.ana", "user.bob", "user.bob", window=3)
    page = made.page(InboxQuery(), "ana", "nurse", NURSE)
    assert ([n.id for n in page.notifications], page.trimmed) == (["n3"], True)


def test_what_was_dropped_before_a_person_was_known_is_not_missed() -> None:
    made = inboxes(*["all.all"] * 5, kept=2)
    assert not made.page(InboxQuery(), "ana", "nurse", Person(known_since=4)).trimmed
    assert made.page(InboxQuery(), "ana", "nurse", Person(known_since=2)).trimmed


def test_alerts_are_what_warns_or_is_urgent() -> None:
    made = Inboxes(10, 10)
    kinds = [{"type": "warning"}, {"type": "info"}, {"priority": "critical"}, {"type": "error"}, {"priority": "low"}]
    for position, kind in enumerate(kinds, start=1):
        made.add(subject("user.ana"), position, note(position, **kind))
    assert [n.id for n in alerts(made.entries("ana", "nurse", NURSE), NURSE, 2)] == ["n4", "n3"]


@given(st.lists(st.sampled_from(AUDIENCES), max_size=30), st.integers(1, 6), st.integers(1, 12))
def test_an_inbox_equals_the_newest_of_a_plain_list(said: list[str], kept: int, window: int) -> None:
    made = inboxes(*said, kept=kept, window=window)
    inboxed = [(p, a) for p, a in enumerate(said, start=1) if not a.startswith(("room.", "queue."))]
    of_window = inboxed[-window:]
    expected: list[int] = []
    for audience, since in (("user.ana", 0), ("role.nurse", 3), ("all.all", 3)):
        newest = [p for p, a in of_window if a == audience][-kept:]
        expected += [p for p in newest if p >= since]
    assert ids(made) == [f"n{p}" for p in sorted(expected, reverse=True)]


def test_who_was_seen_lately_is_told_of_notes_to_roles_and_all() -> None:
    lately = SeenLately(people_max=2)
    for user, role in (("ana", "nurse"), ("bob", "doctor"), ("cleo", "nurse"), ("bob", None)):
        lately.saw(user, role)
    assert lately.told_by(subject("role.nurse")) == ["cleo"], "ana was forgotten: two are remembered"
    assert lately.told_by(subject("role.doctor")) == ["bob"]
    assert sorted(lately.told_by(subject("all.all"))) == ["bob", "cleo"]
    assert lately.told_by(subject("user.ana")) == ["ana"], "a note to a person needs no memory"
    assert lately.told_by(subject("room.p1")) == []
