"""The life of a ticket, command by command."""

from dataclasses import replace
from typing import Any

import pytest

from confer_contracts.errors import ErrorCode
from confer_kit.testing import specification
from queue_svc.domain import claims
from queue_svc.domain.commands import (
    Attend,
    By,
    CallNext,
    Cancel,
    Enqueue,
    ExpireClaim,
    ReachStep,
    StaffLeft,
    UseClaim,
)
from queue_svc.domain.decide import answer, decide
from queue_svc.domain.number import Number
from queue_svc.domain.policy import Policy, PolicyDeclared
from queue_svc.domain.queue import Queue, evolve
from queue_svc.domain.ticket import ALLOWED, STAFF_MAX, Action, Attendance, Change, Claim, Ticket, TicketChanged

given = specification(Queue, evolve, decide)
T0, UNTIL = 1_700_000_000.0, 1_700_001_800.0
CLAIM_S, CAME = 1800.0, 1_700_000_000_000
CLAIM = Claim("ana", "s-ana", "token-1", UNTIL, since=T0)
FIRST = Ticket(id="t1", patient_id="p1", priority="normal", arrival=CAME, created_at=T0, number=Number("Q", "", 1))
SECOND = Ticket(id="t2", patient_id="p2", priority="normal", arrival=CAME + 1, created_at=T0, number=Number("Q", "", 2))
CALLED = replace(FIRST, status="called", claim=CLAIM)
SERVING = replace(FIRST, status="serving", claim=CLAIM)


def by(op: str, user: str = "ana", now: float = T0) -> By:
    return By(user, f"s-{user}", op, now)


def event(change: Change, ticket: Ticket, op: str, user: str = "ana", reason: str | None = None) -> TicketChanged:
    return TicketChanged(change=change, ticket=ticket, user=user, op=op, at=T0, reason=reason)


def declared(**policy: Any) -> PolicyDeclared:
    return PolicyDeclared(policy=Policy(version=1, **policy), user="system", op="declared", at=T0)


def use(action: Action, op: str = "o9", token: str = "token-1") -> UseClaim:
    return UseClaim(by(op), action, "t1", token, CLAIM_S + 60)


QUEUED = event(Change.QUEUED, FIRST, "o1")
QUEUED_2 = event(Change.QUEUED, SECOND, "o2")
WAS_CALLED = event(Change.CALLED, CALLED, "o3")
WAS_SERVING = event(Change.SERVING, SERVING, "o4")


def test_a_patient_is_queued() -> None:
    given().when(Enqueue(by("o1"), "t1", "p1")).then(QUEUED)


def test_a_patient_who_waits_keeps_the_place_and_the_second_caller_gets_that_ticket() -> None:
    again = Enqueue(by("o5", "ben"), "t9", "p1", "high")
    waiting = given(QUEUED)
    waiting.when(again).then_nothing()
    assert answer(again, waiting.state) == FIRST


@pytest.mark.parametrize("before", [WAS_CALLED, WAS_SERVING])
def test_a_patient_who_is_attended_to_is_not_queued_again(before: TicketChanged) -> None:
    given(QUEUED, before).when(Enqueue(by("o5"), "t9", "p1")).then_nothing()


def test_a_patient_who_is_done_may_come_again_but_not_by_the_same_operation() -> None:
    done = given(QUEUED, WAS_CALLED, event(Change.DONE, replace(CALLED, status="done"), "o5"))
    fresh = replace(FIRST, id="t9", arrival=CAME + 1, number=Number("Q", "", 2))
    done.when(Enqueue(by("o1"), "t9", "p1")).then_nothing()
    done.when(Enqueue(by("o6"), "t9", "p1")).then(event(Change.QUEUED, fresh, "o6"))


def test_a_full_queue_names_its_limit() -> None:
    refusal = (
        given(declared(tickets_max=2), QUEUED, QUEUED_2)
        .when(Enqueue(by("o5"), "t9", "p9"))
        .then_refused(ErrorCode.LIMIT_EXCEEDED)
    )
    assert "at most 2 tickets" in refusal.message


def test_the_first_who_came_is_called() -> None:
    call = CallNext(by("o3"), "token-1", CLAIM_S)
    given(QUEUED, QUEUED_2).when(call).then(WAS_CALLED)


def test_a_higher_priority_goes_first() -> None:
    urgent = replace(SECOND, priority="high")
    called = replace(urgent, status="called", claim=CLAIM)
    call = CallNext(by("o3"), "token-1", CLAIM_S)
    given(QUEUED, event(Change.QUEUED, urgent, "o2")).when(call).then(event(Change.CALLED, called, "o3"))


def test_nobody_waiting_is_no_ticket_and_the_same_operation_may_win_later() -> None:
    call = CallNext(by("o3"), "token-1", CLAIM_S)
    given().when(call).then_nothing()
    assert answer(call, Queue()) is None
    given(QUEUED).when(call).then(WAS_CALLED)


