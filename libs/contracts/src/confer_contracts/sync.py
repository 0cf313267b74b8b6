"""Field sync: the fields and steps of a record, with versions and history. Owner: sync-svc.

The aggregate is the record of a room: `log.sync.room.<room>.record`; one fact is one commit.
"""

from typing import Literal

from pydantic import Field, JsonValue

from confer_contracts import subjects
from confer_contracts.activity import (
    ActivityChange,
    ActivityKind,
    ActivityQuery,
    ActivityReply,
    ActivityRow,
    PresenceHistory,
    PresenceHistoryReply,
)
from confer_contracts.fields import (
    Change,
    CommittedChange,
    FieldHistory,
    FieldHistoryReply,
    FieldRestore,
    FieldsUpdated,
    FieldUpdate,
    FieldUpdated,
    FieldUpdateReply,
    FieldValue,
    HistoryRow,
    Outcome,
    RecordField,
    RefusedChange,
    Replaced,
    TextEdit,
    absent,
)
from confer_contracts.forms import FormList, FormListReply, FormRegister, FormRegisterReply
from confer_contracts.ids import patient_room, session_room
from confer_contracts.message import Body, Id, Ok, PortalPayload, ShortText, Step, Text
from confer_contracts.route import Call, Fact, Snapshot, View
from confer_contracts.subjects import Kind

SERVICE = "sync"
StepStatus = Literal["waiting", "in_progress", "completed", "blocked"]


class StepUpdate(PortalPayload):
    """Sets the status of a workflow step."""

    patient_id: Id
    step: Step
    status: StepStatus = "in_progress"
    step_name: ShortText | None = None
    op: Id | None = None


class StepUpdateReply(Ok):
    patient_id: str
    step: int
    step_status: StepStatus
    version: int


class StepUpdated(Body):
    """`duration_s`: of a step that was completed by this, since it was begun."""

    patient_id: str
    step: int
    step_name: str | None = None
    status: StepStatus
    version: int
    previous_status: StepStatus | None = Field(default=None, exclude_if=absent)
    duration_s: float | None = Field(default=None, exclude_if=absent)
    user_id: str
    op: str
    timestamp: str


class StepChange(PortalPayload):
    """The caller moved on to another step of the record. Without `from_step` they come from where they last moved to,
    if that was within this visit."""

    patient_id: Id
    step: Step
    step_name: ShortText
    from_step: Step | None = None
    op: Id | None = None


class StepChanged(Body):
    """`previous_step`: where the person came from, where that is known; `duration_s`: since that step was begun, if
    the move completed it."""

    user_id: str
    step: int
    step_name: str
    previous_step: int | None = Field(default=None, exclude_if=absent)
    duration_s: float | None = Field(default=None, exclude_if=absent)
    patient_id: str
    timestamp: str


class FieldCompleted(PortalPayload):
    """The portal's scripts: a field of a hospital_mobile session has its final value."""

    session_id: Id
    step: ShortText
    field_name: Id
    final_value: FieldValue
    user_name: ShortText | None = None
    op: Id | None = None


class LiveFieldUpdated(Body):
    """Also a `field_updated` of the session's record, under the names that the scripts read."""

    session_id: str
    step: str
    field_name: str
    field: str
    new_value: JsonValue
    final_value: JsonValue
    value: JsonValue
    version: int
    outcome: Outcome = Field(default="accepted", exclude_if=lambda outcome: outcome == "accepted")
    replaced: Replaced | None = Field(default=None, exclude_if=absent)
    restored: int | None = Field(default=None, exclude_if=absent)
    user_id: str
    user_name: str
    op: str
    timestamp: str


class FieldConflictDetected(PortalPayload):
    session_id: Id
    field_name: Id
    message: Text | None = None
    op: Id | None = None


class CollaborativeConflict(Body):
    session_id: str
    field_name: str
    message: str
    detecting_user: str
    conflict_id: str
    timestamp: str


class StepState(Body):
    """A workflow step, with the member names of the portal's two generations."""

    step: int
    step_number: int
    step_name: str
    status: StepStatus
    completion_status: StepStatus
    version: int
    assigned_staff: list[dict[str, JsonValue]] = []
    actual_duration: float | None = None  # minutes


class Record(Ok):
    """The sync part of a room's snapshot."""

    as_of: dict[str, int] = {}
    fields: dict[str, RecordField] = {}
    steps: list[StepState] = []


