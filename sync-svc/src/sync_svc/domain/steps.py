"""Steps of a workflow: who sets or leaves one, and what that makes of it."""

from sync_svc.domain.fields import full
from sync_svc.domain.messages import MovedToStep, MoveToStep, StepStatus, StepUpdated, UpdateStep
from sync_svc.domain.state import Place, Record, Step

STEPS_MAX = 100
PEOPLE_MAX = 200  # whose place is remembered, the latest movers
VISIT_S = 12 * 3600  # who was not seen in a record for longer has left it meanwhile


def update(command: UpdateStep, record: Record) -> StepUpdated:
    _refuse_another(command.step, record)
    before = record.steps.get(command.step)
    return StepUpdated(
        command.user, command.op, command.now, command.step, command.status,
        version=before.version + 1 if before else 1,
        name=command.name,
        previous=before.status if before else None,
        took_s=_took(before, command.now) if command.status == "completed" else None,
    )  # fmt: skip


def move(command: MoveToStep, record: Record) -> MovedToStep:
    _refuse_another(command.step, record)
    previous = _previous(command, record)
    completed = previous if previous is not None and _completes(previous, command, record) else None
    return MovedToStep(
        command.user, command.op, command.now, command.step, command.name, completed, previous,
        None if completed is None else _took(record.steps.get(completed), command.now),
    )  # fmt: skip


def set_status(record: Record, step: int, status: StepStatus, user: str, at: float, *, name: str | None = None) -> None:
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


def stand(record: Record, user: str, step: int, at: float) -> None:
    """The person is on this step from now on."""
    record.people.pop(user, None)
    record.people[user] = Place(step, at, at)
    if len(record.people) > PEOPLE_MAX:
        del record.people[next(iter(record.people))]


def saw(record: Record, user: str, at: float) -> None:
    """The person did something here."""
    if place := record.people.get(user):
        record.people[user] = Place(place.step, place.at, at)


def _previous(command: MoveToStep, record: Record) -> int | None:
    """Where the person comes from: as they say, else where they last moved to, unless they left since, or the step
    was done and begun anew without them."""
    if command.came_from is not None:
        return command.came_from
    place = record.people.get(command.user)
    if place is None or command.now - place.seen > VISIT_S:
        return None
    step = record.steps.get(place.step)
    begun_since = step is not None and step.entered_at is not None and step.entered_at > place.at
    return None if begun_since else place.step


def _completes(previous: int, command: MoveToStep, record: Record) -> bool:
    """Going forward in the workflow completes the step that one leaves, if that is in progress."""
    left = record.steps.get(previous)
    order = {step: place for place, (step, _) in enumerate(command.form.steps)}
    if previous in order and command.step in order:
        forward = order[previous] < order[command.step]
    else:
        forward = previous < command.step
    return forward and (left is None or left.status == "in_progress")


def _took(step: Step | None, now: float) -> float | None:
    if step is None or step.entered_at is None or step.status != "in_progress":
        return None
    return round(max(0.0, now - step.entered_at), 3)


def _refuse_another(step: int, record: Record) -> None:
    if step not in record.steps and len(record.steps) >= STEPS_MAX:
        raise full(f"step: a record has at most {STEPS_MAX} steps", "step")
