"""Notes that wait for their time: bounded, sent or cancelled but never both, and the same operation once."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from confer_contracts.errors import ErrorCode, Rejection
from confer_kit.testing import specification
from notify_svc.domain.audience import Content
from notify_svc.domain.escalation import Plan
from notify_svc.domain.schedule import (
    Cancel,
    Cancelled,
    Promise,
    Release,
    Released,
    Schedule,
    Scheduled,
    Waiting,
    decide,
    evolve,
)
from notify_svc.plan_codec import SCHEDULES

NOW = 1_800_000_000.0
DAY = 86400.0
PLAN = Plan(repeat_s=60, repeats=2, levels=("role.doctor",))
ROUND = Content(type="info", title="Round", message="", data={"room": [1]}, must=PLAN)


def schedule(op: str = "op-1", note: str = "n-1", at: float = NOW + 60, most: int = 2, now: float = NOW) -> Schedule:
    return Schedule(
        sender="ana", op=op, now=now, id=note, at=at, to="role.nurse", content=ROUND, ahead_s=DAY, waiting_max=most
    )  # fmt: skip


def scheduled(op: str = "op-1", note: str = "n-1", at: float = NOW + 60) -> Scheduled:
    return Scheduled(sender="ana", op=op, made_at=NOW, id=note, at=at, to="role.nurse", content=ROUND)


def cancel(note: str = "n-1", op: str = "op-c") -> Cancel:
    return Cancel(sender="ana", op=op, now=NOW, id=note)


cancelled = Cancelled(sender="ana", op="op-c", at=NOW, id="n-1")
given = specification(Waiting, evolve, decide)


def test_a_note_waits_for_its_time() -> None:
    given().when(schedule()).then(scheduled())


def test_the_same_operation_again_is_told_the_first_time_even_when_that_is_past() -> None:
    again = given(scheduled())
    again.when(schedule(note="other", now=NOW + DAY)).then_nothing()
    assert again.state.operations.find("ana", "op-1") == Promise("n-1", NOW + 60)


def test_a_time_must_be_in_the_future_and_not_too_far() -> None:
    given().when(schedule(at=NOW)).then_refused(ErrorCode.INVALID, "at")
    refusal = given().when(schedule(at=NOW + DAY + 1)).then_refused(ErrorCode.INVALID, "at")
    assert refusal.message == "at: must not be more than 1 days ahead"


def test_a_sender_has_so_many_that_wait_and_is_told_the_limits_name() -> None:
    full = given(scheduled("op-1", "n-1"), scheduled("op-2", "n-2"))
    refusal = full.when(schedule("op-3", "n-3")).then_refused(ErrorCode.LIMIT_EXCEEDED)
    assert not refusal.retry
    assert "CONFER_NOTIFY_SCHEDULED_MAX" in refusal.message
    given(scheduled("op-1", "n-1"), scheduled("op-2", "n-2"), cancelled).when(schedule("op-3", "n-3")).then(
        scheduled("op-3", "n-3")
    )


def test_what_is_cancelled_is_not_sent_and_what_is_sent_cannot_be_cancelled() -> None:
    given(scheduled()).when(cancel()).then(cancelled)
    given(scheduled(), cancelled).when(Release(id="n-1", now=NOW)).then_nothing()
    given(scheduled(), cancelled).when(cancel()).then_nothing()
    given(scheduled(), Released(id="n-1", at=NOW)).when(cancel()).then_refused(ErrorCode.NOT_FOUND, "id")
    given().when(cancel("nobody's")).then_refused(ErrorCode.NOT_FOUND, "id")


def test_it_is_released_once() -> None:
    given(scheduled()).when(Release(id="n-1", now=NOW + 61)).then(Released(id="n-1", at=NOW + 61))
    given(scheduled(), Released(id="n-1", at=NOW)).when(Release(id="n-1", now=NOW)).then_nothing()


def test_the_list_has_the_next_one_first() -> None:
    state = given(scheduled("a", "late", NOW + 9), scheduled("b", "soon", NOW + 2)).state
    assert [note.id for note in state.in_order()] == ["soon", "late"]


class ScheduleMachine(RuleBasedStateMachine):
    """Any order of commands, through the codec: each accepted note ends in exactly one way, or waits."""

    def __init__(self) -> None:
        super().__init__()
        self.state = Waiting()
        self.made = 0
        self.ends: dict[str, str] = {}
        self.notes: list[str] = []

    def run(self, command: Schedule | Cancel | Release) -> bool:
        """Whether it was accepted and did something; the second time it never does."""
        try:
            event = decide(command, self.state)
        except Rejection:
            return False
        if event is None:
            return False
        stored = SCHEDULES.encode("ana", event).stored(1, NOW)
        assert SCHEDULES.decode(stored) == event
        self.state = evolve(self.state, event)
        assert decide(command, self.state) is None
        return True

    @rule(ahead=st.floats(1, DAY))
    def send_later(self, ahead: float) -> None:
        self.made += 1
        note = f"n-{self.made}"
        if self.run(schedule(f"op-{self.made}", note, NOW + ahead, most=3)):
            self.notes.append(note)

    @rule(number=st.integers(1, 12))
    def cancel_one(self, number: int) -> None:
        self.made += 1
        if self.run(cancel(f"n-{number}", f"op-{self.made}")):
            assert self.ends.setdefault(f"n-{number}", "cancelled") == "cancelled"

    @rule(number=st.integers(1, 12))
    def release_one(self, number: int) -> None:
        if self.run(Release(id=f"n-{number}", now=NOW + DAY)):
            assert f"n-{number}" not in self.ends
            self.ends[f"n-{number}"] = "released"

    @invariant()
    def each_waits_or_has_ended(self) -> None:
        assert set(self.notes) == set(self.state.notes) | set(self.ends)
        assert not set(self.state.notes) & set(self.ends)
        assert len(self.state.notes) <= 3


TestSchedules = ScheduleMachine.TestCase
TestSchedules.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
