"""Asks the installation's own authoriser, `call.access.check`. In doubt the answer is no, for the moment.

An answer is remembered for a few seconds; a question that is being asked is not asked twice; there are never more than
a few under way.
"""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import ValidationError

from confer_contracts.access import CHECK, AccessAnswer, AccessQuestion
from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.portal import shown_name
from confer_edge import metrics
from confer_edge.identity import Claim
from confer_edge.settings import EdgeSettings
from confer_kit import clock
from confer_kit.calls import ask, nobody
from confer_kit.logs import logger
from confer_kit.nats_link import Link
from confer_kit.tasks import Tasks

log = logger(__name__)

ATTEMPTS = 3  # for a question whose answer was overtaken by a change of rights


class Question(NamedTuple):
    """What an answer is remembered by."""

    user: str
    role: str
    action: str
    audience: str


@dataclass(slots=True)
class _Flight:
    """A question under way. `overtaken`: rights changed after it was asked, so that its answer counts for nobody."""

    landed: asyncio.Future[Rejection | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    overtaken: bool = False


class Authoriser:
    def __init__(self, link: Link, settings: EdgeSettings) -> None:
        self._link = link
        self._settings = settings
        self._known: OrderedDict[Question, tuple[float, Rejection | None]] = OrderedDict()
        self._flights: dict[Question, _Flight] = {}
        self._tasks = Tasks()

    async def ask(self, claim: Claim, session: str, action: str, audience: str, *, anew: bool = False) -> None:
        """Rejection(forbidden) where the answer is no; (unavailable) or (limit_exceeded) where there is none. `anew`:
        what is remembered does not count."""
        question = Question(claim.user_id, claim.role, action, audience)
        known = None if anew else self._remembered(question)
        refusal = known[1] if known else await self._asked(question, claim, session)
        if refusal is not None:
            metrics.DENIED.labels("authoriser" if refusal.code is ErrorCode.FORBIDDEN else "no_answer").inc()
            raise refusal

    def forget(self, user: str) -> None:
        """The rights of a user may have changed."""
        for question in [q for q in self._known if q.user == user]:
            del self._known[question]
        for question in [q for q in self._flights if q.user == user]:
            self._flights.pop(question).overtaken = True

    def _remembered(self, question: Question) -> tuple[float, Rejection | None] | None:
        known = self._known.get(question)
        return known if known is not None and time.monotonic() < known[0] else None

    async def _asked(self, question: Question, claim: Claim, session: str) -> Rejection | None:
        for _ in range(ATTEMPTS):
            flight = self._flights.get(question)
            if flight is None:
                if len(self._flights) >= self._settings.access_in_flight_max:
                    metrics.LIMITS.labels("access_in_flight_max").inc()
                    return Rejection(
                        ErrorCode.LIMIT_EXCEEDED, "CONFER_ACCESS_IN_FLIGHT_MAX: too many questions about rights wait"
                    )
                flight = self._flights[question] = _Flight()
                self._tasks.start(self._fly(flight, question, claim, session), "access check")
            refusal = await asyncio.shield(flight.landed)
            if not flight.overtaken:
                return refusal
        return _doubt("the rights change too fast")

    async def _fly(self, flight: _Flight, question: Question, claim: Claim, session: str) -> None:
        refusal: Rejection | None = _doubt("the authoriser failed")
        try:
            refusal, keep_s = await self._answer(question, claim, session)
            if keep_s > 0 and not flight.overtaken:
                self._remember(question, refusal, keep_s)
        finally:
            if self._flights.get(question) is flight:
                del self._flights[question]
            if not flight.landed.done():
                flight.landed.set_result(refusal)

    async def _answer(self, question: Question, claim: Claim, session: str) -> tuple[Rejection | None, float]:
        """The refusal, if it is one, and for how long (seconds) it counts."""
        asked = AccessQuestion(
            user_id=question.user, role=question.role, name=claim.name, session=session, action=question.action,
            audience=question.audience, shown=shown_name(question.audience),
        )  # fmt: skip
        body, timeout_s = asked.model_dump_json().encode(), self._settings.access_timeout_s
        try:
            raw = await ask(self._link.nc, CHECK.subject, body, nobody("edge"), op=clock.new_id(), timeout_s=timeout_s)
            answer = AccessAnswer.model_validate_json(raw)
        except Rejection as refusal:
            return _doubt(refusal.message), 0
        except ValidationError:
            log.warning("the authoriser's answer is none", action=question.action)
            return _doubt("the authoriser's answer is none"), 0
        keep_s = self._settings.access_cache_s if answer.ttl_s is None else answer.ttl_s
        why = answer.reason or f"{asked.shown}: you may not do this ({question.action})"
        return None if answer.allowed else Rejection(ErrorCode.FORBIDDEN, why), min(
            keep_s, self._settings.access_cache_s
        )

    def _remember(self, question: Question, refusal: Rejection | None, keep_s: float) -> None:
        self._known[question] = time.monotonic() + keep_s, refusal
        self._known.move_to_end(question)
        if len(self._known) > self._settings.access_cache_max:
            self._known.popitem(last=False)


def _doubt(why: str) -> Rejection:
    return Rejection(ErrorCode.UNAVAILABLE, f"whether this is allowed cannot be known now ({why}): try again")
