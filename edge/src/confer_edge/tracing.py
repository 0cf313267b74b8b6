"""What a client does, as the beginning of a trace, or as the continuation of the page's (docs/adr/0035)."""

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from opentelemetry.trace import Span

from confer_contracts.errors import Rejection
from confer_edge.session import Session
from confer_kit import telemetry
from confer_kit.handled import handled

MEMBER: Final = "traceparent"  # of an event's payload, and of `auth`: W3C Trace Context


def taken_from(arguments: list[Any]) -> object:
    """The trace that an event says it is in, taken out of its payload: the models know nothing of it."""
    payload = arguments[0] if arguments else None
    return payload.pop(MEMBER, None) if isinstance(payload, dict) else None


def in_auth(auth: Any) -> str | None:
    """The trace that a connection says it is in."""
    told = auth.get(MEMBER) if isinstance(auth, dict) else None
    return told if telemetry.is_traceparent(told) else None


def action(name: str, session: Session, told: object = None) -> AbstractContextManager[Span]:
    """A span for what a session does; in the trace that it told for this, or linked to that of its connection."""
    links = [session.traceparent] if told is None and session.traceparent is not None else []
    parent = telemetry.from_client(told)
    return telemetry.span(
        name, telemetry.Kind.SERVER, parent, links=links,
        attributes=telemetry.actor(session.identity) if telemetry.is_recorded(parent) else None,
    )  # fmt: skip


def turned_away(auth: Any, refusal: Rejection, seconds: float) -> None:
    """A connection that did not come about is in a trace, and in a line, too."""
    with telemetry.span("connect", telemetry.Kind.SERVER, telemetry.from_client(in_auth(auth))) as span:
        telemetry.ended(span, refusal.code)
        handled("connect", refusal.code, seconds)


@contextmanager
def emitting(
    event: str, subject: str, template: str, headers: Mapping[str, str], told: telemetry.Attributes, *,
    since_ns: int | None = None,
) -> Iterator[Span]:  # fmt: skip
    """The span of handing what NATS brought to the members of its audience, under that of its being received; for what
    is recorded. `told`: further attributes of the latter."""
    cause = telemetry.incoming(headers)
    attributes = {
        **telemetry.messaging("process", template, name="receive"),
        **telemetry.ids({"messaging.destination.name": subject}), **told,
    }  # fmt: skip
    consumer, producer = telemetry.Kind.CONSUMER, telemetry.Kind.PRODUCER
    with (
        telemetry.span(f"receive {template}", consumer, cause, links=[cause], attributes=attributes, start_ns=since_ns),
        telemetry.span(f"emit {event}", producer) as span,
    ):
        yield span


def connecting(session: Session, name: str, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """The work that follows a connection, in the trace that its `auth` named, and its line."""

    async def traced() -> None:
        began = time.perf_counter()
        with action(name, session, session.traceparent) as span:
            await work()
            telemetry.ended(span, "ok")
            handled(name, "ok", time.perf_counter() - began)

    return traced