def test_a_call_that_won_is_answered_the_same_way_again() -> None:
    call = CallNext(by("o3"), "another-token", CLAIM_S + 5)
    called = given(QUEUED, QUEUED_2, WAS_CALLED)
    called.when(call).then_nothing()
    assert answer(call, called.state) == CALLED


def test_an_operation_of_the_same_name_by_somebody_else_is_another_operation() -> None:
    claim = Claim("ben", "s-ben", "token-2", UNTIL, since=T0)
    called = replace(SECOND, status="called", claim=claim)
    won = given(QUEUED, QUEUED_2, WAS_CALLED).when(CallNext(by("o3", "ben"), "token-2", CLAIM_S))
    won.then(event(Change.CALLED, called, "o3", "ben"))


def test_service_prolongs_the_claim() -> None:
    longer = replace(SERVING, claim=replace(CLAIM, until=UNTIL + 60))
    given(QUEUED, WAS_CALLED).when(use("serve")).then(event(Change.SERVING, longer, "o9"))


@pytest.mark.parametrize("before", [CALLED, SERVING])
def test_a_holder_finishes(before: Ticket) -> None:
    held = given(QUEUED, event(Change.CALLED, before, "o3"))
    held.when(use("done")).then(event(Change.DONE, replace(before, status="done"), "o9"))


def test_a_patient_who_does_not_come_leaves_the_queue() -> None:
    missed = event(Change.NO_SHOW, replace(CALLED, status="no_show"), "o9")
    given(QUEUED, WAS_CALLED).when(use("no_show")).then(missed)
    assert given(QUEUED, WAS_CALLED, missed).state.tickets == {}


def test_a_ticket_that_is_given_back_has_its_old_place() -> None:
    returned = event(Change.RETURNED, FIRST, "o9", reason=claims.GIVEN_BACK)
    given(QUEUED, QUEUED_2, WAS_CALLED).when(use("requeue")).then(returned)
    assert list(given(QUEUED, QUEUED_2, WAS_CALLED, returned).state.in_order()) == [FIRST, SECOND]


@pytest.mark.parametrize("action", ["serve", "done", "requeue", "no_show"])
def test_a_wrong_token_moves_nothing(action: Action) -> None:
    given(QUEUED, WAS_CALLED).when(use(action, token="old")).then_refused(ErrorCode.CONFLICT, "token")


@pytest.mark.parametrize("action", ["serve", "done", "requeue", "no_show"])
def test_the_token_of_a_claim_that_ended_moves_nothing(action: Action) -> None:
    ended = given(QUEUED, WAS_CALLED, event(Change.RETURNED, FIRST, "o8"))
    refusal = ended.when(use(action)).then_refused(ErrorCode.CONFLICT, "ticket")
    assert "waiting" in refusal.message
    assert refusal.details == {"ticket_status": "waiting", "allowed": list(ALLOWED["waiting"])}


def test_a_ticket_in_service_cannot_be_a_no_show() -> None:
    refusal = given(QUEUED, WAS_SERVING).when(use("no_show")).then_refused(ErrorCode.CONFLICT, "ticket")
    assert refusal.message == f"ticket: is serving, which allows {', '.join(ALLOWED['serving'])} and not no_show"


def test_an_unknown_ticket_is_not_found() -> None:
    given().when(use("done")).then_refused(ErrorCode.NOT_FOUND, "ticket")
    given().when(Cancel(by("o9"), "t1")).then_refused(ErrorCode.NOT_FOUND, "ticket")


def test_a_waiting_ticket_can_be_cancelled_with_a_reason() -> None:
    cancelled = event(Change.CANCELLED, replace(FIRST, status="cancelled"), "o9", reason="went home")
    given(QUEUED).when(Cancel(by("o9"), "t1", "went home")).then(cancelled)


def test_a_called_ticket_cannot_be_cancelled() -> None:
    given(QUEUED, WAS_CALLED).when(Cancel(by("o9"), "t1")).then_refused(ErrorCode.CONFLICT, "ticket")


def test_a_claim_ends_at_its_deadline_and_not_before() -> None:
    held = given(QUEUED, WAS_CALLED)
    held.when(ExpireClaim(by("x1", "system", UNTIL - 1), "t1", "token-1", UNTIL)).then_nothing()
    due = ExpireClaim(by("x1", "system", UNTIL), "t1", "token-1", UNTIL)
    expired = event(Change.RETURNED, FIRST, "x1", "system", claims.EXPIRED)
    held.when(due).then(replace(expired, at=UNTIL))


@pytest.mark.parametrize(
    "after",
    [
        event(Change.RETURNED, FIRST, "o8"),
        event(Change.SERVING, replace(SERVING, claim=replace(CLAIM, until=UNTIL + 60)), "o8"),
        event(Change.CALLED, replace(CALLED, claim=replace(CLAIM, token="token-2")), "o8"),
        event(Change.DONE, replace(CALLED, status="done"), "o8"),
    ],
)
def test_the_timer_of_a_claim_that_moved_on_does_nothing(after: TicketChanged) -> None:
    due = ExpireClaim(by("x1", "system", UNTIL + 999), "t1", "token-1", CLAIM_S)
    given(QUEUED, WAS_CALLED, after).when(due).then_nothing()


