"""Sessions that have just begun: so many are welcomed at once. The others wait in their order, without a task and its
stack for each: after thousands of those Python would keep their memory (ADR 34)."""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, NamedTuple

from confer_edge.session import Session

STEP_MAX, STEP_DIGITS_MAX = 1000, 9


class Form(NamedTuple):
    """The one that a client has open, by its query."""

    patient_id: str
    step: int | None


Welcome = Callable[[Session, Form | None], Awaitable[None]]


class Welcomes:
    """`welcome` comes before all that a client asks for; who is gone by then is passed over."""

    def __init__(self, welcome: Welcome, at_once: int) -> None:
        self._welcome: Final = welcome
        self._free = at_once
        self._waiting: deque[tuple[Session, Form | None]] = deque()

    def add(self, session: Session, form: Form | None) -> None:
        session.lane.hold()
        self._waiting.append((session, form))
        self._go_on()

    def _go_on(self) -> None:
        while self._free and self._waiting:
            self._free -= 1
            session, form = self._waiting.popleft()
            session.lane.begin(partial(self._run, session, form))

    async def _run(self, session: Session, form: Form | None) -> None:
        try:
            if not session.closed:
                await self._welcome(session, form)
        finally:
            self._free += 1
            self._go_on()


def form_in(query: Mapping[str, str]) -> Form | None:
    """What comes back after a cut sends nothing but its query."""
    patient_id = query.get("patient_id")
    return Form(patient_id, _step_of(query.get("step", ""))) if patient_id else None


def _step_of(text: str) -> int | None:
    """The step that a query names; None: it names none."""
    return min(int(text), STEP_MAX) if text.isdecimal() and len(text) <= STEP_DIGITS_MAX else None
