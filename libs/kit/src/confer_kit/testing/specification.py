"""given(events).when(command).then(event): deciders tested without mocks."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from confer_contracts.errors import ErrorCode, Rejection


@dataclass(frozen=True)
class Given:
    """A state, made of events, and what a decider says to commands in it."""

    state: Any
    decide: Callable[[Any, Any], Any]

    def when(self, command: Any) -> "Outcome":
        before = copy.deepcopy(self.state)
        try:
            event, refusal = self.decide(command, self.state), None
        except Rejection as rejection:
            event, refusal = None, rejection
        assert self.state == before, "decide changed the state"
        return Outcome(event, refusal)


@dataclass(frozen=True)
class Outcome:
    event: Any
    refusal: Rejection | None

    def then(self, event: Any) -> None:
        assert self.refusal is None, f"refused: {self.refusal}"
        assert self.event == event

    def then_nothing(self) -> None:
        assert self.refusal is None, f"refused: {self.refusal}"
        assert self.event is None

    def then_refused(self, code: ErrorCode, field: str | None = None) -> Rejection:
        assert self.refusal is not None, f"not refused: {self.event}"
        assert self.refusal.code == code
        assert field is None or self.refusal.field == field
        return self.refusal


def specification(
    initial: Callable[[], Any], evolve: Callable[[Any, Any], Any], decide: Callable[[Any, Any], Any]
) -> Callable[..., Given]:
    """`given = specification(Record, evolve, decide)`; `given(*events)` folds them."""

    def given(*events: Any) -> Given:
        state = initial()
        for event in events:
            state = evolve(state, event)
        return Given(state, decide)

    return given
