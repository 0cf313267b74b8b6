"""What a person's fact says to browsers, and what it keeps to itself."""

from dataclasses import replace

import orjson
import pytest

from confer_contracts.presence import FACTS, ActiveUser
from confer_contracts.subjects import FactSubject, Header
from presence_svc.codec import PersonCodec, person_key
from presence_svc.domain import lock as locked
from presence_svc.domain.lock import Lock
from presence_svc.domain.marks import Mark
from presence_svc.domain.person import Changed, Notice, Person, Session
from presence_svc.lease_codec import LeaseCodec
from presence_svc.lock_codec import LockCodec, lock_key

CODEC = PersonCodec()
KEY, LOCK_KEY = person_key("p=2E1", "ana@x"), lock_key("p=2E1", "va")
PERSON = Person(
    user_id="ana@x", name="สมชาย ใจดี", role="nurse", step=0, sessions={"tab1": Session("edgeA", 4, screening=True)},
    joined_at=1_700_000_000.25, last_activity=1_700_000_001.0, screening=True,
)  # fmt: skip


def test_a_join_shows_the_person_and_folds_the_sessions() -> None:
    event = Changed(person=PERSON, notice=Notice.JOINED, joined_screening=True)
    fact = CODEC.encode(KEY, event, op="o1", origin="tab1").stored(1, 0.0)
    assert str(fact.subject) == "log.presence.room.p=2E1.ana=40x"
    assert (fact.event, fact.op, fact.actor, fact.origin) == ("user_joined", "o1", "ana@x", "tab1")
    body = ActiveUser.model_validate_json(fact.body)
    assert (body.name, body.step, body.joined_at) == ("สมชาย ใจดี", 0, "2023-11-14T22:13:20.250Z")
    assert fact.fold["joined_screening"] is True
    assert fact.fold["sessions"] == {"tab1": {"incarnation": "edgeA", "attach": 4, "screening": True}}
    assert CODEC.decode(fact) == event


def test_who_left_is_the_bare_user_id() -> None:
    fact = CODEC.encode(KEY, Changed(person=Person(user_id="ana@x", left_at=1.0), notice=Notice.LEFT))
    assert (fact.event, orjson.loads(fact.body)) == ("user_left", "ana@x")


def test_what_nobody_needs_to_see_has_no_event() -> None:
    fact = CODEC.encode(KEY, Changed(person=PERSON, notice=Notice.NOTHING))
    assert Header.EVENT not in fact.headers()


def test_every_event_is_in_the_catalogue() -> None:
    told = {CODEC.encode(KEY, Changed(person=PERSON, notice=notice)).event for notice in Notice}
    free = locked.Changed(lock=Lock(), notice=locked.Notice.UNLOCKED, reason="expired")
    held = locked.Changed(lock=Lock(), notice=locked.Notice.LOCKED)
    locks = {LockCodec().encode(LOCK_KEY, event).event for event in (free, held)}
    assert (told | locks) - {None} == {fact.event for fact in FACTS}


def test_each_codec_knows_its_own_facts() -> None:
    person, lease = FactSubject.parse(CODEC.guard(KEY)), FactSubject.parse(LeaseCodec().guard("edgeA"))
    assert (CODEC.aggregate(person), CODEC.aggregate(lease)) == (KEY, None)
    assert (LeaseCodec().aggregate(person), LeaseCodec().aggregate(lease)) == (None, "edgeA")
    assert CODEC.initial(KEY) == Person(user_id="ana@x")


@pytest.mark.parametrize("more", [{"unknown": 1}, {"sessions": {"t": {"incarnation": "e", "attach": 1, "new": 2}}}])
def test_members_of_later_versions_are_passed_over(more: dict[str, object]) -> None:
    fact = CODEC.encode(KEY, Changed(person=PERSON, notice=Notice.NOTHING))
    assert fact.fold is not None
    fold = orjson.dumps(orjson.loads(fact.fold) | more).decode()
    stored = fact.stored(1, 0.0)
    later = type(stored)(
        subject=stored.subject, seq=1, at=0.0, body=stored.body,
        headers={**stored.headers, Header.FOLD: orjson.dumps(orjson.loads(fold)).decode()},
    )  # fmt: skip
    assert CODEC.decode(later) is not None


def test_a_mark_of_an_earlier_version_is_read_and_written_as_it_was() -> None:
    marked = replace(PERSON, marks={"tab1": Mark("va", 1_700_000_001.0)})
    fact = CODEC.encode(KEY, Changed(person=marked, notice=Notice.UPDATED))
    assert fact.fold is not None
    fold = orjson.loads(fact.fold)
    assert (fold["focus"], fold["focus_session"]) == ("va", "tab1")
    del fold["marks"]
    fold["operations"] = ["o1"]
    read = CODEC.decode(replace(fact, fold=orjson.dumps(fold)).stored(1, 0.0))
    assert read is not None
    assert (read.person.marks, "o1" in read.person.operations) == (marked.marks, True)
