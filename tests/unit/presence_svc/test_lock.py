"""The exclusive lock of a field, command by command."""

import pytest

from confer_contracts.errors import ErrorCode
from confer_contracts.ids import token
from confer_contracts.presence import FACTS, FieldLocked, FieldUnlocked
from confer_kit.testing import Given, specification
from presence_svc.codec import PersonCodec
from presence_svc.domain.lock import (
    Acquire,
    Changed,
    Command,
    Expire,
    HolderLeft,
    Lock,
    Notice,
    Release,
    Use,
    decide,
    evolve,
)
from presence_svc.lock_codec import LockCodec, lock_key

T0 = 1_700_000_000.0
given = specification(Lock, evolve, decide)
CODEC, KEY = LockCodec(), lock_key("p=2E1", "va.>")


def acquire(user: str = "ana", op: str = "op1", at: float = 0, seen: int | None = None, lasts_s: float = 60) -> Acquire:
    return Acquire(user=user, op=op, now=T0 + at, lasts_s=lasts_s, seen=seen)


def after(*commands: Command) -> Given:
    lock = Lock()
    for command in commands:
        event = decide(command, lock)
        assert event is not None, command
        lock = evolve(lock, event.lock)
    return given(lock)


def test_a_free_field_is_locked_with_the_next_token() -> None:
    event = given().when(acquire()).event
    assert (event.notice, event.lock.holder, event.lock.token, event.earlier) == (Notice.LOCKED, "ana", 1, None)
    assert event.lock.expires_at == T0 + 60


def test_somebody_else_is_refused_while_it_is_held() -> None:
    after(acquire()).when(acquire("ben", "op2", at=59)).then_refused(ErrorCode.CONFLICT, "field")
    after(acquire()).when(Release(user="ben", op="op2", now=T0 + 1)).then_refused(ErrorCode.CONFLICT, "field")


def test_its_holder_renews_it_under_the_same_token_and_nobody_hears() -> None:
    event = after(acquire()).when(acquire(op="op2", at=50)).event
    assert (event.notice, event.lock.token, event.lock.expires_at) == (Notice.NOTHING, 1, T0 + 110)


def test_activity_renews_it_when_half_its_time_is_over() -> None:
    held = after(acquire())
    held.when(Use(user="ana", now=T0 + 29)).then_nothing()
    assert held.when(Use(user="ana", now=T0 + 31)).event.lock.expires_at == T0 + 91
    held.when(Use(user="ben", now=T0 + 31)).then_nothing()
    held.when(Use(user="ana", now=T0 + 61)).then_nothing()


def test_it_is_taken_over_from_the_holder_who_was_seen_alone() -> None:
    held = after(acquire())
    taken = held.when(acquire("ben", "op2", at=5, seen=1)).event
    assert (taken.notice, taken.lock.holder, taken.lock.token, taken.earlier) == (Notice.LOCKED, "ben", 2, "ana")
    twice = after(acquire(), acquire("ben", "op2", at=5, seen=1))
    twice.when(acquire("eve", "op3", at=6, seen=1)).then_refused(ErrorCode.CONFLICT, "field")


def test_it_ends_with_its_time_unless_it_was_renewed() -> None:
    held = after(acquire())
    held.when(Expire(token=1, expires_at=T0 + 60, now=T0 + 59)).then_nothing()
    ended = held.when(Expire(token=1, expires_at=T0 + 60, now=T0 + 60)).event
    assert (ended.notice, ended.reason, ended.earlier, ended.lock.token) == (Notice.UNLOCKED, "expired", "ana", 1)
    renewed = after(acquire(), acquire(op="op2", at=50))
    renewed.when(Expire(token=1, expires_at=T0 + 60, now=T0 + 60)).then_nothing()


def test_whoever_is_later_than_its_end_gets_the_next_token() -> None:
    event = after(acquire()).when(acquire("ben", "op2", at=60)).event
    assert (event.lock.holder, event.lock.token, event.earlier) == ("ben", 2, None)


def test_it_ends_when_its_holder_has_left_but_not_for_an_earlier_one() -> None:
    held = after(acquire(), acquire("ben", "op2", at=5, seen=1))
    held.when(HolderLeft(token=1, now=T0 + 6)).then_nothing()
    assert held.when(HolderLeft(token=2, now=T0 + 6)).event.reason == "holder_left"


def test_an_operation_that_is_sent_again_has_one_effect() -> None:
    after(acquire()).when(acquire(at=5)).then_nothing()
    released = after(acquire(), Release(user="ana", op="op2", now=T0 + 1))
    released.when(Release(user="ana", op="op2", now=T0 + 2)).then_nothing()
    released.when(acquire(at=3)).then_refused(ErrorCode.CONFLICT, "op")
    again = after(acquire(), Release(user="ana", op="op2", now=T0 + 1), acquire(op="op3", at=4))
    again.when(Release(user="ana", op="op2", now=T0 + 5)).then_nothing()


@pytest.mark.parametrize(
    ("event", "body"),
    [
        (given().when(acquire()).event, FieldLocked),
        (after(acquire()).when(acquire("ben", "op2", seen=1)).event, FieldLocked),
        (after(acquire()).when(Release(user="ana", op="op2", now=T0)).event, FieldUnlocked),
    ],
)
def test_it_comes_back_from_its_fact(event: Changed, body: type[FieldLocked] | type[FieldUnlocked]) -> None:
    fact = CODEC.encode(KEY, event, op="op9", origin="tab1").stored(1, 0.0)
    assert CODEC.decode(fact) == event.lock
    assert fact.event in {fact.event for fact in FACTS}
    told = body.model_validate_json(fact.body)
    assert (told.patient_id, told.field, told.token) == ("p.1", "va.>", event.lock.token)
    assert fact.actor == (event.lock.holder or event.earlier)


def test_people_and_locks_do_not_meet_and_an_old_reader_sees_nobody() -> None:
    fact = CODEC.encode(KEY, given().when(acquire()).event).stored(1, 0.0)
    assert (CODEC.aggregate(fact.subject), PersonCodec().aggregate(fact.subject)) == (KEY, None)
    assert not any(token(name).startswith("=6C") for name in ("lock_va.>", "=6Cock_va", "l"))
    read = PersonCodec().decode(fact)
    assert read is not None
    assert not read.person.present
