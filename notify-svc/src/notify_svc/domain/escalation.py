"""A note that somebody must acknowledge: reminded, escalated, and ended once.

The steps of a plan are numbered from 1: `repeats` reminders to those who were told first, then the next level is told
and reminded in turn, and after the last reminder of all the note is given up. Each step's fact says when the next one
is due; a late one shifts those behind it, so that nobody gets a burst after a standstill.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from confer_contracts.ids import token

State = Literal["open", "acknowledged", "cancelled", "superseded", "expired", "given_up"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`levels`: the audiences that are told one after the other, after the note's own."""

    repeat_s: float
    repeats: int
    levels: tuple[str, ...] = ()

    @property
    def last(self) -> int:
        """The step by which it is given up."""
        return (self.repeats + 1) * (len(self.levels) + 1)

    def level(self, step: int) -> int:
        """Who is told last, after this step; 0: only the note's own audience."""
        return min(step // (self.repeats + 1), len(self.levels))

    def escalates(self, step: int) -> bool:
        return step % (self.repeats + 1) == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is to be acknowledged: the note `id` of `sender` to `audience`, sent at `at`."""

    id: str
    audience: str
    sender: str
    at: float
    plan: Plan

    def told(self, step: int) -> tuple[str, ...]:
        """The audiences that were told up to a step, the last one last."""
        return (self.audience, *self.plan.levels[: self.plan.level(step)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """Take this step, which is due."""

    step: int
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """`by`: who acknowledges or cancels; None: nobody did, it is superseded or has expired."""

    state: State
    by: str | None
    op: str
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """Tell this audience as well that it has ended."""

    audience: str
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminded:
    """`audience` is reminded; `due`: when the next step is."""

    step: int
    audience: str
    at: float
    due: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalatedTo:
    """`level` counts from 1; `to` gets a copy of the note."""

    step: int
    level: int
    to: str
    at: float
    due: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    state: State
    by: str | None
    op: str
    at: float
    audience: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """An audience has heard of the end."""

    audience: str
    end: Ended
    at: float


EscalationEvent = Reminded | EscalatedTo | Ended | Passed


@dataclass(slots=True)
class Escalation:
    """`step`: the last one taken; `due`: when the next one is, once there was one; `heard`: of the end."""

    step: int = 0
    due: float | None = None
    end: Ended | None = None
    heard: set[str] = field(default_factory=set)

    @property
    def state(self) -> State:
        return self.end.state if self.end else "open"

    def due_at(self, demand: Demand) -> float:
        return self.due if self.due is not None else demand.at + demand.plan.repeat_s


def decide(command: Advance | End | Pass, state: Escalation, demand: Demand) -> EscalationEvent | None:
    """What changes, or None: it has ended, the step was taken, or the audience has heard."""
    match command:
        case Pass():
            known = state.end is None or command.audience in state.heard
            return None if known or state.end is None else Passed(
                audience=command.audience, end=state.end, at=command.now
            )  # fmt: skip
        case End() if state.end is None:
            return Ended(
                state=command.state, by=command.by, op=command.op, at=command.now, audience=demand.audience
            )  # fmt: skip
        case Advance() if state.end is None and command.step == state.step + 1:
            return _step(command, demand)
    return None


def evolve(state: Escalation, event: EscalationEvent) -> Escalation:
    match event:
        case Reminded() | EscalatedTo():
            state.step, state.due = event.step, event.due
        case Ended():
            state.end = event
            state.heard.add(event.audience)
        case Passed():
            state.heard.add(event.audience)
    return state


def unheard(state: Escalation, demand: Demand, arrived: Collection[str]) -> str | None:
    """An audience that does not know of the end: of those whose copy has `arrived`, and of the sender."""
    if state.end is None:
        return None
    concerned = (*demand.told(state.step), f"user.{token(demand.sender)}")
    return next((name for name in concerned if name not in state.heard and name in arrived), None)


def _step(command: Advance, demand: Demand) -> EscalationEvent:
    plan, step = demand.plan, command.step
    due = command.now + plan.repeat_s
    if step >= plan.last:
        return Ended(
            state="given_up", by=None, op=f"given-up-{demand.id}", at=command.now, audience=demand.audience
        )  # fmt: skip
    if plan.escalates(step):
        level = plan.level(step)
        return EscalatedTo(step=step, level=level, to=plan.levels[level - 1], at=command.now, due=due)
    return Reminded(step=step, audience=demand.told(step)[-1], at=command.now, due=due)
