"""What can be asked of a record, and what can have happened to it. Plain data; times are Unix seconds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sync_svc.domain.form import FREE, Form

StepStatus: TypeAlias = Literal["waiting", "in_progress", "completed", "blocked"]
Outcome: TypeAlias = Literal["accepted", "overwrote", "merged"]
Json: TypeAlias = Any  # what json.loads returns; never changed in place
Bases: TypeAlias = Mapping[tuple[str, int], Json]  # (field, version) -> its value


# --- commands: who wants what; `now` in Unix seconds -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """A new value for a field. `base_version` None: the last writer wins. `restores`: the version it was taken from."""

    field: str
    value: Json
    base_version: int | None = None
    restores: int | None = None


@dataclass(frozen=True, slots=True)
class FormStep:
    """Where in a session's form a value was typed, and under which name its readers know the writer."""

    step: str
    user_name: str


@dataclass(frozen=True, slots=True)
class UpdateFields:
    """`form`: the rules of the room's fields. `partial`: commit what can be, instead of all or nothing.

    `bases`: older values that a merge needs and the record no longer remembers; None: not looked for yet.
    """

    user: str
    op: str
    now: float
    changes: tuple[Change, ...]
    form_step: FormStep | None = None
    form: Form = FREE
    partial: bool = False
    bases: Bases | None = None


@dataclass(frozen=True, slots=True)
class UpdateStep:
    user: str
    op: str
    now: float
    step: int
    status: StepStatus
    name: str | None = None  # None: keeps its name


@dataclass(frozen=True, slots=True)
class MoveToStep:
    """`came_from`: the step that the person says they leave; None: where the record knows them to be."""

    user: str
    op: str
    now: float
    step: int
    name: str
    came_from: int | None = None
    form: Form = FREE


@dataclass(frozen=True, slots=True)
class ReportConflict:
    user: str
    op: str
    now: float
    field: str
    message: str


Command = UpdateFields | UpdateStep | MoveToStep | ReportConflict


# --- events: what became of it; each is stored as one fact -----------------------------------------------


@dataclass(frozen=True, slots=True)
class Replaced:
    """What a writer wrote over without having seen it."""

    value: Json
    version: int
    user: str
    at: float


@dataclass(frozen=True, slots=True)
class Committed:
    """`overwrote`: the writer had not seen the version before this one (`replaced`), which stays in the history.
    `merged`: the value is neither what the writer sent nor what was there. `restored`: the version it repeats."""

    field: str
    value: Json
    version: int
    outcome: Outcome = "accepted"
    replaced: Replaced | None = None
    restored: int | None = None


@dataclass(frozen=True, slots=True)
class FieldsUpdated:
    """`request`: the fingerprint of what was asked, where the changes are not just that."""

    user: str
    op: str
    at: float
    changes: tuple[Committed, ...]
    form_step: FormStep | None = None
    request: str | None = None


@dataclass(frozen=True, slots=True)
class StepUpdated:
    """`previous`: the status before; `took_s`: of a step that was completed by this, since it was begun."""

    user: str
    op: str
    at: float
    step: int
    status: StepStatus
    version: int
    name: str | None = None
    previous: StepStatus | None = None
    took_s: float | None = None


@dataclass(frozen=True, slots=True)
class MovedToStep:
    """`previous`: where the person came from; `completed`: that step, if it is done by this, and `took_s`, since it
    was begun."""

    user: str
    op: str
    at: float
    step: int
    name: str
    completed: int | None = None
    previous: int | None = None
    took_s: float | None = None


@dataclass(frozen=True, slots=True)
class ConflictReported:
    user: str
    op: str
    at: float
    field: str
    message: str


Event = FieldsUpdated | StepUpdated | MovedToStep | ConflictReported
