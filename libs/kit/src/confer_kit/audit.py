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
from confer_contracts.errors import FAILURES
from confer_contracts.ids import token
from confer_contracts.message import Identity
from confer_contracts.subjects import Header, Kind
from confer_kit import clock, metrics, telemetry
from confer_kit.calls import Context, nobody
from confer_kit.nats_link import Link

BURST_S: Final = 5.0  # seconds' worth of the rate that may come at once
# failures are not refusals: the caller sends it again, and what became of it is in the log
OK: Final = "ok"


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
        if (outcome == OK and not about.reads) or who == nobody(who.session):
            return
        audience = about.audience(request) if about.audience else subjects.audience(Kind.USER, who.user_id)
        await self.note(about.call, audience, who, outcome=outcome, field=field, op=context.op)

    async def note(
        self, call: str, audience: str, who: Identity, *, outcome: str, field: str | None = None, op: str | None = None
    ) -> None:
        """A read, or a refusal with its code, in `audience` (token form). Never raises."""
        if outcome in FAILURES or not self._rate:
            return
        if not self._may():
            metrics.AUDIT.labels("over_rate").inc()
            return
        at = clock.iso(clock.now())
        body = AuditFact(call=call, outcome=outcome, field=field, role=who.role, timestamp=at)
        headers = {
            Header.EVENT: (Event.READ if outcome == OK else Event.REFUSED).value,
            Header.ACTOR: token(who.user_id),
            Header.ORIGIN: who.session,
            **({} if op is None else {Header.OP: token(op)}),
            **telemetry.inject(),
        }
        try:
            if not self._link.nc.is_connected:
                raise nats.errors.ConnectionReconnectingError
            await self._link.nc.publish(str(subject(audience, call)), body.model_dump_json().encode(), headers=headers)
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
