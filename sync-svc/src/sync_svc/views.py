"""What the record looks like from outside: the steps as the portal draws them, and the sync part of a snapshot."""

from pydantic import TypeAdapter

from confer_contracts import sync
from confer_kit import clock
from sync_svc.domain.record import Record, Step

_STEPS = TypeAdapter(list[sync.StepState])


def steps(record: Record) -> list[sync.StepState]:
    """All steps that somebody has been on or set, by number."""
    return [_step(number, record.steps[number], record) for number in sorted(record.steps)]


def steps_body(record: Record) -> bytes:
    """The body of `step_status_updated`."""
    return _STEPS.dump_json(steps(record))


def snapshot(record: Record, as_of: dict[str, int]) -> sync.Record:
    """All fields and steps, true at the source sequences `as_of`."""
    fields = {
        name: sync.RecordField(value=f.value, version=f.version, user_id=f.user, timestamp=clock.iso(f.at))
        for name, f in record.fields.items()
    }
    return sync.Record(as_of=as_of, fields=fields, steps=steps(record))


def _step(number: int, step: Step, record: Record) -> sync.StepState:
    """The staff of a step are those who moved to it while it is in progress. Their names are presence's: the form
    draws one for each, so the id stands in."""
    staff = [user for user, at in record.people.items() if at == number] if step.status == "in_progress" else []
    return sync.StepState(
        step=number,
        step_number=number,
        step_name=step.name or f"Step {number}",
        status=step.status,
        completion_status=step.status,
        version=step.version,
        assigned_staff=[{"user_id": user, "name": user} for user in staff],
        actual_duration=_minutes(step),
    )


def _minutes(step: Step) -> float | None:
    """How long a completed step took, from when it was last begun."""
    if step.completed_at is None or step.entered_at is None:
        return None
    return round(max(0.0, step.completed_at - step.entered_at) / 60, 2)
