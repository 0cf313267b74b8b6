"""The activity log: who did what when, who read it, and what was refused. Part of `sync`."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, JsonValue, model_validator

from confer_contracts import subjects
from confer_contracts.fields import OfRecord, absent, record_room
from confer_contracts.message import Body, Id, Ok, Payload
from confer_contracts.subjects import Kind

ROWS_MAX = 200  # of a page
ActivityKind = Literal["field", "step", "presence", "queue", "notification", "read", "refusal"]


def _moment(text: str) -> str:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a date and time as of ISO 8601") from None
    if at.tzinfo is None:
        raise ValueError("must name its time zone, as in 2025-11-22T08:00:00Z")
    return text


Moment = Annotated[str, Field(strict=True, max_length=40), AfterValidator(_moment)]


class ActivityQuery(Payload):
    """Who did what, newest first: in a record (`patient_id` or `session_id`), by a person (`user`), or by a person in
    a record.

    kinds    of which rows; without it of all but `read` and `refusal`
    since    only rows from then on; `until`: only rows before then
    before   the reply's `before`, or the `sequence` of the last row that you have
    format   `fhir`: as AuditEvent resources of FHIR R4 (4.0.1), in `events`
    """

    patient_id: Id | None = None
    session_id: Id | None = None
    user: Id | None = None
    kinds: Annotated[list[ActivityKind], Field(min_length=1, max_length=20)] | None = None
    since: Moment | None = None
    until: Moment | None = None
    limit: Annotated[int, Field(strict=True, ge=1, le=ROWS_MAX)] = 50
    before: Annotated[int, Field(strict=True, ge=1, le=2**53)] | None = None
    format: Literal["rows", "fhir"] = "rows"

    @model_validator(mode="after")
    def _of_something(self) -> "ActivityQuery":
        if self.patient_id is not None and self.session_id is not None:
            raise ValueError("patient_id and session_id must not both be given")
        if (self.patient_id, self.session_id, self.user) == (None, None, None):
            raise ValueError("patient_id, session_id or user must be given")
        return self

    @property
    def room(self) -> str | None:
        """The token of the record's room; None: of all records."""
        if self.patient_id is None and self.session_id is None:
            return None
        return record_room(self.patient_id, self.session_id)

    @property
    def audience(self) -> str:
        """Whose rights it takes: the record's, or those of a person over all records."""
        if self.room is not None:
            return subjects.room_audience(self.room)
        assert self.user is not None
        return subjects.audience(Kind.USER, self.user)


class ActivityChange(Body):
    """`name` (a field, `step`, `status`) went from `old` to `new`.

    unknown   what was before is not known any more
    omitted   the values are too large for a page; `detail` has the new one, the history both
    """

    name: str
    old: JsonValue = None
    new: JsonValue = None
    version: int | None = Field(default=None, exclude_if=absent)
    unknown: bool = Field(default=False, exclude_if=lambda it: not it)
    omitted: bool = Field(default=False, exclude_if=lambda it: not it)


class ActivityRow(Body):
    """`audience`: where, as people know it (`room.screening_P-1`, `queue.eyes`, `user.anna`). `outcome`: `ok`, what
    became of a stale base (`overwrote`, `merged`), the code of a refusal, or `unreadable`: no service wrote it.
    `detail`: the fact's body; of a notification only that and to whom it was sent."""

    sequence: int
    timestamp: str
    service: str
    event: str
    user_id: str
    op: str | None = None
    trace_id: str | None = None
    detail: JsonValue = None
    kind: ActivityKind
    audience: str
    patient_id: str | None = None
    session_id: str | None = None
    outcome: str = "ok"
    changes: list[ActivityChange] = []


class ActivityReply(Ok):
    """A page may be shorter than asked for, also empty, where it would not fit into a message or too much had to be
    looked through. `before`: ask with it for what is older (`more`). `trimmed`: even older rows are no longer
    listed."""

    rows: list[ActivityRow] = []
    events: list[dict[str, Any]] = Field(default=[], exclude_if=absent)
    more: bool = False
    before: int | None = None
    trimmed: bool = False


class PresenceHistory(OfRecord):
    """Who was in a record's room between two times. `before`: the reply's, for what is older."""

    since: Moment | None = None
    until: Moment | None = None
    before: Annotated[int, Field(strict=True, ge=1, le=2**53)] | None = None


class Stay(Body):
    """A person was there from `joined_at` to `left_at` (ISO 8601), with the traces of both. Without `joined_at` they
    came before what was looked through, without `left_at` they were still there at its end."""

    user_id: str
    joined_at: str | None = None
    joined_trace: str | None = None
    left_at: str | None = None
    left_trace: str | None = None


class PresenceHistoryReply(Ok):
    """Stays in the order in which they began. `more`: older comings and goings were not looked through; ask with
    `before` for them: a stay that the cut divides is told in both parts. `trimmed`: as for the activity log."""

    stays: list[Stay] = []
    more: bool = False
    before: int | None = None
    trimmed: bool = False
