"""One coroutine per call: request -> command -> one append -> the answer, which the state after it gives.

First run and repeat of an operation take the same way, so they get the same answer.
"""

from dataclasses import replace

from confer_contracts import sync
from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.ids import patient_room, session_room
from confer_contracts.message import Ok
from confer_contracts.presence import RoomSnapshotRequest
from confer_kit.calls import Context
from confer_kit.facts import NewFact
from confer_kit.ledger import Ledger
from confer_kit.service import Service
from sync_svc import metrics, views
from sync_svc.activity import Activity
from sync_svc.audit_event import audit_event
from sync_svc.codec import STREAM, encode, owner
from sync_svc.domain import fields
from sync_svc.domain.fields import BasesNeeded
from sync_svc.domain.messages import (
    Change,
    Command,
    Event,
    FormStep,
    Json,
    MoveToStep,
    ReportConflict,
    UpdateFields,
    UpdateStep,
)
from sync_svc.domain.record import decide
from sync_svc.domain.registry import RegisterForm
from sync_svc.domain.state import Answer, Record, WrittenFields, WrittenStep
from sync_svc.forms import Forms
from sync_svc.history import SEARCHED_MAX, History

CONFLICT_MESSAGE = "Several people are editing this field."


class Handlers:
    def __init__(
        self, service: Service, ledger: Ledger[Record, Event], history: History, forms: Forms, activity: Activity
    ) -> None:
        self._service = service
        self._ledger = ledger
        self._history = history
        self._forms = forms
        self._activity = activity

    async def field_update(self, request: sync.FieldUpdate, context: Context) -> sync.FieldUpdateReply:
        room = patient_room(request.patient_id)
        command = UpdateFields(
            context.identity.user_id, context.op, context.now, _changes(request), form=await self._forms.of(room),
            partial=request.partial,
        )  # fmt: skip
        return await self._update(room, command, context, request.field is not None)

    async def field_completed(self, request: sync.FieldCompleted, context: Context) -> Ok:
        """The same commit on the session's record; its fact has the scripts' name beside ours."""
        who = context.identity
        change = Change(request.field_name, request.final_value)
        room, form_step = session_room(request.session_id), FormStep(request.step, who.name)
        form = await self._forms.of(room)
        await self._run(room, UpdateFields(who.user_id, context.op, context.now, (change,), form_step, form), context)
        return Ok(op=context.op)

    async def step_update(self, request: sync.StepUpdate, context: Context) -> sync.StepUpdateReply:
        user = context.identity.user_id
        command = UpdateStep(user, context.op, context.now, request.step, request.status, request.step_name)
        answer = _answer(await self._run(patient_room(request.patient_id), command, context), command)
        assert isinstance(answer, WrittenStep)
        return sync.StepUpdateReply(
            op=context.op,
            patient_id=request.patient_id,
            step=answer.step,
            step_status=answer.status,
            version=answer.version,
        )

    async def step_change(self, request: sync.StepChange, context: Context) -> Ok:
        room, user = patient_room(request.patient_id), context.identity.user_id
        form = await self._forms.of(room)
        command = MoveToStep(user, context.op, context.now, request.step, request.step_name, request.from_step, form)
        await self._run(room, command, context)
        return Ok(op=context.op)

    async def field_conflict_detected(self, request: sync.FieldConflictDetected, context: Context) -> Ok:
        message = request.message or CONFLICT_MESSAGE
        command = ReportConflict(context.identity.user_id, context.op, context.now, request.field_name, message)
        await self._run(session_room(request.session_id), command, context)
        return Ok(op=context.op)

    async def activity_log(self, request: sync.ActivityQuery, context: Context) -> sync.ActivityReply:
        page = await self._activity.page(request)
        fhir = request.format == "fhir"
        return sync.ActivityReply(
            op=context.op,
            rows=[] if fhir else page.rows,
            events=[audit_event(row) for row in page.rows] if fhir else [],
            more=page.before is not None,
            before=page.before,
            trimmed=page.trimmed,
        )

    async def presence_history(self, request: sync.PresenceHistory, context: Context) -> sync.PresenceHistoryReply:
        return (await self._activity.stays(request)).model_copy(update={"op": context.op})

    async def field_history(self, request: sync.FieldHistory, context: Context) -> sync.FieldHistoryReply:
        rows, before = await self._history.page(request.room, request.field, request.limit, request.before)
        return sync.FieldHistoryReply(op=context.op, rows=[views.row(row) for row in rows], before=before)

    async def field_restore(self, request: sync.FieldRestore, context: Context) -> sync.FieldUpdateReply:
        """A session's restored field is told under the names that its scripts read."""
        room, who = request.room, context.identity
        value = await self._version(room, request.field, request.version)
        change = Change(request.field, value, request.base_version, restores=request.version)
        form, form_step = await self._forms.of(room), None
        if request.session_id is not None:
            form_step = FormStep(request.step, who.name)
        command = UpdateFields(who.user_id, context.op, context.now, (change,), form_step, form)
        return await self._update(room, command, context, short=True)

    async def form_register(self, request: sync.FormRegister, context: Context) -> sync.FormRegisterReply:
        command = RegisterForm(context.identity.user_id, context.op, context.now, request.form)
        version = await self._forms.register(request.kind, command, context.deadline, context.identity.session)
        return sync.FormRegisterReply(op=context.op, kind=request.kind, version=version)

    async def form_list(self, request: sync.FormList, context: Context) -> sync.FormListReply:
        held = await self._forms.held()
        return sync.FormListReply(op=context.op, forms=[views.form(kind, registered) for kind, registered in held])

    async def snapshot(self, request: RoomSnapshotRequest) -> sync.Record:
        """`as_of` is at least where the follower was when this began, for the fold is never behind it."""
        position = self._service.position
        form = await self._forms.of(request.id)
        folded = await self._ledger.load(request.id)
        return views.snapshot(folded.state, form, as_of={STREAM: max(position, folded.seq)})

    async def _update(self, room: str, command: UpdateFields, context: Context, short: bool) -> sync.FieldUpdateReply:
        """The answer to an update of fields; `short`: of one field, which the answer names beside the changes."""
        try:
            record = await self._run(room, command, context)
        except BasesNeeded as question:
            found = await self._history.bases(room, question.wanted)
            command = replace(command, bases=found)
            record = await self._run(room, command, context)
        answer = _answer(record, command)
        assert isinstance(answer, WrittenFields)
        left_out = [views.refused(why) for why in fields.refused(command, answer, record)]
        changes = await self._committed(room, command, answer, record)
        for each in changes:
            metrics.CHANGES.labels(each.outcome).inc()
        if left_out:
            metrics.CHANGES.labels("refused").inc(len(left_out))
        only = changes[0] if short else None
        return sync.FieldUpdateReply(
            op=context.op,
            patient_id=owner(room),
            field=only.field if only else None,
            version=only.version if only else None,
            changes=changes,
            refused=left_out,
        )

    async def _version(self, room: str, name: str, number: int) -> Json:
        """The value of a version. Rejection when there is none, or none that can be found."""
        record = (await self._ledger.load(room)).state
        current = record.fields.get(name)
        if current is None or number > current.version:
            at = current.version if current else 0
            rule = f"version: is {number}, but field {name!r} is at version {at}"
            raise Rejection(ErrorCode.INVALID, rule, field="version", details={"current_version": at})
        if known := record.version(name, number):
            return known.value
        found = await self._history.bases(room, {(name, number)})
        if (name, number) not in found:
            rule = f"version: {number} of field {name!r} is not among the latest {SEARCHED_MAX} changes of the record"
            raise Rejection(ErrorCode.NOT_FOUND, rule, field="version")
        return found[name, number]

    async def _committed(
        self, room: str, command: UpdateFields, answer: WrittenFields, record: Record
    ) -> list[sync.CommittedChange]:
        """The fold keeps no value for each operation: what was written is what the caller sent, or what was merged,
        which the record has, or the log."""
        asked = {change.field: change for change in command.changes}
        merged = {(name, version) for name, version, outcome in answer.changes if outcome == "merged"}
        known = {at: found.value for at in merged if (found := record.version(*at))}
        if missing := merged - known.keys():
            known |= await self._history.bases(room, missing)
        if merged - known.keys():
            raise Rejection(ErrorCode.STALE_OPERATION, "op: ran too long ago to tell what was merged", field="op")
        return [
            sync.CommittedChange(
                field=name, version=version, value=known.get((name, version), asked[name].value), outcome=outcome,
                restored=None if outcome == "merged" else asked[name].restores,
            )
            for name, version, outcome in answer.changes
        ]  # fmt: skip

    async def _run(self, room: str, command: Command, context: Context) -> Record:
        """The record after the operation's first run, or after this one: it holds the answer."""

        def attempt(record: Record) -> NewFact | None:
            event = decide(command, record)
            return None if event is None else encode(event, room, context.identity.session)

        try:
            folded = await self._ledger.transact(room, attempt, context.deadline)
        except fields.UpdateRefused as refusal:
            raise views.refusal(refusal) from refusal
        return folded.state


def _answer(record: Record, command: Command) -> Answer:
    answer = record.operations.find(command.user, command.op)
    assert answer is not None, "the state after a command holds its operation"
    return answer


def _changes(request: sync.FieldUpdate) -> tuple[Change, ...]:
    if request.field is not None:
        return (Change(request.field, request.value, request.base_version),)
    return tuple(Change(c.field, c.value, c.base_version) for c in request.changes or ())
