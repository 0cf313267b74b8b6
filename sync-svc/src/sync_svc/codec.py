"""How the record's events are stored: the body is what browsers get, under the event's public name."""

import json
from datetime import datetime
from typing import Any, assert_never

from pydantic import BaseModel

from confer_contracts import sync
from confer_contracts.ids import patient_of, untoken
from confer_contracts.subjects import FactSubject, Kind, stream_of
from confer_kit import clock
from confer_kit.facts import NewFact, StoredFact
from sync_svc.domain import messages as domain
from sync_svc.domain import registry
from sync_svc.domain.record import evolve
from sync_svc.domain.state import Record, size_of

STREAM = stream_of(sync.SERVICE)
KEY, FORM = "record", "form"
REPLACED_BYTES_MAX = 128 * 1024  # of replaced values in one fact, so that it fits into a message; the log has them all


class RecordCodec:
    """The aggregate is the record of a room; its key is the room's token."""

    stream = STREAM
    last_only = False

    def aggregate(self, subject: FactSubject) -> str | None:
        return subject.ident if subject.kind == Kind.ROOM and subject.key == KEY else None

    def guard(self, key: str) -> str:
        return str(_subject(key))

    def initial(self, key: str) -> Record:
        return Record()

    def evolve(self, state: Record, event: domain.Event) -> Record:
        return evolve(state, event)

    def decode(self, fact: StoredFact) -> domain.Event | None:
        """The event behind a fact; None for one that this version does not know."""
        decoder = _DECODERS.get(fact.event or "")
        return decoder(fact, fact.json()) if decoder else None


def encode(event: domain.Event, room: str, origin: str) -> NewFact:
    """The fact of an event in `room` (its token) that came from the session `origin`."""
    alias = fold = None
    match event:
        case domain.FieldsUpdated():
            name, body = _fields(event, room)
            alias = "live_field_updated" if event.form_step else "field_conflict" if _conflicts(event) else None
            fold = None if event.request is None else json.dumps({"request": event.request}).encode()
        case domain.StepUpdated():
            name, body = "step_updated", _step_updated(event, room)
        case domain.MovedToStep():
            name, body = "step_changed", _step_changed(event, room)
            fold = None if event.completed is None else json.dumps({"completed": event.completed}).encode()
        case domain.ConflictReported():
            name, body = "collaborative_conflict", _conflict(event, room)
        case _:
            assert_never(event)
    return NewFact(
        subject=_subject(room), body=body.model_dump_json().encode(), event=name, alias=alias,
        fold=fold, op=event.op, actor=event.user, origin=origin,
    )  # fmt: skip


def _subject(room: str) -> FactSubject:
    return FactSubject(sync.SERVICE, Kind.ROOM, room, KEY)


def owner(room: str) -> str:
    """The id of the patient, or of the session, whose room this is."""
    patient = patient_of(room)
    return untoken(room.removeprefix("session_")) if patient is None else patient


class FormCodec:
    """The aggregate is the form of a kind of room; each fact has the whole schema. Facts without a public name."""

    stream = STREAM
    last_only = True

    def aggregate(self, subject: FactSubject) -> str | None:
        return subject.key if subject.kind == Kind.TOPIC and subject.ident == FORM else None

    def guard(self, key: str) -> str:
        return str(_form_subject(key))

    def initial(self, key: str) -> registry.Registered:
        return registry.Registered()

    def evolve(self, state: registry.Registered, event: registry.FormRegistered) -> registry.Registered:
        return registry.evolve(state, event)

    def decode(self, fact: StoredFact) -> registry.FormRegistered | None:
        body = fact.json()
        return registry.FormRegistered(*_who(fact, body), body["form"])


def encode_form(event: registry.FormRegistered, kind: str, origin: str) -> NewFact:
    body = {"form": event.document, "user_id": event.user, "timestamp": clock.iso(event.at)}
    return NewFact(
        subject=_form_subject(kind), body=json.dumps(body, ensure_ascii=False).encode(), op=event.op,
        actor=event.user, origin=origin,
    )  # fmt: skip


def _form_subject(kind: str) -> FactSubject:
    return FactSubject(sync.SERVICE, Kind.TOPIC, FORM, kind)


# --- events to bodies ------------------------------------------------------------------------------------


def _fields(event: domain.FieldsUpdated, room: str) -> tuple[str, BaseModel]:
    if event.form_step:
        return "field_updated", _live_field_updated(event, event.form_step, room)
    if len(event.changes) == 1:
        return "field_updated", _field_updated(event, room)
    return "fields_updated", sync.FieldsUpdated(
        patient_id=owner(room), changes=committed(event), user_id=event.user, op=event.op,
        timestamp=clock.iso(event.at),
    )  # fmt: skip


def _conflicts(event: domain.FieldsUpdated) -> bool:
    """Whether it wrote over what somebody else had written and the writer had not seen."""
    return any(change.replaced and change.replaced.user != event.user for change in event.changes)


