"""The record's rules, one sentence each."""

from dataclasses import replace

from confer_contracts.errors import ErrorCode
from confer_contracts.operations import KEPT_S
from confer_kit.testing import specification
from sync_svc.domain.fields import FIELDS_MAX, RECORD_BYTES_MAX
from sync_svc.domain.messages import (
    Change,
    Committed,
    ConflictReported,
    FieldsUpdated,
    MovedToStep,
    MoveToStep,
    Replaced,
    ReportConflict,
    StepUpdated,
    UpdateFields,
    UpdateStep,
)
from sync_svc.domain.record import decide, evolve
from sync_svc.domain.state import Record, Step
from sync_svc.domain.steps import PEOPLE_MAX, STEPS_MAX, VISIT_S
from sync_svc.forms import SchemaForm

given = specification(Record, evolve, decide)
T0 = 1_750_000_000.0


def update(op: str, *changes: Change, user: str = "ann") -> UpdateFields:
    return UpdateFields(user, op, T0, changes)


def updated(op: str, *changes: Committed, user: str = "ann") -> FieldsUpdated:
    return FieldsUpdated(user, op, T0, changes)


# --- fields ----------------------------------------------------------------------------------------------


def test_the_first_value_of_a_field_is_version_1() -> None:
    given().when(update("1", Change("iop", 14))).then(updated("1", Committed("iop", 14, 1)))


def test_versions_count_per_field() -> None:
    before = updated("1", Committed("iop", 14, 1), Committed("notes", "", 1))
    given(before).when(update("2", Change("iop", 15))).then(updated("2", Committed("iop", 15, 2)))


def test_several_fields_are_one_commit() -> None:
    command = update("1", Change("a", 1), Change("b", None))
    given().when(command).then(updated("1", Committed("a", 1, 1), Committed("b", None, 1)))


def test_an_update_of_the_current_version_is_accepted() -> None:
    before = updated("1", Committed("iop", 14, 1))
    given(before).when(update("2", Change("iop", 15, 1))).then(updated("2", Committed("iop", 15, 2, "accepted")))


def test_a_base_of_0_is_the_current_one_of_a_field_that_nobody_wrote() -> None:
    given().when(update("1", Change("iop", 15, 0))).then(updated("1", Committed("iop", 15, 1, "accepted")))


def test_a_stale_base_overwrites_and_says_so() -> None:
    before = (updated("1", Committed("iop", 14, 1)), updated("2", Committed("iop", 15, 2), user="bob"))
    replaced = Replaced(15, 2, "bob", T0)
    given(*before).when(update("3", Change("iop", 16, 1))).then(
        updated("3", Committed("iop", 16, 3, "overwrote", replaced))
    )


def test_without_a_base_the_last_writer_wins() -> None:
    before = updated("1", Committed("iop", 14, 1), user="bob")
    given(before).when(update("2", Change("iop", 16))).then(updated("2", Committed("iop", 16, 2, "accepted")))


def test_a_base_from_the_future_is_refused_with_the_current_version() -> None:
    outcome = given(updated("1", Committed("iop", 14, 1))).when(update("2", Change("iop", 15, 2)))
    refusal = outcome.then_refused(ErrorCode.INVALID, "base_version")
    assert refusal.details == {"current_version": 1}


def test_one_bad_change_refuses_the_whole_commit() -> None:
    given().when(update("1", Change("a", 1), Change("b", 1, 7))).then_refused(ErrorCode.INVALID, "base_version")


def test_a_record_has_a_limited_number_of_fields() -> None:
    full = updated("1", *(Committed(f"f{n}", n, 1) for n in range(FIELDS_MAX)))
    given(full).when(update("2", Change("one more", 1))).then_refused(ErrorCode.LIMIT_EXCEEDED, "field")
    given(full).when(update("2", Change("f0", 7))).then(updated("2", Committed("f0", 7, 2)))


