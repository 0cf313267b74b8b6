"""What the record looks like from outside: the steps as the portal draws them, and the sync part of a snapshot."""

from pydantic import TypeAdapter

from confer_contracts import sync
from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.forms import FormKind, RegisteredForm
from confer_kit import clock
from confer_kit.facts import StoredFact
from confer_kit.ledger import Folded, Ledger
from confer_kit.logs import logger
from confer_kit.service import Service
from sync_svc.domain.fields import Refused, UpdateRefused
from sync_svc.domain.form import Form
from sync_svc.domain.messages import Event
from sync_svc.domain.registry import Registered
from sync_svc.domain.state import Field, Record, Step
from sync_svc.forms import Forms
from sync_svc.history import Row

log = logger(__name__)

STEP_FACTS = frozenset({"step_updated", "step_changed"})
_STEPS = TypeAdapter(list[sync.StepState])
(_STEPS_VIEW,) = sync.VIEWS
_WAITING = Step(None, "waiting", 0, "", 0.0)


class StepsView:
    """`step_status_updated` after each fact about steps, a burst of them as one."""

    def __init__(self, service: Service, ledger: Ledger[Record, Event], forms: Forms) -> None:
        self._service = service
        self._forms = forms
        self._ledger = ledger
        self._drawing: set[str] = set()

    def observe(self, fact: StoredFact) -> None:
        """A fact of the own stream."""
        room = fact.subject.ident
        if fact.event in STEP_FACTS and room not in self._drawing:
            self._drawing.add(room)
            self._service.tasks.start(self._draw(room), "steps view")

    async def _draw(self, room: str) -> None:
        """This replica may not have the record in memory yet."""
        try:
            form = await self._forms.of(room)
            folded = await self._ledger.load(room)
        except Rejection as refusal:
            log.info("the steps view waits for the next change", reason=refusal.code)
            return
        finally:
            self._drawing.discard(room)
        self._service.views.coalesce(_STEPS_VIEW, room, lambda: _body(folded, form))


def _body(folded: Folded[Record], form: Form) -> tuple[bytes, int]:
    return _STEPS.dump_json(steps(folded.state, form)), folded.seq


def steps(record: Record, form: Form) -> list[sync.StepState]:
    """The workflow in the form's order, then the other steps that somebody has been on or set, by number."""
    named = dict(form.steps)
    order = [*named, *sorted(record.steps.keys() - named.keys())]
    return [_step(number, record.steps.get(number, _WAITING), named.get(number), record) for number in order]


def snapshot(record: Record, form: Form, as_of: dict[str, int]) -> sync.Record:
    """All fields and steps, true at the source sequences `as_of`."""
    fields = {name: field(current) for name, current in record.fields.items()}
    return sync.Record(as_of=as_of, fields=fields, steps=steps(record, form))


def field(current: Field) -> sync.RecordField:
    return sync.RecordField(
        value=current.value, version=current.version, user_id=current.user, timestamp=clock.iso(current.at)
    )


def row(of: Row) -> sync.HistoryRow:
    """A row of a history."""
    change, commit, previous = of.change, of.commit, None
    if of.previous is not None:
        before, at = of.previous
        previous = sync.RecordField(
            value=before.value, version=before.version, user_id=at.user, timestamp=clock.iso(at.at)
        )
    return sync.HistoryRow(
        field=change.field,
        version=change.version,
        value=change.value,
        outcome=change.outcome,
        user_id=commit.user,
        op=commit.op,
        timestamp=clock.iso(commit.at),
        restored=change.restored,
        previous=previous,
        diff=None if of.diff is None else [sync.TextEdit(at=at, removed=old, added=new) for at, old, new in of.diff],
    )


def form(kind: FormKind, held: Registered) -> RegisteredForm:
    assert held.document is not None
    return RegisteredForm(
        kind=kind, version=held.version, form=dict(held.document), user_id=held.user, timestamp=clock.iso(held.at)
    )


def refused(why: Refused) -> sync.RefusedChange:
    """A change that was left out, with what the field is instead."""
    code = "conflict" if why.code is ErrorCode.CONFLICT else "invalid"
    current = field(why.current) if why.current else None
    return sync.RefusedChange(field=why.field, code=code, message=why.message, current=current)


def refusal(update: UpdateRefused) -> Rejection:
    """The error acknowledgement of an update: `refused` tells each change that stood in its way."""
    told = [refused(why).model_dump() for why in update.refused]
    return Rejection(update.code, update.message, field=update.field, details={**update.details, "refused": told})


def _step(number: int, step: Step, name: str | None, record: Record) -> sync.StepState:
    """The staff of a step are those who moved to it while it is in progress. Their names are presence's: the form
    draws one for each, so the id stands in."""
    staff = [user for user, at in record.people.items() if at.step == number] if step.status == "in_progress" else []
    return sync.StepState(
        step=number,
        step_number=number,
        step_name=step.name or name or f"Step {number}",
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
