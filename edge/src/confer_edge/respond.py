"""The answer to one event: an ack where the client asked for one, else an event. Exactly once."""

import time
from typing import Any

import orjson

from confer_contracts.errors import Rejection
from confer_contracts.message import failed
from confer_edge import metrics, packets
from confer_edge.session import Session
from confer_kit import telemetry
from confer_kit.handled import handled


class Responder:
    """Answers `event` of a session; `identifier` is the ack's, None: the client asked for none. `traceparent`: what
    the client told as its trace."""

    def __init__(self, session: Session, event: str, identifier: int | None, traceparent: object = None) -> None:
        self._session = session
        self.event = event
        self._identifier = identifier
        self.traceparent = traceparent
        self._began = time.perf_counter()
        self.outcome = "ok"  # or the code of the error
        self.op: str | None = None
        self.field: str | None = None  # that was refused
        self.error: Exception | None = None  # a surprise

    @property
    def wants_ack(self) -> bool:
        return self._identifier is not None

    def raw(self, body: bytes) -> None:
        """Acknowledge with bytes of JSON."""
        if self._identifier is None:
            return
        packet, self._identifier = packets.ack(self._identifier, body), None
        if telemetry.recording():
            with telemetry.span(f"ack {metrics.route_of(self.event)}", telemetry.Kind.PRODUCER):
                self._session.write(packet)
        else:
            self._session.write(packet)

    def ok(self, **members: Any) -> None:
        if self.wants_ack:
            self.raw(orjson.dumps({"status": "ok", **members}))

    def emit(self, event: str, body: Any) -> None:
        """An event to this client alone."""
        self._session.send(packets.event(event, orjson.dumps(body)))

    def emit_bare(self, event: str) -> None:
        """An event without data."""
        self._session.send(packets.bare_event(event))

    def refuse(self, refusal: Rejection, op: str | None = None) -> None:
        """The error ack, or the event `error` with the same members and the name of the refused event."""
        self.outcome, self.field = refusal.code, refusal.field
        body = failed(refusal, op or self.op)
        if self.wants_ack:
            self.raw(orjson.dumps(body))
        else:
            self.emit("error", {**body, "event": self.event})

    def done(self) -> None:
        """The event came to its end: count it, and say so in a line."""
        seconds, route = time.perf_counter() - self._began, metrics.route_of(self.event)
        metrics.answered(route, self.outcome, seconds)
        handled(route, self.outcome, seconds, field=self.field, error=self.error)
