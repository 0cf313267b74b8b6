"""Fields: values, versions, updates, what became of a stale base, and history. Part of `sync`."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AliasChoices, Field, JsonValue, model_validator

from confer_contracts.ids import patient_room, session_room
from confer_contracts.json_text import encoding
from confer_contracts.message import (
    VALUE_BYTES_MAX,
    VALUE_DEPTH_MAX,
    Body,
    Id,
    Ok,
    Payload,
    PortalPayload,
    ShortText,
    Version,
)

CHANGES_MAX = 500
NUMBER_MAX = 2**63  # parsers make inexact numbers of longer integers, without a word
Outcome = Literal["accepted", "overwrote", "merged"]


_strict = encoding(ensure_ascii=False, allow_nan=False)  # 1e999 would be stored as null


def _bounded(value: Any) -> Any:
    exact = True
    level, items = 0, [value]  # all of one level of nesting
    while items and level <= VALUE_DEPTH_MAX:
        level, inner = level + 1, list[Any]()
        for item in items:
            if isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, list):
                inner += item
            elif isinstance(item, int | float) and not -NUMBER_MAX <= item < NUMBER_MAX:
                exact = False
        items = inner
    if level > VALUE_DEPTH_MAX:
        raise ValueError(f"must not be nested deeper than {VALUE_DEPTH_MAX} levels")
    text = _strict(value)
    if not exact:
        raise ValueError("must not hold a number below -2^63, or of 2^63 or more: send such a one as text")
    if len(text) > VALUE_BYTES_MAX or len(text.encode(errors="surrogatepass")) > VALUE_BYTES_MAX:
        raise ValueError(f"must not be larger than {VALUE_BYTES_MAX} bytes of JSON")
    return value


def absent(value: object) -> bool:
    """A member that most messages do not have is left out of those."""
    return value is None or value == []


FieldValue = Annotated[JsonValue, AfterValidator(_bounded)]


class RecordField(Body):
    """A field as it is: `user_id` wrote this version at `timestamp`."""

    value: JsonValue
    version: int
    user_id: str
    timestamp: str


class Replaced(RecordField):
    """The version that a writer wrote over without having seen it. `omitted`: its value is too large to be told
    here; the history has it."""

    omitted: bool = Field(default=False, exclude_if=lambda omitted: not omitted)


class Change(Payload):
    """A new value for one field. Without `base_version` the last writer wins."""

    field: Id = Field(validation_alias=AliasChoices("field", "field_name"))
    value: FieldValue = Field(validation_alias=AliasChoices("value", "new_value"))
    base_version: Version | None = None


class FieldUpdate(PortalPayload):
    """One change (`field`, `value`, `base_version`), or several at once (`changes`): one commit either way.

    `partial`: commit the changes that can be, and tell the others in `refused`; without it, all or nothing.
    """

    patient_id: Id
    field: Id | None = Field(default=None, validation_alias=AliasChoices("field", "field_name"))
    value: FieldValue = Field(default=None, validation_alias=AliasChoices("value", "new_value"))
    base_version: Version | None = None
    changes: Annotated[list[Change], Field(min_length=1, max_length=CHANGES_MAX)] | None = None
    partial: Annotated[bool, Field(strict=True)] = False
    op: Id | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "FieldUpdate":
        if (self.field is None) == (self.changes is None):
            raise ValueError("either `field` with `value`, or `changes`, must be given")
        if self.field is not None and "value" not in self.model_fields_set:
            raise ValueError("value: must be given")
        if self.changes and len({c.field for c in self.changes}) != len(self.changes):
            raise ValueError("changes: must not name a field twice")
        return self


class CommittedChange(Body):
    """A field as it is after a commit. `outcome` tells what became of a stale base: `overwrote` what is in
    `replaced`, or `merged` with it, so that `value` is not what the writer sent. `restored`: the version that it
    repeats."""

    field: str
    version: int
    value: JsonValue = None
    outcome: Outcome = "accepted"
    replaced: Replaced | None = Field(default=None, exclude_if=absent)
    restored: int | None = Field(default=None, exclude_if=absent)


class RefusedChange(Body):
    """A change that is not in the commit: why, and what the field is instead (null: nobody wrote it yet)."""

    field: str
    code: Literal["conflict", "invalid"]
    message: str
    current: RecordField | None = None


class FieldUpdateReply(Ok):
    """`field` and `version` repeat the one change of the short form. A refusal has `refused` beside its members."""

    patient_id: str
    field: str | None = None
    version: int | None = None
    changes: list[CommittedChange] = []
    refused: list[RefusedChange] = Field(default=[], exclude_if=absent)


class FieldUpdated(Body):
    """One field changed. Ignore a version at or below your own."""

    patient_id: str
    field: str
    value: JsonValue
    version: int
    outcome: Outcome = "accepted"
    replaced: Replaced | None = Field(default=None, exclude_if=absent)
    restored: int | None = Field(default=None, exclude_if=absent)
    user_id: str
    op: str
    timestamp: str


class FieldsUpdated(Body):
    """Several fields changed in one commit."""

    patient_id: str
    changes: list[CommittedChange]
    user_id: str
    op: str
    timestamp: str


def record_room(patient_id: str | None, session_id: str | None) -> str:
    """The token of the room whose record it is; one of both is given."""
    if session_id is not None:
        return session_room(session_id)
    assert patient_id is not None
    return patient_room(patient_id)


class OfRecord(Payload):
    """Of a patient's record, or of a hospital_mobile session's."""

    patient_id: Id | None = None
    session_id: Id | None = None

    @model_validator(mode="after")
    def _one_record(self) -> Self:
        if (self.patient_id is None) == (self.session_id is None):
            raise ValueError("patient_id or session_id must be given, and not both")
        return self

    @property
    def room(self) -> str:
        return record_room(self.patient_id, self.session_id)


class FieldHistory(OfRecord):
    """The versions of a field, or of all fields of a record, newest first. `before`: the last page's."""

    field: Id | None = None
    limit: Annotated[int, Field(strict=True, ge=1, le=200)] = 50
    before: Annotated[int, Field(strict=True, ge=1, le=2**53)] | None = None


class TextEdit(Body):
    """At this character of the old text, `removed` became `added`."""

    at: int
    removed: str
    added: str


class HistoryRow(Body):
    """A version: who wrote what when, and instead of what. `previous`: the version before, where it was near enough
    to be found; `diff`: from its text to this one, where both are texts and not too long."""

    field: str
    version: int
    value: JsonValue
    outcome: Outcome
    user_id: str
    op: str
    timestamp: str
    restored: int | None = None
    previous: RecordField | None = None
    diff: list[TextEdit] | None = None


class FieldHistoryReply(Ok):
    """Whole commits: a page may be longer than asked for, or shorter, so that it fits into a message. `before`: ask
    for older rows with it; null: there are none."""

    rows: list[HistoryRow] = []
    before: int | None = None


class FieldRestore(OfRecord):
    """Writes an older version again, as an update made from `base_version` would. `step`: where in a session's form,
    for those who draw it."""

    step: ShortText = ""
    field: Id
    version: Annotated[int, Field(strict=True, ge=1, le=2**53)]
    base_version: Version | None = None
    op: Id | None = None
