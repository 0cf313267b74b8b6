"""Sending a note: one fact, once per operation."""

import copy
from dataclasses import replace

import hypothesis
import pytest
from hypothesis import strategies as st

from confer_contracts.errors import ErrorCode
from confer_contracts.operations import KEPT_S
from confer_kit.testing import specification
from notify_svc.domain.audience import Audience, Content, Receipt, Send, Sent, decide, evolve, receipt_of

NOW = 1_800_000_000.0
HELLO = Content(type="info", title="Hello", message="")
OLD_OP = "01890a5d-ac96-774b-bcce-b302099a8057"  # a UUIDv7 of 2023


def send(op: str = "op-1", sender: str = "ana", note: str = "n-1", now: float = NOW, dedupe: str | None = None) -> Send:
    return Send(sender=sender, op=op, now=now, id=note, content=HELLO, dedupe=dedupe, dedupe_s=60)


def sent(op: str = "op-1", sender: str = "ana", note: str = "n-1", at: float = NOW, dedupe: str | None = None) -> Sent:
    return Sent(sender=sender, op=op, at=at, id=note, content=HELLO, dedupe=dedupe)


def expiring(at: float) -> Send:
    return Send(sender="ana", op="op-1", now=NOW, id="n-1", content=replace(HELLO, expires_at=at), expiry_s=499)


given = specification(Audience, evolve, decide)


def test_a_note_is_sent() -> None:
    given().when(send()).then(sent())


def test_the_same_operation_again_sends_nothing_and_answers_the_first_note() -> None:
    again = given(sent(note="first"))
    again.when(send(note="second")).then_nothing()
    assert again.state.operations.find("ana", "op-1") == Receipt("first", NOW)


def test_two_people_may_use_the_same_operation_id() -> None:
    given(sent(sender="ana")).when(send(sender="bob")).then(sent(sender="bob"))


def test_an_operation_too_old_to_be_remembered_is_refused() -> None:
    forgotten = (sent(op=OLD_OP), sent(op="op-2", at=NOW + 2 * KEPT_S))
    given(*forgotten).when(send(op=OLD_OP)).then_refused(ErrorCode.STALE_OPERATION, "op")


def test_the_same_key_within_the_window_is_the_same_note() -> None:
    before = given(sent(note="first", dedupe="fire"))
    again = send(op="op-2", note="second", now=NOW + 59.9, dedupe="fire")
    before.when(again).then_nothing()
    assert receipt_of(again, before.state) == Receipt("first", NOW)


def test_a_key_counts_per_sender_and_for_its_window_alone() -> None:
    before = given(sent(dedupe="fire"))
    before.when(send(op="op-2", now=NOW + 60, dedupe="fire")).then(sent(op="op-2", at=NOW + 60, dedupe="fire"))
    before.when(send(sender="bob", dedupe="fire")).then(sent(sender="bob", dedupe="fire"))
    before.when(send(op="op-2", dedupe="flood")).then(sent(op="op-2", dedupe="flood"))
    before.when(send(op="op-2")).then(sent(op="op-2"))


def digest(after: int, upto: int, op: str) -> Send:
    return replace(send(op=op), content=replace(HELLO, covers=(after, upto)))


def test_of_two_digests_that_begin_at_the_same_place_one_is_told() -> None:
    first, second = digest(0, 7, "period-1"), digest(0, 9, "period-2")
    later = given(replace(sent("period-1"), content=first.content))
    later.when(second).then_nothing()
    later.when(digest(7, 9, "period-2")).then(replace(sent("period-2"), content=replace(HELLO, covers=(7, 9))))


@pytest.mark.parametrize("at", [NOW, NOW - 1, NOW + 500])
def test_a_note_that_has_expired_or_never_will_is_refused(at: float) -> None:
    given().when(expiring(at)).then_refused(ErrorCode.INVALID, "expires_at")


def test_a_note_may_expire() -> None:
    given().when(expiring(NOW + 1)).then(replace(sent(), content=replace(HELLO, expires_at=NOW + 1)))


commands = st.builds(send, op=st.sampled_from("abc"), sender=st.sampled_from(["ana", "bob"]), note=st.uuids().map(str))


@hypothesis.given(st.lists(commands, max_size=12))
def test_twice_is_once_and_deciding_changes_nothing(asked: list[Send]) -> None:
    state = Audience()
    for command in asked:
        before = copy.deepcopy(state)
        event = decide(command, state)
        assert state == before
        if event is not None:
            state = evolve(state, event)
        assert decide(command, state) is None
    assert len(state.operations.results) == len({(c.sender, c.op) for c in asked})
