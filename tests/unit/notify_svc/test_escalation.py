"""A note that somebody must acknowledge: who is reminded when, who is told next, and how it ends once."""

import pytest
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st

from confer_contracts.subjects import FactSubject
from confer_kit import clock
from notify_svc.domain.audience import Content
from notify_svc.domain.escalation import (
    Advance,
    Demand,
    End,
    Ended,
    EscalatedTo,
    Escalation,
    EscalationEvent,
    Pass,
    Passed,
    Plan,
    Reminded,
    decide,
    evolve,
    unheard,
)
from notify_svc.plan_codec import ESCALATIONS

NOW = 1_800_000_000.0
WARD, DOCTORS, HEAD = "role.nurse", "role.doctor", "user.h=2Esuk"
PLAN = Plan(repeat_s=60, repeats=2, levels=(DOCTORS, HEAD))
DEMAND = Demand(id="n-1", audience=WARD, sender="ana", at=NOW, plan=PLAN)
ALARM = Content(type="warning", title="Alarm", message="Room 2", must=PLAN)
ENDED = Ended(state="acknowledged", by="bob", op="op-1", at=NOW, audience=WARD)


def folded(*events: EscalationEvent) -> Escalation:
    state = Escalation()
    for event in events:
        evolve(state, event)
    return state


def run(demand: Demand, steps: int) -> list[EscalationEvent]:
    """The first so many steps, each as soon as it is due."""
    state, told = Escalation(), list[EscalationEvent]()
    for _ in range(steps):
        event = decide(Advance(step=state.step + 1, now=state.due_at(demand)), state, demand)
        assert event is not None
        told.append(event)
        evolve(state, event)
    return told


def test_reminders_then_the_next_level_then_it_is_given_up() -> None:
    told = run(DEMAND, 9)
    shown = [event.audience if isinstance(event, Reminded) else getattr(event, "to", "") for event in told]
    assert shown == [WARD, WARD, DOCTORS, DOCTORS, DOCTORS, HEAD, HEAD, HEAD, ""]
    assert [type(event) for event in told] == [
        Reminded, Reminded, EscalatedTo, Reminded, Reminded, EscalatedTo, Reminded, Reminded, Ended,
    ]  # fmt: skip
    assert [event.at for event in told] == [NOW + 60 * n for n in range(1, 10)]
    end = told[-1]
    assert isinstance(end, Ended)
    assert (end.state, end.by, end.audience) == ("given_up", None, WARD)


def test_without_reminders_and_levels_it_is_given_up_when_nobody_acknowledges() -> None:
    (end,) = run(Demand(id="n", audience=WARD, sender="ana", at=NOW, plan=Plan(repeat_s=5, repeats=0)), 1)
    assert isinstance(end, Ended)
    assert end.at == NOW + 5


def test_a_late_step_shifts_those_behind_it() -> None:
    event = decide(Advance(step=1, now=NOW + 1000), Escalation(), DEMAND)
    assert event == Reminded(step=1, audience=WARD, at=NOW + 1000, due=NOW + 1060)


def test_a_step_is_taken_once_and_none_is_left_out() -> None:
    state = folded(Reminded(step=1, audience=WARD, at=NOW, due=NOW + 60))
    assert decide(Advance(step=1, now=NOW), state, DEMAND) is None
    assert decide(Advance(step=3, now=NOW), state, DEMAND) is None


def test_it_ends_once_and_then_nobody_is_reminded() -> None:
    acknowledge = End(state="acknowledged", by="bob", op="op-1", now=NOW)
    assert decide(acknowledge, Escalation(), DEMAND) == ENDED
    over = folded(ENDED)
    assert decide(End(state="cancelled", by="ana", op="op-2", now=NOW), over, DEMAND) is None
    assert decide(Advance(step=1, now=NOW), over, DEMAND) is None
    assert over.state == "acknowledged"


def test_all_who_were_told_hear_of_the_end_and_the_sender() -> None:
    state = folded(*run(DEMAND, 3), ENDED)
    arrived = {WARD, DOCTORS, "user.ana"}
    heard = []
    while (name := unheard(state, DEMAND, arrived)) is not None:
        event = decide(Pass(audience=name, now=NOW), state, DEMAND)
        assert event == Passed(audience=name, end=ENDED, at=NOW)
        evolve(state, event)
        assert decide(Pass(audience=name, now=NOW), state, DEMAND) is None
        heard.append(name)
    assert heard == [DOCTORS, "user.ana"]


def test_whose_copy_never_came_need_not_hear() -> None:
    assert unheard(folded(*run(DEMAND, 3), ENDED), DEMAND, {WARD}) is None
    assert unheard(folded(*run(DEMAND, 3)), DEMAND, {WARD, DOCTORS}) is None, "before the end there is nothing to hear"


plans = st.builds(
    Plan, repeat_s=st.integers(1, 3600), repeats=st.integers(0, 5),
    levels=st.lists(st.sampled_from(["role.a", "role.b", "user.c", WARD]), max_size=4).map(tuple),
)  # fmt: skip


@hypothesis_given(plans)
def test_every_plan_ends_and_tells_each_level_in_turn(plan: Plan) -> None:
    demand = Demand(id="n", audience=WARD, sender="ana", at=NOW, plan=plan)
    told = run(demand, plan.last)
    assert isinstance(told[-1], Ended)
    assert [event.to for event in told if isinstance(event, EscalatedTo)] == list(plan.levels)
    reminded = [event.audience for event in told if isinstance(event, Reminded)]
    assert reminded == [name for name in (WARD, *plan.levels) for _ in range(plan.repeats)]


@pytest.mark.parametrize(
    "event",
    [*run(DEMAND, 9), ENDED, Passed(audience=DOCTORS, end=ENDED, at=NOW + 1)],
    ids=repr,
)
def test_facts_come_back_as_they_were(event: EscalationEvent) -> None:
    fact = ESCALATIONS.encode(DEMAND, ALARM, event)
    assert FactSubject.parse(str(fact.subject)).key == "ack_n-1"
    assert ESCALATIONS.aggregate(fact.subject) == "n-1"
    found = ESCALATIONS.decode(fact.stored(1, NOW))
    if isinstance(event, Passed):  # of the end only what the audience is told comes back
        assert isinstance(found, Passed)
        assert (found.audience, found.end.state, found.end.by) == (DOCTORS, "acknowledged", "bob")
    else:
        assert found == event


def test_what_browsers_get() -> None:
    reminded, _, escalated, *_ = run(DEMAND, 3)
    fact = ESCALATIONS.encode(DEMAND, ALARM, reminded)
    assert (fact.event, str(fact.subject)) == ("notification_reminder", "log.notify.role.nurse.ack_n-1")
    body = fact.stored(1, NOW).json()
    assert (body["number"], body["title"], body["acknowledge"]["state"]) == (1, "Alarm", "open")
    fact = ESCALATIONS.encode(DEMAND, ALARM, escalated)
    assert fact.stored(1, NOW).json()["to"] == "role.doctor"
    fact = ESCALATIONS.encode(DEMAND, ALARM, ENDED)
    assert fact.event == "notification_closed"
    told = fact.stored(1, NOW).json()["acknowledge"]
    assert told == {"id": "n-1", "state": "acknowledged", "by": "bob", "at": clock.iso(NOW)}