def test_a_record_has_a_limited_size_and_a_shorter_value_gives_room_back() -> None:
    half = "x" * (RECORD_BYTES_MAX // 2)
    before = updated("1", Committed("a", half, 1), Committed("b", "", 1))
    given(before).when(update("2", Change("b", half))).then_refused(ErrorCode.LIMIT_EXCEEDED, "value")
    given(before).when(update("2", Change("a", ""), Change("b", half))).then(
        updated("2", Committed("a", "", 2), Committed("b", half, 2))
    )


# --- operations ------------------------------------------------------------------------------------------


def test_the_same_operation_again_does_nothing() -> None:
    before = updated("1", Committed("iop", 14, 1))
    given(before).when(update("1", Change("iop", 14))).then_nothing()


def test_the_same_operation_again_does_nothing_after_others_wrote() -> None:
    before = (updated("1", Committed("iop", 14, 1)), updated("1", Committed("iop", 15, 2), user="bob"))
    given(*before).when(update("1", Change("iop", 14, 0))).then_nothing()


def test_an_operation_of_one_user_is_not_that_of_another() -> None:
    before = updated("1", Committed("iop", 14, 1))
    given(before).when(update("1", Change("iop", 15), user="bob")).then(
        updated("1", Committed("iop", 15, 2), user="bob")
    )


def test_an_operation_id_cannot_name_two_requests() -> None:
    before = updated("1", Committed("iop", 14, 1))
    for other in (
        update("1", Change("notes", "")),
        update("1", Change("iop", 15)),
        update("1", Change("iop", True)),
        UpdateStep("ann", "1", T0, 3, "blocked"),
        MoveToStep("ann", "1", T0, 3, "Acuity"),
        ReportConflict("ann", "1", T0, "iop", "!"),
    ):
        given(before).when(other).then_refused(ErrorCode.INVALID, "op")
    set_ = StepUpdated("ann", "1", T0, 3, "blocked", 1)
    given(set_).when(UpdateStep("ann", "1", T0, 3, "completed")).then_refused(ErrorCode.INVALID, "op")
    moved = MovedToStep("ann", "1", T0, 3, "Acuity")
    given(moved).when(MoveToStep("ann", "1", T0, 4, "Refraction")).then_refused(ErrorCode.INVALID, "op")


def test_an_operation_that_may_have_been_forgotten_is_not_run_again() -> None:
    op = "01970000-0000-7000-8000-000000000000"
    ran, later = updated(op, Committed("iop", 1, 1)), replace(updated("2", Committed("iop", 2, 2)), at=T0 + 2 * KEPT_S)
    given(ran, later).when(update(op, Change("iop", 1))).then_refused(ErrorCode.STALE_OPERATION, "op")
    given().when(update(op, Change("iop", 1))).then(ran)


# --- steps -----------------------------------------------------------------------------------------------


def test_a_step_gets_a_status() -> None:
    given().when(UpdateStep("ann", "1", T0, 0, "blocked", "Registration")).then(
        StepUpdated("ann", "1", T0, 0, "blocked", 1, "Registration")
    )


def test_step_versions_count_too() -> None:
    before = StepUpdated("ann", "1", T0, 0, "blocked", 1, "Registration")
    given(before).when(UpdateStep("bob", "1", T0, 0, "waiting")).then(
        StepUpdated("bob", "1", T0, 0, "waiting", 2, previous="blocked")
    )


def test_the_first_move_enters_a_step() -> None:
    given().when(MoveToStep("ann", "1", T0, 3, "Acuity")).then(MovedToStep("ann", "1", T0, 3, "Acuity"))


def test_moving_forward_completes_the_step_left_behind_and_tells_how_long_it_took() -> None:
    before = MovedToStep("ann", "1", T0, 3, "Acuity")
    given(before).when(MoveToStep("ann", "2", T0 + 90, 5, "Refraction")).then(
        MovedToStep("ann", "2", T0 + 90, 5, "Refraction", completed=3, previous=3, took_s=90.0)
    )


def test_moving_back_completes_nothing() -> None:
    before = MovedToStep("ann", "1", T0, 3, "Acuity")
    given(before).when(MoveToStep("ann", "2", T0, 0, "Start")).then(MovedToStep("ann", "2", T0, 0, "Start", previous=3))


def test_forward_is_what_the_form_says() -> None:
    form = SchemaForm({"x-confer-version": 1, "x-confer-steps": [{"step": 5, "name": "a"}, {"step": 2, "name": "b"}]})
    before = MovedToStep("ann", "1", T0, 5, "a")
    assert given(before).when(MoveToStep("ann", "2", T0, 2, "b", form=form)).event.completed == 5
    assert given(before).when(MoveToStep("ann", "2", T0, 2, "b")).event.completed is None
    assert given(before).when(MoveToStep("ann", "2", T0, 9, "c", form=form)).event.completed == 5


def test_a_step_that_is_not_in_progress_stays_as_it_is_when_somebody_leaves_it() -> None:
    for status in ("blocked", "waiting", "completed"):
        before = (MovedToStep("ann", "1", T0, 3, "Acuity"), StepUpdated("bob", "1", T0, 3, status, 2))
        moved = MovedToStep("ann", "2", T0, 4, "Refraction", previous=3)
        given(*before).when(MoveToStep("ann", "2", T0, 4, "Refraction")).then(moved)


def test_where_somebody_was_days_ago_is_not_where_they_come_from() -> None:
    before, later = MovedToStep("ann", "1", T0, 3, "Acuity"), T0 + VISIT_S + 1
    moved = MovedToStep("ann", "2", later, 4, "Refraction")
    given(before).when(MoveToStep("ann", "2", later, 4, "Refraction")).then(moved)
    still_here = replace(updated("w", Committed("iop", 14, 1)), at=T0 + 60)
    outcome = given(before, still_here).when(MoveToStep("ann", "2", later, 4, "Refraction"))
    assert (outcome.event.previous, outcome.event.completed) == (3, 3)


def test_who_left_a_step_that_was_done_and_begun_again_does_not_complete_it_for_others() -> None:
    before = (
        MovedToStep("ann", "1", T0, 3, "Acuity"),
        StepUpdated("bob", "1", T0 + 60, 3, "completed", 2),
        MovedToStep("bob", "2", T0 + 120, 3, "Acuity"),
    )
    given(*before).when(MoveToStep("ann", "2", T0 + 180, 4, "Refraction")).then(
        MovedToStep("ann", "2", T0 + 180, 4, "Refraction")
    )


def test_a_client_that_tells_where_the_person_comes_from_is_believed() -> None:
    before = MovedToStep("ann", "1", T0, 1, "Intake")
    outcome = given(before).when(MoveToStep("ann", "2", T0 + 2 * VISIT_S, 4, "Refraction", came_from=3))
    outcome.then(MovedToStep("ann", "2", T0 + 2 * VISIT_S, 4, "Refraction", completed=3, previous=3))


def test_a_completed_step_tells_how_long_it_took() -> None:
    before = MovedToStep("ann", "1", T0, 3, "Acuity")
    given(before).when(UpdateStep("bob", "1", T0 + 30, 3, "completed")).then(
        StepUpdated("bob", "1", T0 + 30, 3, "completed", 2, previous="in_progress", took_s=30.0)
    )


def test_a_move_to_the_step_of_the_last_move_is_told_for_one_may_have_been_elsewhere_since() -> None:
    before = MovedToStep("ann", "1", T0, 3, "Acuity")
    given(before).when(MoveToStep("ann", "2", T0, 3, "Acuity")).then(
        MovedToStep("ann", "2", T0, 3, "Acuity", previous=3)
    )
    given(before).when(MoveToStep("bob", "2", T0, 3, "Acuity")).then(MovedToStep("bob", "2", T0, 3, "Acuity"))


def test_a_step_remembers_when_it_was_entered_and_completed() -> None:
    record = Record()
    for event in (
        MovedToStep("ann", "1", T0, 3, "Acuity"),
        MovedToStep("bob", "1", T0 + 60, 3, "Acuity"),
        MovedToStep("ann", "2", T0 + 120, 4, "Refraction", completed=3),
        StepUpdated("bob", "2", T0 + 600, 3, "completed", 4),
    ):
        record = evolve(record, event)
    assert record.steps[3] == Step("Acuity", "completed", 4, "bob", T0 + 600, T0, T0 + 120)
    assert record.steps[4] == Step("Refraction", "in_progress", 1, "ann", T0 + 120, T0 + 120)


def test_a_record_has_a_limited_number_of_steps() -> None:
    full = [StepUpdated("ann", f"{n}", T0, n, "waiting", 1) for n in range(STEPS_MAX)]
    refusal = (
        given(*full)
        .when(UpdateStep("ann", "x", T0, STEPS_MAX, "waiting"))
        .then_refused(ErrorCode.LIMIT_EXCEEDED, "step")
    )
    assert not refusal.retry, "waiting makes no room"
    given(*full).when(MoveToStep("ann", "x", T0, STEPS_MAX, "!")).then_refused(ErrorCode.LIMIT_EXCEEDED, "step")
    given(*full).when(UpdateStep("ann", "x", T0, 0, "blocked")).then(
        StepUpdated("ann", "x", T0, 0, "blocked", 2, previous="waiting")
    )


def test_only_the_latest_movers_are_remembered() -> None:
    record = Record()
    for n in range(PEOPLE_MAX + 1):
        record = evolve(record, MovedToStep(f"u{n}", "1", T0, 3, "Acuity"))
    assert len(record.people) == PEOPLE_MAX
    assert "u0" not in record.people


# --- conflicts that clients report -----------------------------------------------------------------------


def test_a_reported_conflict_is_told_once_and_changes_nothing_else() -> None:
    report = ReportConflict("ann", "1", T0, "iop", "two of us")
    reported = ConflictReported("ann", "1", T0, "iop", "two of us")
    given().when(report).then(reported)
    given(reported).when(report).then_nothing()
    record = evolve(Record(), reported)
    assert not record.fields
    assert not record.steps
