"""A person in a room, command by command."""

from dataclasses import replace

import pytest

from confer_contracts.errors import ErrorCode
from confer_kit.testing import Given, specification
from presence_svc.domain.commands import (
    Attach,
    Command,
    Detach,
    Edit,
    EndMarks,
    Expire,
    Focus,
    GoAway,
    Heartbeat,
    LoseEdge,
    MoveStep,
)
from presence_svc.domain.decide import SESSIONS_MAX, decide
from presence_svc.domain.marks import RENEWED_EVERY_S
from presence_svc.domain.operations import OPERATIONS_MAX
from presence_svc.domain.person import Changed, Notice, Person, Session, evolve

T0 = 1_700_000_000.0
NOBODY = Person(user_id="ana")
given = specification(lambda: NOBODY, evolve, decide)


def attach(session: str = "tab1", n: int = 1, at: float = 0, edge: str = "edgeA", **more: object) -> Attach:
    known = {"name": "Ana", "role": "nurse", "step": 3} | more
    return Attach(session=session, incarnation=edge, attach=n, now=T0 + at, **known)  # type: ignore[arg-type]


def detach(session: str = "tab1", n: int = 1, at: float = 10, edge: str = "edgeA", grace_s: float = 0) -> Detach:
    return Detach(session=session, incarnation=edge, attach=n, now=T0 + at, grace_s=grace_s)


def focus(name: str | None, op: str = "op1", session: str = "tab1", at: float = 20) -> Focus:
    return Focus(name=name, session=session, op=op, now=T0 + at)


def after(*commands: Command) -> Given:
    """The state that these commands, in this order, lead to."""
    events: list[Changed] = []
    person = NOBODY
    for command in commands:
        event = decide(command, person)
        if event is not None:
            events.append(event)
            person = evolve(person, event)
    return given(*events)


def told(state: Given, command: Command) -> Notice | None:
    """What the room is told of a command; None: no fact at all."""
    event = state.when(command).event
    return None if event is None else event.notice


PRESENT = Person(
    user_id="ana", name="Ana", role="nurse", step=3, sessions={"tab1": Session("edgeA", 1, step=3)},
    joined_at=T0, last_activity=T0, step_at=T0, changed_at=T0,
)  # fmt: skip
LEFT_AT_10 = Changed(person=Person(user_id="ana", left_at=T0 + 10, changed_at=T0 + 10), notice=Notice.LEFT)


def test_the_first_session_brings_the_person() -> None:
    given().when(attach()).then(Changed(person=PRESENT, notice=Notice.JOINED))


def test_the_same_attach_again_does_nothing() -> None:
    after(attach()).when(attach(at=5)).then_nothing()


def test_an_attach_that_was_overtaken_is_ignored() -> None:
    after(attach(n=7)).when(attach(n=6, at=5)).then_nothing()


def test_a_further_tab_is_no_news() -> None:
    assert told(after(attach()), attach("tab2", at=5)) is Notice.NOTHING


def test_a_further_tab_on_another_step_is_an_update() -> None:
    assert told(after(attach()), attach("tab2", at=5, step=4)) is Notice.UPDATED


def test_a_tab_that_does_not_tell_a_step_leaves_it() -> None:
    after_both = after(attach(), attach("tab2", at=5, step=None))
    assert after_both.state.step == 3


def test_step_zero_is_a_step() -> None:
    assert after(attach(), attach("tab2", at=5, step=0)).state.step == 0


def test_the_last_session_takes_the_person_along() -> None:
    after(attach()).when(detach()).then(LEFT_AT_10)


def test_the_last_but_one_does_not() -> None:
    assert told(after(attach(), attach("tab2")), detach()) is Notice.NOTHING


@pytest.mark.parametrize(
    "stranger", [detach(edge="edgeB"), detach("tab9"), detach(n=1, edge="edgeA")], ids=["edge", "session", "older"]
)
def test_only_the_session_that_was_meant_is_removed(stranger: Detach) -> None:
    after(attach(n=2)).when(stranger).then_nothing()