def committed(event: domain.FieldsUpdated) -> list[sync.CommittedChange]:
    """The changes as browsers get them. Replaced values are told up to REPLACED_BYTES_MAX in all."""
    left, told = REPLACED_BYTES_MAX, list[sync.CommittedChange]()
    for c in event.changes:
        replaced = None
        if c.replaced is not None:
            left -= size_of(c.field, c.replaced.value)
            replaced = _replaced(c.replaced, omitted=left < 0)
        told.append(
            sync.CommittedChange(
                field=c.field,
                version=c.version,
                value=c.value,
                outcome=c.outcome,
                replaced=replaced,
                restored=c.restored,
            )
        )
    return told


def _replaced(before: domain.Replaced, *, omitted: bool) -> sync.Replaced:
    return sync.Replaced(
        value=None if omitted else before.value,
        version=before.version,
        user_id=before.user,
        timestamp=clock.iso(before.at),
        omitted=omitted,
    )


def _field_updated(event: domain.FieldsUpdated, room: str) -> BaseModel:
    (change,) = event.changes
    return sync.FieldUpdated(
        patient_id=owner(room),
        field=change.field,
        value=change.value,
        version=change.version,
        outcome=change.outcome,
        replaced=committed(event)[0].replaced if change.replaced else None,
        restored=change.restored,
        user_id=event.user,
        op=event.op,
        timestamp=clock.iso(event.at),
    )


def _live_field_updated(event: domain.FieldsUpdated, form_step: domain.FormStep, room: str) -> BaseModel:
    (change,) = committed(event)
    return sync.LiveFieldUpdated(
        session_id=owner(room),
        step=form_step.step,
        field_name=change.field,
        field=change.field,
        new_value=change.value,
        final_value=change.value,
        value=change.value,
        version=change.version,
        outcome=change.outcome,
        replaced=change.replaced,
        restored=change.restored,
        user_id=event.user,
        user_name=form_step.user_name,
        op=event.op,
        timestamp=clock.iso(event.at),
    )


def _step_updated(event: domain.StepUpdated, room: str) -> BaseModel:
    return sync.StepUpdated(
        patient_id=owner(room),
        step=event.step,
        step_name=event.name,
        status=event.status,
        version=event.version,
        previous_status=event.previous,
        duration_s=event.took_s,
        user_id=event.user,
        op=event.op,
        timestamp=clock.iso(event.at),
    )


def _step_changed(event: domain.MovedToStep, room: str) -> BaseModel:
    return sync.StepChanged(
        user_id=event.user,
        step=event.step,
        step_name=event.name,
        previous_step=event.previous,
        duration_s=event.took_s,
        patient_id=owner(room),
        timestamp=clock.iso(event.at),
    )


def _conflict(event: domain.ConflictReported, room: str) -> BaseModel:
    return sync.CollaborativeConflict(
        session_id=owner(room),
        field_name=event.field,
        message=event.message,
        detecting_user=event.user,
        conflict_id=event.op,
        timestamp=clock.iso(event.at),
    )


# --- facts to events -------------------------------------------------------------------------------------


def _who(fact: StoredFact, body: dict[str, Any]) -> tuple[str, str, float]:
    """User, operation and time: of the commit, not of its arrival, so that every replica folds the same."""
    return fact.actor or "", fact.op or "", _unix(body["timestamp"])


def _unix(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def _read_field(fact: StoredFact, body: dict[str, Any]) -> domain.Event:
    form_step = domain.FormStep(body["step"], body["user_name"]) if "session_id" in body else None
    return domain.FieldsUpdated(*_who(fact, body), (_change(body),), form_step, _request(fact))


def _read_fields(fact: StoredFact, body: dict[str, Any]) -> domain.Event:
    return domain.FieldsUpdated(*_who(fact, body), tuple(map(_change, body["changes"])), None, _request(fact))


def _request(fact: StoredFact) -> str | None:
    return (fact.fold or {}).get("request")


def _change(body: dict[str, Any]) -> domain.Committed:
    """Facts before 0.1.0's policies have neither `replaced` nor `restored`."""
    replaced = body.get("replaced")
    return domain.Committed(
        body["field"], body["value"], body["version"], body.get("outcome", "accepted"),
        replaced and domain.Replaced(
            replaced["value"], replaced["version"], replaced["user_id"], _unix(replaced["timestamp"])
        ),
        body.get("restored"),
    )  # fmt: skip


def _read_step(fact: StoredFact, body: dict[str, Any]) -> domain.Event:
    step, status, version = body["step"], body["status"], body["version"]
    before = body.get("previous_status"), body.get("duration_s")
    return domain.StepUpdated(*_who(fact, body), step, status, version, body["step_name"], *before)


def _read_move(fact: StoredFact, body: dict[str, Any]) -> domain.Event:
    completed = (fact.fold or {}).get("completed")
    before = body.get("previous_step"), body.get("duration_s")
    return domain.MovedToStep(*_who(fact, body), body["step"], body["step_name"], completed, *before)


def _read_conflict(fact: StoredFact, body: dict[str, Any]) -> domain.Event:
    return domain.ConflictReported(*_who(fact, body), body["field_name"], body["message"])


_DECODERS = {
    "field_updated": _read_field,
    "fields_updated": _read_fields,
    "step_updated": _read_step,
    "step_changed": _read_move,
    "collaborative_conflict": _read_conflict,
}
