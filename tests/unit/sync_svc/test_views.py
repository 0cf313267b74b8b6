"""What the portal draws."""

from sync_svc import views
from sync_svc.domain.form import FREE
from sync_svc.domain.messages import Committed, FieldsUpdated, MovedToStep, StepUpdated
from sync_svc.domain.record import evolve
from sync_svc.domain.state import Record
from sync_svc.forms import SchemaForm

T0 = 1_750_000_000.0


def test_steps_come_in_order_with_both_generations_of_names() -> None:
    record = Record()
    for event in (
        MovedToStep("ann", "1", T0, 3, "Acuity"),
        StepUpdated("bob", "1", T0, 0, "blocked", 1),
        MovedToStep("ann", "2", T0 + 90, 4, "Refraction", completed=3),
    ):
        record = evolve(record, event)
    rows = [row.model_dump() for row in views.steps(record, FREE)]
    assert [(row["step"], row["step_number"], row["step_name"]) for row in rows] == [
        (0, 0, "Step 0"), (3, 3, "Acuity"), (4, 4, "Refraction")
    ]  # fmt: skip
    assert [row["status"] for row in rows] == ["blocked", "completed", "in_progress"]
    assert [row["completion_status"] for row in rows] == [row["status"] for row in rows]
    assert [row["actual_duration"] for row in rows] == [None, 1.5, None]
    assert rows[2]["assigned_staff"] == [{"user_id": "ann", "name": "ann"}]
    assert rows[1]["assigned_staff"] == []


def test_a_snapshot_has_fields_steps_and_where_it_is_true() -> None:
    record = evolve(Record(), FieldsUpdated("ann", "1", T0, (Committed("iop", 14, 1),)))
    record = evolve(record, StepUpdated("ann", "2", T0, 1, "waiting", 1))
    part = views.snapshot(record, FREE, as_of={"SYNC": 7}).model_dump()
    assert part["as_of"] == {"SYNC": 7}
    assert part["fields"]["iop"] == {
        "value": 14, "version": 1, "user_id": "ann", "timestamp": "2025-06-15T15:06:40.000Z"
    }  # fmt: skip
    assert [row["step"] for row in part["steps"]] == [1]


def test_the_forms_workflow_comes_first_and_whole() -> None:
    form = SchemaForm(
        {"x-confer-version": 1, "x-confer-steps": [{"step": 5, "name": "Intake"}, {"step": 2, "name": "Acuity"}]}
    )
    record = evolve(Record(), MovedToStep("ann", "1", T0, 2, "Visus"))
    record = evolve(record, MovedToStep("ann", "2", T0, 1, "Other"))
    rows = [(row.step, row.step_name, row.status, row.version) for row in views.steps(record, form)]
    assert rows == [(5, "Intake", "waiting", 0), (2, "Visus", "in_progress", 1), (1, "Other", "in_progress", 1)]