def test_a_session_that_moved_to_another_edge_survives_the_sweep_of_the_first() -> None:
    moved = after(attach(), attach(n=1, edge="edgeB", at=5))
    moved.when(detach(n=9, edge="edgeA")).then_nothing()
    moved.when(LoseEdge(incarnation="edgeA", now=T0 + 30)).then_nothing()


def test_an_edge_that_still_lists_a_session_which_was_taken_up_elsewhere_does_not_get_it_back() -> None:
    moved = (attach(), attach(edge="edgeB", at=5, taken_up=8))
    after(*moved).when(attach(n=9, at=10)).then_nothing()
    after(*moved, detach(edge="edgeB", at=6, grace_s=60)).when(attach(n=9, at=10)).then_nothing()
    again = after(*moved).when(attach(n=9, at=10, taken_up=12)).event
    assert again is not None
    assert again.person.sessions["tab1"].incarnation == "edgeA"


def test_nobody_flickers_within_the_grace_period() -> None:
    waiting = after(attach(), detach(grace_s=15))
    assert waiting.state.present
    assert told(waiting, attach("tab2", n=2, at=12)) is Notice.NOTHING


def test_after_the_grace_period_they_left() -> None:
    waiting = after(attach(), detach(grace_s=15))
    waiting.when(Expire(grace_until=T0 + 25, now=T0 + 24)).then_nothing()
    assert told(waiting, Expire(grace_until=T0 + 25, now=T0 + 25)) is Notice.LEFT


def test_an_old_grace_period_does_not_end_a_newer_one() -> None:
    twice = after(attach(), detach(grace_s=15), attach(n=2, at=12), detach(n=2, at=20, grace_s=15))
    twice.when(Expire(grace_until=T0 + 25, now=T0 + 26)).then_nothing()


def test_who_left_and_comes_again_joins_and_brings_nothing_along() -> None:
    back = after(attach(), focus("va"), detach(at=30)).when(attach(n=2, at=40, step=None)).event
    assert back.notice is Notice.JOINED
    assert (back.person.step, back.person.focus, back.person.joined_at) == (None, None, T0 + 40)


def test_what_stays_of_somebody_who_left_holds_no_name() -> None:
    assert "Ana" not in repr(after(attach(), detach()).state)


def test_a_lost_edge_takes_all_its_sessions() -> None:
    two = after(attach("tab1"), attach("tab2"), attach("tab3", edge="edgeB"))
    lost = two.when(LoseEdge(incarnation="edgeA", now=T0 + 30)).event
    assert lost.notice is Notice.NOTHING
    assert lost.person.sessions == {"tab3": Session("edgeB", 1, step=3)}


def test_a_list_does_not_fight_what_just_happened() -> None:
    just = after(attach())
    just.when(replace(detach(at=1), settled_s=2.0)).then_nothing()
    assert told(just, replace(detach(at=3), settled_s=2.0)) is Notice.LEFT
    gone = after(attach(), detach(at=10))
    gone.when(replace(attach(n=1, at=11), settled_s=2.0)).then_nothing()
    assert told(gone, replace(attach(n=1, at=13), settled_s=2.0)) is Notice.JOINED


def test_two_clocks_may_differ_a_little() -> None:
    here = after(attach(at=10))
    assert told(here, attach("tab2", at=9)) is Notice.NOTHING
    assert told(here, detach(at=9)) is Notice.LEFT
    assert after(attach(at=10), attach("tab2", at=9)).state.last_activity == T0 + 10


def test_the_tabs_of_one_person_are_bounded() -> None:
    full = after(*(attach(f"tab{n}") for n in range(SESSIONS_MAX)))
    full.when(attach("one-more")).then_refused(ErrorCode.LIMIT_EXCEEDED)
    assert told(full, attach("tab0", n=2)) is Notice.NOTHING


def test_a_heartbeat_is_stored_now_and_then() -> None:
    here = after(attach())
    here.when(Heartbeat(now=T0 + 9, step=3)).then_nothing()
    assert told(here, Heartbeat(now=T0 + 10, step=3)) is Notice.NOTHING


