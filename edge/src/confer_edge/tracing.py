"""What a client does, as the beginning of a trace, or as the continuation of the page's (docs/adr/0035)."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from opentelemetry.trace import Span

from confer_edge.session import Session
from confer_kit import telemetry

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
    link = session.traceparent if told is None else None
    parent = telemetry.from_client(told)
    return telemetry.span(
        name, telemetry.Kind.SERVER, parent, link=link,
        attributes=telemetry.actor(session.identity) if telemetry.is_recorded(parent) else None,
    )  # fmt: skip


def connecting(session: Session, name: str, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """The work that follows a connection, in the trace that its `auth` named."""

    async def traced() -> None:
        with action(name, session, session.traceparent):
            await work()

    return traced
