"""A fact says everything that the fold needs, and browsers get what the contracts promise."""

from dataclasses import replace
from datetime import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confer_contracts.ids import token
from confer_contracts.subjects import FactSubject
from notify_svc.codec import AUDIENCES
from notify_svc.domain.audience import DIRECT_MESSAGE, Content, Sent
from notify_svc.domain.person import Event, Followed, Marked, Person, Preferred, Seen, State
from notify_svc.domain.preferences import Preferences, Quiet
from notify_svc.person_codec import PERSONS

AT = 1_800_000_000.123
texts = st.text(st.characters(codec="utf-8"), max_size=40)
names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
notes = st.builds(
    Content,
    type=st.sampled_from(["info", "success", "warning", "error"]),
    title=texts,
    message=texts,
    priority=st.sampled_from(["low", "normal", "high", "critical"]),
    link=st.none() | texts,
    data=st.none() | st.dictionaries(texts, texts | st.integers(-5, 5) | st.none(), max_size=3),
    actor=st.none() | names,
    group=st.none() | names,
    expires_at=st.none() | st.just(AT + 60),
    covers=st.none() | st.tuples(st.integers(0, 5), st.integers(6, 9)),
)


@given(content=notes, sender=names, op=names, patient=names, dedupe=st.none() | names)
def test_a_note_comes_back_as_it_was_sent(
    content: Content, sender: str, op: str, patient: str, dedupe: str | None
) -> None:
    event = Sent(sender=sender, op=op, at=AT, id="n-1", content=content, dedupe=dedupe)
    fact = AUDIENCES.encode(f"room.{token(patient)}", event)
    assert AUDIENCES.decode(fact.stored(seq=5, at=0)) == event


@given(sender=names, text=texts)
def test_a_direct_message_is_titled_with_its_sender(sender: str, text: str) -> None:
    content = Content(type=DIRECT_MESSAGE, title=sender, message=text, from_role="doctor")
    event = Sent(sender=sender, op="op-1", at=AT, id="n-1", content=content)
    fact = AUDIENCES.encode("user.ana", event)
    assert fact.event == "new_message"
    assert AUDIENCES.decode(fact.stored(seq=5, at=0)) == event


def test_what_a_browser_gets_of_a_note() -> None:
    content = Content(type="warning", title="<b>Hall</b>", message="2 & 3", priority="high")
    fact = AUDIENCES.encode("role.nurse", Sent(sender="ana", op="op-1", at=AT, id="n-1", content=content), "session-1")
    assert (str(fact.subject), fact.event, fact.origin) == ("log.notify.role.nurse.note", "notification", "session-1")
    assert fact.stored(seq=1, at=0).json() == {
        "id": "n-1", "type": "warning", "priority": "high", "title": "<b>Hall</b>", "message": "2 & 3",
        "timestamp": "2027-01-15T08:00:00.123Z", "read": False, "from_user": "ana", "link": None, "data": None,
        "audience": "role.nurse",
    }  # fmt: skip


def test_a_note_of_before_it_told_its_audience_is_read() -> None:
    event = Sent(sender="ana", op="op-1", at=AT, id="n-1", content=Content(type="info", title="t", message=""))
    fact = AUDIENCES.encode("user.bob", event)
    assert AUDIENCES.decode(replace(fact, body=fact.body.replace(b',"audience":"user.bob"', b"")).stored(5, 0)) == event


def test_that_a_person_was_seen_is_never_emitted_and_knows_its_position() -> None:
    fact = PERSONS.encode("ana", Seen(role="nurse", at=AT))
    assert (str(fact.subject), fact.event) == ("log.notify.user.ana.state", None)
    assert PERSONS.decode(fact.stored(seq=7, at=0)) == Seen(role="nurse", at=AT, position=7)


def test_what_is_withheld_comes_back_and_older_facts_do_not_tell() -> None:
    event = Seen(role="nurse", at=AT, position=7, withheld=("role.nurse", "all.all"))
    assert PERSONS.decode(PERSONS.encode("ana", event).stored(seq=7, at=0)) == event
    assert b"withheld" not in PERSONS.encode("ana", Seen(role="nurse", at=AT)).body


def marked(state: State, **what: Any) -> Marked:
    return Marked(user="สมชาย", op="op-1", at=AT, state=state, unread=3, unseen=2, **what)


def did(**what: Any) -> dict[str, Any]:
    return {"user": "สมชาย", "op": "op-1", "at": AT, **what}


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("notification_read", marked("read", ids=("a", "ข"), positions=(3, 4))),
        ("notification_read", marked("read", up_to="a", mark=12)),
        ("notification_seen", marked("seen", up_to="a", mark=12)),
        ("notification_seen", marked("seen", ids=("a",), positions=(3,))),
        ("notification_archive", marked("archived", ids=("a",), positions=(3,))),
        ("notification_archive", marked("archived", ids=("a",), positions=(3,), undo=True)),
        ("notification_archive", marked("archived", up_to="a", mark=12)),
        ("topic_followed", Followed(**did(audience="topic.=E0=B8=82", on=True, position=7))),
        ("topic_unfollowed", Followed(**did(audience="staff.screening", on=False, position=7))),
        ("notification_preferences", Preferred(**did(preferences=Preferences()))),
        ("notification_preferences", Preferred(**did(preferences=Preferences(
            mute=frozenset({"info"}), digest=frozenset({"success"}), digest_s=3600,
            quiet=Quiet(time(22), time(6, 30), "Asia/Bangkok"),
        )))),
    ],
)  # fmt: skip
def test_what_a_person_did_comes_back(name: str, event: Event) -> None:
    fact = PERSONS.encode(token("สมชาย"), event, "session-1")
    assert (fact.event, fact.origin) == (name, "session-1")
    assert PERSONS.decode(fact.stored(seq=7, at=0)) == event


def test_a_reading_of_before_there_were_more_states_is_read() -> None:
    event = marked("read", ids=("a",), positions=(3,))
    fact = PERSONS.encode(token("สมชาย"), event)
    old = replace(fact, body=fact.body.replace(b',"unseen":2', b""))
    decoded = PERSONS.decode(old.stored(seq=7, at=0))
    assert decoded == replace(event, unseen=0)
    assert decoded is not None
    assert PERSONS.evolve(Person(), decoded).read.has(3)


def test_sessions_are_told_what_they_enter_and_leave() -> None:
    for on, told in ((True, "+topic.board"), (False, "-topic.board")):
        fact = PERSONS.encode("ana", Followed(user="ana", op="o", at=AT, audience="topic.board", on=on))
        assert fact.headers()["Confer-Follow"] == told
    assert "Confer-Follow" not in PERSONS.encode("ana", marked("read", up_to="a", mark=1)).headers()


def test_each_codec_knows_its_own_facts() -> None:
    note = FactSubject.parse("log.notify.user.ana.note")
    state = FactSubject.parse("log.notify.user.ana.state")
    assert (AUDIENCES.aggregate(note), AUDIENCES.aggregate(state)) == ("user.ana", None)
    assert (PERSONS.aggregate(note), PERSONS.aggregate(state)) == (None, "ana")
    assert AUDIENCES.guard("user.ana") == str(note)
    assert PERSONS.guard("ana") == str(state)