def test_a_heartbeat_with_another_step_is_an_update() -> None:
    assert told(after(attach()), Heartbeat(now=T0 + 1, step=4)) is Notice.UPDATED


def test_a_heartbeat_of_somebody_absent_does_nothing() -> None:
    given().when(Heartbeat(now=T0, step=1)).then_nothing()


def test_without_activity_they_are_away_and_come_back_with_it() -> None:
    away = after(attach(), GoAway(last_activity=T0))
    assert away.state.status == "away"
    away.when(GoAway(last_activity=T0)).then_nothing()
    assert told(away, Heartbeat(now=T0 + 200)) is Notice.UPDATED


def test_activity_in_time_keeps_them_active() -> None:
    after(attach(), Heartbeat(now=T0 + 60)).when(GoAway(last_activity=T0)).then_nothing()


def test_a_focus_is_marked_moved_and_cleared() -> None:
    marked = after(attach(), focus("va"))
    assert marked.state.focus == "va"
    assert told(marked, focus("iop", "op2")) is Notice.UPDATED
    cleared = marked.when(focus(None, "op2")).event
    assert (cleared.notice, cleared.person.focus, cleared.person.editing) == (Notice.UPDATED, None, ())


def test_a_focus_is_one_effect_per_operation() -> None:
    moved = after(attach(), focus("va", "op1"), focus("iop", "op2"))
    moved.when(focus("va", "op1", at=30)).then_nothing()


def made(n: int, day: int = 0) -> str:
    """A UUIDv7 of that day by its maker's clock."""
    return f"{0x018BCFE56800 + n + day * 86_400_000:012x}-7000-8000-000000000000"


def test_an_operation_that_may_be_forgotten_is_refused() -> None:
    many = after(attach(), *(focus(f"f{n}", made(n)) for n in range(OPERATIONS_MAX + 1)))
    many.when(focus("again", made(0))).then_refused(ErrorCode.STALE_OPERATION, "op")


def test_a_device_whose_clock_is_slow_is_judged_by_its_own_clock() -> None:
    others = (focus(f"f{n}", made(n, day=9)) for n in range(OPERATIONS_MAX + 3))
    both = after(attach(), attach("slow"), *others)
    assert told(both, focus("va", made(0), session="slow")) is Notice.UPDATED


def test_each_tab_has_a_mark_of_its_own_and_the_latest_is_the_focus() -> None:
    both = after(attach(), attach("tab2"), focus("va"), focus("iop", "op2", "tab2"))
    assert (both.state.editing, both.state.focus) == (("va", "iop"), "iop")
    one = both.when(focus(None, "op3", "tab2")).event
    assert (one.notice, one.person.editing, one.person.focus) == (Notice.UPDATED, ("va",), "va")


def test_two_tabs_in_one_field_are_one_mark_to_others() -> None:
    both = after(attach(), attach("tab2"), focus("va"))
    assert told(both, focus("va", "op2", "tab2")) is Notice.NOTHING
    both = after(attach(), attach("tab2"), focus("va"), focus("va", "op2", "tab2"))
    assert told(both, detach(at=30)) is Notice.NOTHING


def test_another_tab_does_not_end_the_mark() -> None:
    after(attach(), attach("tab2"), focus("va")).when(focus(None, "op2", "tab2")).then_nothing()


def test_a_mark_ends_with_its_tab() -> None:
    assert told(after(attach(), attach("tab2"), focus("va")), detach(at=30)) is Notice.UPDATED


def test_a_mark_outlives_a_short_cut_of_its_tab_only() -> None:
    cut = after(attach(), focus("va"), detach(at=30, grace_s=15))
    assert cut.when(attach(n=2, at=31)).event.person.focus == "va"
    assert cut.when(attach("tab2", n=2, at=31)).event.person.focus is None


