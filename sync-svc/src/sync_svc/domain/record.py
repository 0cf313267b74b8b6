"""The record of a room: its fields and workflow steps, a version each, and the step that everybody is on.

A version is a counter per field and per step: 1, 2, 3, without holes. An update may name the version that it was
made from (`base_version`); what happens when that is no longer the current one is the field's policy.
"""

import json
from dataclasses import dataclass, field
from typing import assert_never

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.operations import OperationLog
from sync_svc.domain.messages import (
    Change,
    Command,
    Committed,
    ConflictReported,
    Event,
    FieldsUpdated,
    Json,
    MovedToStep,
    MoveToStep,
    Outcome,
    ReportConflict,
    StepStatus,
    StepUpdated,
    UpdateFields,
    UpdateStep,
)

FIELDS_MAX = 1000  # per record
RECORD_BYTES_MAX = 512 * 1024  # all names and values as JSON, so that a snapshot fits into one message
STEPS_MAX = 100
PEOPLE_MAX = 200  # whose step is remembered, the latest movers


# --- state -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Field:
    value: Json
    version: int
    user: str
    at: float
    size: int  # bytes of JSON, its name included


@dataclass(frozen=True, slots=True)
class Step:
    """`entered_at`: since when it is, or was last, in progress; `completed_at`: since when it is completed."""

    name: str | None
    status: StepStatus
    version: int
    user: str
    at: float
    entered_at: float | None = None
    completed_at: float | None = None


@dataclass(frozen=True, slots=True)
class WrittenFields:
    """What an update of fields answered: (field, version, outcome) of each. The values are the caller's own."""

    changes: tuple[tuple[str, int, Outcome], ...]


@dataclass(frozen=True, slots=True)
class WrittenStep:
    step: int
    status: StepStatus
    version: int


@dataclass(frozen=True, slots=True)
class Moved:
    step: int


@dataclass(frozen=True, slots=True)
class Reported:
    field: str


Answer = WrittenFields | WrittenStep | Moved | Reported


@dataclass(slots=True)
class Record:
    """`people`: user -> the step of their last move here, the latest mover last; a person who left and came back
    may stand elsewhere, which presence knows. `size`: bytes of all fields."""

    fields: dict[str, Field] = field(default_factory=dict)
    steps: dict[int, Step] = field(default_factory=dict)
    people: dict[str, int] = field(default_factory=dict)
    operations: OperationLog[Answer] = field(default_factory=OperationLog)
    size: int = 0


# --- decisions -------------------------------------------------------------------------------------------


def decide(command: Command, record: Record) -> Event | None:
    """What the command does to the record; None: nothing, because it already ran."""
    answered = record.operations.find(command.user, command.op)
    if answered is not None:
        _refuse_another_request(command, answered)
        return None
    record.operations.refuse_if_stale(command.user, command.op, command.now)
    match command:
        case UpdateFields(user, op, now, changes, form_step):
            _refuse_if_too_large(changes, record)
            committed = tuple(_commit(change, record.fields.get(change.field)) for change in changes)
            return FieldsUpdated(user, op, now, committed, form_step)
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
        case UpdateFields(), WrittenFields(changes):
            same = {change.field for change in command.changes} == {name for name, _, _ in changes}
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


def _refuse_if_too_large(changes: tuple[Change, ...], record: Record) -> None:
    added = sum(change.field not in record.fields for change in changes)
    if len(record.fields) + added > FIELDS_MAX:
        raise _full(f"field: a record has at most {FIELDS_MAX} fields", "field")
    replaced = sum(record.fields[change.field].size for change in changes if change.field in record.fields)
    size = record.size - replaced + sum(_size(change.field, change.value) for change in changes)
    if size > RECORD_BYTES_MAX:
        raise _full(f"value: the fields of a record have at most {RECORD_BYTES_MAX} bytes of JSON together", "value")


def _refuse_another_step(step: int, record: Record) -> None:
    if step not in record.steps and len(record.steps) >= STEPS_MAX:
        raise _full(f"step: a record has at most {STEPS_MAX} steps", "step")


def _full(rule: str, name: str) -> Rejection:
    """Waiting makes no room in a record: sent again, the request would only hold up what waits behind it."""
    return Rejection(ErrorCode.LIMIT_EXCEEDED, rule, field=name, retry=False)


def _commit(change: Change, current: Field | None) -> Committed:
    """The policy `last_write`: a stale base is accepted, and the writer told. Other policies belong here."""
    version = _version_of(current)
    base = version if change.base_version is None else change.base_version
    if base > version:
        message = f"base_version: is {base}, but field {change.field!r} is at version {version}"
        raise Rejection(ErrorCode.INVALID, message, field="base_version", details={"current_version": version})
    return Committed(change.field, change.value, version + 1, "accepted" if base == version else "overwrote")


def _left_behind(before: int | None, step: int, record: Record) -> int | None:
    """Going forward completes the step that one comes from, unless it is blocked or done already."""
    if before is None or before >= step:
        return None
    left = record.steps.get(before)
    return before if left is None or left.status not in ("blocked", "completed") else None


def _version_of(current: Field | Step | None) -> int:
    return current.version if current else 0


def _size(name: str, value: Json) -> int:
    return len(json.dumps((name, value), ensure_ascii=False).encode(errors="surrogatepass"))


# --- the fold --------------------------------------------------------------------------------------------


def evolve(record: Record, event: Event) -> Record:
    """The record after the event; the one before is used up."""
    answer: Answer
    match event:
        case FieldsUpdated(user, _, at, changes):
            for change in changes:
                _put(record, change, user, at)
            answer = WrittenFields(tuple((c.field, c.version, c.outcome) for c in changes))
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


def _put(record: Record, change: Committed, user: str, at: float) -> None:
    replaced = record.fields.get(change.field)
    size = _size(change.field, change.value)
    record.size += size - (replaced.size if replaced else 0)
    record.fields[change.field] = Field(change.value, change.version, user, at, size)


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
