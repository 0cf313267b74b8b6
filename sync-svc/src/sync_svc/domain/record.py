"""The record of a room: what its commands do to it, and what its events make of it.

A version is a counter per field and per step: 1, 2, 3, without holes. An update may name the version that it was
made from (`base_version`); what happens when that is no longer the current one is the field's policy (`fields`).
"""

from typing import assert_never

from confer_contracts.errors import ErrorCode, Rejection
from sync_svc.domain import fields
from sync_svc.domain.messages import (
    Command,
    ConflictReported,
    Event,
    FieldsUpdated,
    MovedToStep,
    MoveToStep,
    ReportConflict,
    StepStatus,
    StepUpdated,
    UpdateFields,
    UpdateStep,
)
from sync_svc.domain.state import (
    Answer,
    Field,
    Moved,
    Record,
    Reported,
    Step,
    WrittenFields,
    WrittenStep,
    fingerprint,
    size_of,
)

STEPS_MAX = 100
PEOPLE_MAX = 200  # whose step is remembered, the latest movers


# --- decisions -------------------------------------------------------------------------------------------


def decide(command: Command, record: Record) -> Event | None:
    """What the command does to the record; None: nothing, because it already ran."""
    answered = record.operations.find(command.user, command.op)
    if answered is not None:
        _refuse_another_request(command, answered)
        return None
    record.operations.refuse_if_stale(command.user, command.op, command.now)
    match command:
        case UpdateFields():
            return fields.update(command, record)
        case UpdateStep(user, op, now, step, status, name):
            _refuse_another_step(step, record)
            return StepUpdated(user, op, now, step, status, _version_of(record.steps.get(step)) + 1, name)
        case MoveToStep(user, op, now, step, name):
            _refuse_another_step(step, record)
            return MovedToStep(user, op, now, step, name, _left_behind(record.people.get(user), step, record))
        case ReportConflict(user, op, now, name, message):
            return ConflictReported(user, op, now, name, message)
        case _:
            assert_never(command)


def _refuse_another_request(command: Command, answered: Answer) -> None:
    """An operation id names one request: with another it would get an answer to a question it did not ask."""
    match command, answered:
        case UpdateFields(), WrittenFields(request=request):
            same = fields.request_of(command) == request
        case UpdateStep(), WrittenStep(step):
            same = command.step == step
        case MoveToStep(), Moved(step):
            same = command.step == step
        case ReportConflict(), Reported(name):
            same = command.field == name
        case _:
            same = False
    if not same:
        raise Rejection(ErrorCode.INVALID, "op: already names another request of yours", field="op")


def _refuse_another_step(step: int, record: Record) -> None:
    if step not in record.steps and len(record.steps) >= STEPS_MAX:
        raise fields.full(f"step: a record has at most {STEPS_MAX} steps", "step")


def _left_behind(before: int | None, step: int, record: Record) -> int | None:
    """Going forward completes the step that one comes from, unless it is blocked or done already."""
    if before is None or before >= step:
        return None
    left = record.steps.get(before)
    return before if left is None or left.status not in ("blocked", "completed") else None


def _version_of(current: Step | None) -> int:
    return current.version if current else 0


# --- the fold --------------------------------------------------------------------------------------------


def evolve(record: Record, event: Event) -> Record:
    """The record after the event; the one before is used up."""
    answer: Answer
    match event:
        case FieldsUpdated(user, _, at, changes, request=request):
            for c in changes:
                record.put(c.field, Field(c.value, c.version, user, at, size_of(c.field, c.value)))
            asked = request or fingerprint((c.field, c.value) for c in changes)
            answer = WrittenFields(tuple((c.field, c.version, c.outcome) for c in changes), asked)
        case StepUpdated(user, _, at, step, status, version, name):
            _set(record, step, status, user, at, name=name)
            answer = WrittenStep(step, status, version)
        case MovedToStep(user, _, at, step, name, completed):
            if completed is not None:
                _set(record, completed, "completed", user, at)
            _set(record, step, "in_progress", user, at, name=name)
            _stand(record, user, step)
            answer = Moved(step)
        case ConflictReported(field=name):
            answer = Reported(name)
        case _:
            assert_never(event)
    record.operations.remember(event.user, event.op, event.at, answer)
    return record


def _set(record: Record, step: int, status: StepStatus, user: str, at: float, *, name: str | None = None) -> None:
    before = record.steps.get(step) or Step(None, "waiting", 0, user, at)
    changed = before.status != status
    record.steps[step] = Step(
        name=name or before.name,
        status=status,
        version=before.version + 1,
        user=user,
        at=at,
        entered_at=at if changed and status == "in_progress" else before.entered_at,
        completed_at=(at if changed else before.completed_at) if status == "completed" else None,
    )


def _stand(record: Record, user: str, step: int) -> None:
    record.people.pop(user, None)
    record.people[user] = step
    if len(record.people) > PEOPLE_MAX:
        del record.people[next(iter(record.people))]