def test_an_operation_that_was_forgotten_is_refused() -> None:
    old = "018bcfe5-6800-7000-8000-000000000000"  # made at T0
    forgotten = (event(Change.QUEUED, FIRST, old), replace(QUEUED_2, at=T0 + 25 * 3600))
    call = CallNext(By("ana", "s-ana", old, T0 + 25 * 3600), "token-1", CLAIM_S)
    given(*forgotten).when(call).then_refused(ErrorCode.STALE_OPERATION, "op")


# --- staff and steps --------------------------------------------------------------------------------------


def test_whoever_comes_without_screening_queues_nobody_but_is_listed_where_the_patient_waits() -> None:
    looks = Attend(by("PRESENCE-7", "ben"), "t9", "p1", 7, 4, enqueue=False)
    given().when(looks).then_nothing()
    both = replace(ATTENDED, staff=(*ATTENDED.staff, Attendance("ben", 7, True)))
    given(SCREENED).when(looks).then(event(Change.STAFF_JOINED, both, "PRESENCE-7", "ben"))


ATTENDED = replace(FIRST, staff=(Attendance("ana", 5, True),), step=3)
SCREENED = event(Change.QUEUED, ATTENDED, "PRESENCE-5")


def test_whoever_begins_to_screen_queues_the_patient_and_is_listed() -> None:
    given().when(Attend(by("PRESENCE-5"), "t1", "p1", 5, 3)).then(SCREENED)


def test_a_colleague_is_listed_with_the_same_ticket() -> None:
    both = replace(ATTENDED, staff=(*ATTENDED.staff, Attendance("ben", 7, True)))
    joined = Attend(by("PRESENCE-7", "ben"), "t9", "p1", 7, 4)
    given(SCREENED).when(joined).then(event(Change.STAFF_JOINED, both, "PRESENCE-7", "ben"))


def test_who_holds_the_ticket_is_listed_once() -> None:
    assert CALLED.working == ["ana"]
    assert replace(ATTENDED, status="called", claim=CLAIM).working == ["ana"]
    assert replace(ATTENDED, status="called", claim=replace(CLAIM, user="ben")).working == ["ana", "ben"]


def test_who_leaves_is_no_longer_listed() -> None:
    left = replace(ATTENDED, staff=(Attendance("ana", 9, False),))
    given(SCREENED).when(StaffLeft(by("PRESENCE-9"), "p1", 9)).then(event(Change.STAFF_LEFT, left, "PRESENCE-9"))
    assert left.working == []


def test_old_news_of_a_person_changes_nothing() -> None:
    returned = event(Change.STAFF_JOINED, replace(ATTENDED, staff=(Attendance("ana", 12, True),)), "PRESENCE-12")
    given(SCREENED, returned).when(StaffLeft(by("PRESENCE-9"), "p1", 9)).then_nothing()


def test_the_same_news_after_the_patient_is_done_queues_nobody() -> None:
    done = event(Change.DONE, replace(ATTENDED, status="done"), "o8")
    given(SCREENED, done).when(Attend(by("PRESENCE-5"), "t9", "p1", 5, 3)).then_nothing()
    given(SCREENED, done).when(StaffLeft(by("PRESENCE-9"), "p1", 9)).then_nothing()


def test_the_step_is_the_newest_that_the_record_told() -> None:
    moved = event(Change.STEP_REACHED, replace(FIRST, step=4, step_sequence=8), "SYNC-8")
    given(QUEUED).when(ReachStep(by("SYNC-8"), "p1", 4, 8)).then(moved)
    given(QUEUED, moved).when(ReachStep(by("SYNC-7"), "p1", 3, 7)).then_nothing()
    given(QUEUED, moved).when(ReachStep(by("SYNC-8"), "p1", 4, 8)).then_nothing()
    given().when(ReachStep(by("SYNC-8"), "p1", 4, 8)).then_nothing()


def test_a_ticket_remembers_a_bounded_number_of_people_and_forgets_the_absent_first() -> None:
    ticket = FIRST.attended(Attendance("gone", 99, False))
    for number in range(STAFF_MAX):
        ticket = ticket.attended(Attendance(f"u{number}", number + 100, True))
    assert len(ticket.staff) == STAFF_MAX
    assert ticket.working == [f"u{number}" for number in range(STAFF_MAX)]


def test_positions_count_the_claimed_first_then_the_waiting() -> None:
    state = given(QUEUED, QUEUED_2, event(Change.CALLED, replace(SECOND, status="called", claim=CLAIM), "o3")).state
    assert [(t.id, state.position(t.id)) for t in state.in_order()] == [("t2", 1), ("t1", 2)]
    assert state.position("nobody") is None
