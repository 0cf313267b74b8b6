"""Telling the stream AUDIT who read a record and what was refused: best effort, counted, at a bounded rate.

Nothing waits for it: a message is handed to the connection after the call was answered. What is over the rate, or
happens while NATS is away, is dropped and counted (docs/adr/0024).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import nats.errors

from confer_contracts import subjects
from confer_contracts.audit import AuditFact, Event, subject
from confer_contracts.errors import ErrorCode
from confer_contracts.ids import token
from confer_contracts.subjects import Header, Kind
from confer_kit import clock, metrics, telemetry
from confer_kit.calls import Context
from confer_kit.nats_link import Link

BURST_S: Final = 5.0  # seconds' worth of the rate that may come at once
# failures are not refusals: the caller sends it again, and what became of it is in the log
FAILURES: Final = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.OUTCOME_UNKNOWN, ErrorCode.INTERNAL})
SYSTEM: Final = "system"


@dataclass(frozen=True, slots=True)
class Audited:
    """What there is to tell of a call. `audience` of its request; None: the caller's own inbox."""

    call: str
    audience: Callable[[Any], str] | None
    reads: bool = False


class Audit:
    """`rate`: facts a second; 0: none at all."""

    def __init__(self, link: Link, rate: float) -> None:
        self._link = link
        self._rate = rate
        self._left = rate * BURST_S
        self._at = clock.now()

    async def tell(self, about: Audited, request: Any, context: Context, outcome: str, field: str | None) -> None:
        """A call was answered. Never raises."""
        who = context.identity
        refused = outcome != "ok"
        if (refused and outcome in FAILURES) or not (refused or about.reads) or who.user_id == SYSTEM or not self._rate:
            return
        if not self._may():
            metrics.AUDIT.labels("over_rate").inc()
            return
        audience = about.audience(request) if about.audience else subjects.audience(Kind.USER, who.user_id)
        body = AuditFact(
            call=about.call, outcome=outcome, field=field, role=who.role, timestamp=clock.iso(clock.now())
        )  # fmt: skip
        headers = {
            Header.EVENT: Event.REFUSED.value if refused else Event.READ.value,
            Header.OP: token(context.op),
            Header.ACTOR: token(who.user_id),
            Header.ORIGIN: who.session,
        } | telemetry.inject()
        try:
            if not self._link.nc.is_connected:
                raise nats.errors.ConnectionReconnectingError
            await self._link.nc.publish(
                str(subject(audience, about.call)), body.model_dump_json().encode(), headers=headers
            )
            metrics.AUDIT.labels("told").inc()
        except nats.errors.Error:
            metrics.AUDIT.labels("away").inc()

    def _may(self) -> bool:
        now = clock.now()
        self._left = min(self._rate * BURST_S, self._left + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