FIELD_UPDATE = Call(
    service=SERVICE, event="field_update", request=FieldUpdate, reply=FieldUpdateReply,
    audience=lambda q: subjects.room_audience(patient_room(q.patient_id)),
    doc="Writes one field, or several in one commit; every member gets `field_updated` or `fields_updated`.",
)  # fmt: skip
STEP_UPDATE = Call(
    service=SERVICE, event="step_update", request=StepUpdate, reply=StepUpdateReply,
    audience=lambda q: subjects.room_audience(patient_room(q.patient_id)),
    doc="Sets a step's status; every member gets `step_updated` and `step_status_updated`.",
)  # fmt: skip
STEP_CHANGE = Call(
    service=SERVICE, event="step_change", request=StepChange, reply=Ok,
    audience=lambda q: subjects.room_audience(patient_room(q.patient_id)),
    doc="The caller moved to a step; the others get `step_changed`.",
)  # fmt: skip
FIELD_COMPLETED = Call(
    service=SERVICE, event="field_completed", request=FieldCompleted, reply=Ok,
    audience=lambda q: subjects.room_audience(session_room(q.session_id)),
    doc="Writes a field of a session's record; the others get `live_field_updated`.",
)  # fmt: skip
FIELD_CONFLICT_DETECTED = Call(
    service=SERVICE, event="field_conflict_detected", request=FieldConflictDetected, reply=Ok,
    audience=lambda q: subjects.room_audience(session_room(q.session_id)),
    doc="A client saw two people edit one field; everybody gets `collaborative_conflict`.",
)  # fmt: skip
ACTIVITY_LOG = Call(
    service=SERVICE, event="activity_log", request=ActivityQuery, reply=ActivityReply,
    audience=lambda q: q.audience, reads=True,
    doc="Who did what when in a record, or a person in all of them; newest first.",
)  # fmt: skip
PRESENCE_HISTORY = Call(
    service=SERVICE, event="presence_history", request=PresenceHistory, reply=PresenceHistoryReply,
    audience=lambda q: subjects.room_audience(q.room), reads=True,
    doc="Who was in a record's room between two times, with the traces of their coming and going.",
)  # fmt: skip
FIELD_HISTORY = Call(
    service=SERVICE, event="field_history", request=FieldHistory, reply=FieldHistoryReply,
    audience=lambda q: subjects.room_audience(q.room), reads=True,
    doc="Who wrote which version of a field, or of a record's fields, instead of what.",
)  # fmt: skip
FIELD_RESTORE = Call(
    service=SERVICE, event="field_restore", request=FieldRestore, reply=FieldUpdateReply,
    audience=lambda q: subjects.room_audience(q.room),
    doc="Writes an older version of a field again; every member gets `field_updated` with `restored`.",
)  # fmt: skip
FORM_REGISTER = Call(
    service=SERVICE, event="form_register", request=FormRegister, reply=FormRegisterReply, public=False,
    doc="Registers the schema of a kind of room's fields; the newest version holds.",
)  # fmt: skip
FORM_LIST = Call(
    service=SERVICE, event="form_list", request=FormList, reply=FormListReply, public=False, ordered=False,
    doc="The forms that hold.",
)  # fmt: skip

CALLS = (
    FIELD_UPDATE, STEP_UPDATE, STEP_CHANGE, FIELD_COMPLETED, FIELD_CONFLICT_DETECTED, ACTIVITY_LOG,
    PRESENCE_HISTORY, FIELD_HISTORY, FIELD_RESTORE, FORM_REGISTER, FORM_LIST,
)  # fmt: skip
SNAPSHOTS = (Snapshot(service=SERVICE, kind=Kind.ROOM, reply=Record, reads=True),)
FACTS = (
    Fact(service=SERVICE, event="field_updated", kind=Kind.ROOM, body=FieldUpdated | LiveFieldUpdated,
         doc="A field has a new value (in the room of a session: with the members of `live_field_updated`)."),
    Fact(service=SERVICE, event="fields_updated", kind=Kind.ROOM, body=FieldsUpdated,
         doc="Several fields have new values, in one commit."),
    Fact(service=SERVICE, event="live_field_updated", kind=Kind.ROOM, body=LiveFieldUpdated, others=True,
         alias_of="field_updated", doc="The second name of a `field_updated` that came from `field_completed`."),
    Fact(service=SERVICE, event="field_conflict", kind=Kind.ROOM, body=FieldUpdated | FieldsUpdated,
         alias_of="field_updated",
         doc="The second name of a `field_updated` or `fields_updated` that wrote over a version which its writer had "
         "not seen: `user_id` replaced what `replaced.user_id` had written."),
    Fact(service=SERVICE, event="step_updated", kind=Kind.ROOM, body=StepUpdated, doc="A step's status changed."),
    Fact(service=SERVICE, event="step_changed", kind=Kind.ROOM, body=StepChanged, others=True,
         doc="A person moved to another step."),
    Fact(service=SERVICE, event="collaborative_conflict", kind=Kind.ROOM, body=CollaborativeConflict,
         doc="A client reported a conflict."),
)  # fmt: skip
VIEWS = (
    View(service=SERVICE, event="step_status_updated", kind=Kind.ROOM, name="steps", body=list[StepState],
         of_snapshot=lambda part: part["steps"],
         doc="All steps of the record."),
)  # fmt: skip

__all__ = [
    "CALLS", "FACTS", "SERVICE", "SNAPSHOTS", "VIEWS", "ActivityChange", "ActivityKind", "ActivityQuery",
    "ActivityReply", "ActivityRow", "Change", "CommittedChange", "FieldHistory", "FieldHistoryReply",
    "FieldRestore", "FieldUpdate", "FieldUpdateReply", "FieldUpdated", "FieldValue", "FieldsUpdated", "FormList",
    "FormListReply", "FormRegister", "FormRegisterReply", "HistoryRow", "PresenceHistory", "PresenceHistoryReply",
    "RecordField", "RefusedChange", "Replaced", "TextEdit",
]  # fmt: skip
