"""Sending a note: one fact, once per operation."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confer_contracts.errors import ErrorCode, Rejection
from notify_svc.domain.audience import Audience, Content, Receipt, Send, Sent, decide, evolve

NOW = 1_800_000_000.0
HELLO = Content(type="info", title="Hello", message="")
OLD_OP = "01890a5d-ac96-774b-bcce-b302099a8057"  # a UUIDv7 of 2023


def send(op: str = "op-1", sender: str = "ana", note: str = "n-1", now: float = NOW) -> Send:
    return Send(sender=sender, op=op, now=now, id=note, content=HELLO)


def sent(op: str = "op-1", sender: str = "ana", note: str = "n-1", at: float = NOW) -> Sent:
    return Sent(sender=sender, op=op, at=at, id=note, content=HELLO)


def after(*events: Sent) -> Audience:
    state = Audience()
    for event in events:
        state = evolve(state, event)
    return state


def test_a_note_is_sent() -> None:
    assert decide(send(), after()) == sent()


def test_the_same_operation_again_sends_nothing_and_answers_the_first_note() -> None:
    state = after(sent(note="first"))
    assert decide(send(note="second"), state) is None
    assert state.operations.find("ana", "op-1") == Receipt("first", NOW)


def test_two_people_may_use_the_same_operation_id() -> None:
    assert decide(send(sender="bob"), after(sent(sender="ana"))) == sent(sender="bob")


def test_an_operation_too_old_to_be_remembered_is_refused() -> None:
    with pytest.raises(Rejection) as refusal:
        decide(send(op=OLD_OP), after())
    assert refusal.value.code is ErrorCode.STALE_OPERATION


commands = st.builds(send, op=st.sampled_from("abc"), sender=st.sampled_from(["ana", "bob"]), note=st.uuids().map(str))


@given(st.lists(commands, max_size=12))
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
