"""A fact says everything that the fold needs, and browsers get what the contracts promise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confer_contracts.ids import token
from confer_contracts.subjects import FactSubject
from notify_svc.codec import AUDIENCES, PERSONS
from notify_svc.domain.audience import DIRECT_MESSAGE, Content, Sent
from notify_svc.domain.person import MarkedRead, Seen

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
)


@given(content=notes, sender=names, op=names, patient=names)
def test_a_note_comes_back_as_it_was_sent(content: Content, sender: str, op: str, patient: str) -> None:
    event = Sent(sender=sender, op=op, at=AT, id="n-1", content=content)
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
    }  # fmt: skip


def test_that_a_person_was_seen_is_never_emitted_and_knows_its_position() -> None:
    fact = PERSONS.encode("ana", Seen(role="nurse", at=AT))
    assert (str(fact.subject), fact.event) == ("log.notify.user.ana.state", None)
    assert PERSONS.decode(fact.stored(seq=7, at=0)) == Seen(role="nurse", at=AT, position=7)


def test_what_is_withheld_comes_back_and_older_facts_do_not_tell() -> None:
    event = Seen(role="nurse", at=AT, position=7, withheld=("role.nurse", "all.all"))
    assert PERSONS.decode(PERSONS.encode("ana", event).stored(seq=7, at=0)) == event
    assert b"withheld" not in PERSONS.encode("ana", Seen(role="nurse", at=AT)).body


@pytest.mark.parametrize(
    "what", [{"ids": ("a", "ข"), "positions": (3, 4)}, {"up_to": "a", "mark": 12}], ids=["ids", "up_to"]
)
def test_what_was_read_comes_back(what: dict[str, object]) -> None:
    event = MarkedRead(user="สมชาย", op="op-1", at=AT, unread=3, **what)  # type: ignore[arg-type]
    fact = PERSONS.encode(token("สมชาย"), event)
    assert fact.event == "notification_read"
    assert PERSONS.decode(fact.stored(seq=7, at=0)) == event


def test_each_codec_knows_its_own_facts() -> None:
    note = FactSubject.parse("log.notify.user.ana.note")
    state = FactSubject.parse("log.notify.user.ana.state")
    assert (AUDIENCES.aggregate(note), AUDIENCES.aggregate(state)) == ("user.ana", None)
    assert (PERSONS.aggregate(note), PERSONS.aggregate(state)) == (None, "ana")
    assert AUDIENCES.guard("user.ana") == str(note)
    assert PERSONS.guard("ana") == str(state)
