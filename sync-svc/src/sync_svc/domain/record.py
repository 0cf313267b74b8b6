"""The record of a room: what its commands do to it, and what its events make of it.

A version is a counter per field and per step: 1, 2, 3, without holes. An update may name the version that it was
made from (`base_version`); what happens when that is no longer the current one is the field's policy (`fields`).
"""

from typing import assert_never

from confer_contracts.errors import ErrorCode, Rejection
from sync_svc.domain import fields, steps
from sync_svc.domain.messages import (
    Command,
    ConflictReported,
    Event,
    FieldsUpdated,
    MovedToStep,
    MoveToStep,
    ReportConflict,
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
    WrittenFields,
    WrittenStep,
    fingerprint,
    size_of,
)

# --- decisions -------------------------------------------------------------------------------------------


def decide(command: Command, record: Record) -> Event | None:
    """What the command does to the record; None: nothing, because it already ran."""
    answered = record.operations.find(command.user, command.op)
    if answered is not None:
        _refuse_another_request(command, answered)
        return None
    record.operations.refuse_if_stale(command.user, command.op)
    match command:
        case UpdateFields():
            return fields.update(command, record)
        case UpdateStep():
            return steps.update(command, record)
        case MoveToStep():
            return steps.move(command, record)
        case ReportConflict(user, op, now, name, message):
            return ConflictReported(user, op, now, name, message)
        case _:
            assert_never(command)


def _refuse_another_request(command: Command, answered: Answer) -> None:
    """An operation id names one request: with another it would get an answer to a question it did not ask."""
    match command, answered:
        case UpdateFields(), WrittenFields(request=request):
            same = fields.request_of(command) == request
        case UpdateStep(), WrittenStep(step, status):
            same = (command.step, command.status) == (step, status)
        case MoveToStep(), Moved(step):
            same = command.step == step
        case ReportConflict(), Reported(name):
            same = command.field == name
        case _:
            same = False
    if not same:
        raise Rejection(ErrorCode.INVALID, "op: already names another request of yours", field="op")


# --- the fold --------------------------------------------------------------------------------------------


def evolve(record: Record, event: Event) -> Record:
    """The record after the event; the one before is used up."""
    answer: Answer
    weight = 1
    match event:
        case FieldsUpdated(user, _, at, changes, request=request):
            for c in changes:
                record.put(c.field, Field(c.value, c.version, user, at, size_of(c.field, c.value)))
            asked = request or fingerprint((c.field, c.value) for c in changes)
            answer = WrittenFields(tuple((c.field, c.version, c.outcome) for c in changes), asked)
            weight = len(changes)
        case StepUpdated(user, _, at, step, status, version, name):
            steps.set_status(record, step, status, user, at, name=name)
            answer = WrittenStep(step, status, version)
        case MovedToStep(user, _, at, step, name, completed):
            if completed is not None:
                steps.set_status(record, completed, "completed", user, at)
            steps.set_status(record, step, "in_progress", user, at, name=name)
            steps.stand(record, user, step, at)
            answer = Moved(step)
        case ConflictReported(field=name):
            answer = Reported(name)
        case _:
            assert_never(event)
    steps.saw(record, event.user, event.at)
    record.operations.remember(event.user, event.op, event.at, answer, weight)
    return record