def test_a_silent_mark_ends_alone() -> None:
    marked = after(attach(), attach("tab2"), focus("va", at=20), focus("iop", "op2", "tab2", at=30))
    marked.when(EndMarks(silent_since=T0 + 19)).then_nothing()
    ended = marked.when(EndMarks(silent_since=T0 + 20)).event
    assert (ended.notice, ended.person.editing) == (Notice.UPDATED, ("iop",))
    after(attach(), focus("va"), EndMarks(silent_since=T0 + 20)).when(EndMarks(silent_since=T0 + 20)).then_nothing()


@pytest.mark.parametrize(
    "sign", [focus("va", "op2", at=20 + RENEWED_EVERY_S), Edit(session="tab1", at=T0 + 30, fields=frozenset({"va"}))]
)
def test_a_mark_lasts_while_the_field_is_edited(sign: Command) -> None:
    marked = after(attach(), focus("va", at=20))
    assert told(marked, sign) is Notice.NOTHING
    after(attach(), focus("va", at=20), sign).when(EndMarks(silent_since=T0 + 20)).then_nothing()


def test_what_is_written_elsewhere_does_not_renew_a_mark() -> None:
    others = (Edit(session="tab2", at=T0 + 40, fields=frozenset({"va"})), Edit(session="tab1", at=T0 + 60))
    marked = after(attach(), attach("tab2"), focus("va", at=20), *others)
    assert marked.when(EndMarks(silent_since=T0 + 20)).event.person.editing == ()


def test_work_keeps_a_person_active_and_brings_them_back() -> None:
    after(attach(), Edit(session="tab1", at=T0 + 60)).when(GoAway(last_activity=T0)).then_nothing()
    away = after(attach(), GoAway(last_activity=T0))
    assert told(away, Edit(session="tab1", at=T0 + 200)) is Notice.UPDATED
    away.when(Edit(session="tab1", at=T0 - 1)).then_nothing()
    away.when(Edit(session="tab9", at=T0 + 200)).then_nothing()


@pytest.mark.parametrize("grace", [False, True])
def test_a_connection_that_is_made_anew_is_no_activity_and_no_step(grace: bool) -> None:
    """On another edge, with the step of its join: they have moved on since, and have been idle."""
    idle: list[Command] = [attach(), MoveStep(step=5, at=T0 + 6), GoAway(last_activity=T0 + 6)]
    cut = after(*idle, detach(at=30, grace_s=15)) if grace else after(*idle)
    back = cut.when(attach(n=1, edge="edgeB", at=31)).event
    assert (back.notice, back.person.step, back.person.status) == (Notice.NOTHING, 5, "away")
    reloaded = cut.when(attach("tab2", n=1, edge="edgeB", at=31, step=5)).event
    assert (reloaded.notice, reloaded.person.status) == (Notice.UPDATED, "active")


def test_a_focus_of_a_session_that_is_not_known_yet_may_be_tried_again() -> None:
    refusal = after(attach()).when(focus("va", session="tab2")).then_refused(ErrorCode.UNAVAILABLE)
    assert refusal.code.retry


def test_a_step_that_sync_tells_moves_the_person() -> None:
    assert told(after(attach()), MoveStep(step=4, at=T0 + 5)) is Notice.UPDATED


def test_a_late_word_about_an_earlier_step_is_ignored() -> None:
    moved = after(attach(), MoveStep(step=5, at=T0 + 6))
    moved.when(MoveStep(step=4, at=T0 + 5)).then_nothing()
    moved.when(MoveStep(step=5, at=T0 + 7)).then_nothing()


def test_joining_the_screening_is_marked_once_until_they_leave() -> None:
    assert given().when(attach(screening=True)).event.joined_screening
    assert after(attach()).when(attach(n=2, at=5, screening=True)).event.joined_screening
    inside = after(attach(screening=True))
    assert not inside.when(attach("tab2", screening=True)).event.joined_screening
    assert (
        not after(attach(screening=True), detach(grace_s=15))
        .when(attach(n=2, at=12, screening=True))
        .event.joined_screening
    )
    assert after(attach(screening=True), detach()).when(attach(n=2, at=12, screening=True)).event.joined_screening
