"""Asking a service: identity, operation, deadline and trace travel in headers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import nats.errors
from nats.aio.client import Client

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.ids import token, untoken
from confer_contracts.message import Identity
from confer_contracts.subjects import Header
from confer_kit import clock, telemetry
from confer_kit.facts import ascii_json

IDENTITIES_MAX: Final = 4096  # that are kept as they were understood, about 1 KB each


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a handler knows beside the request. `now` and `deadline` are Unix seconds."""

    identity: Identity
    op: str
    now: float
    deadline: float


def nobody(session: str = "service") -> Identity:
    """The identity of a process that asks for itself."""
    return Identity(user_id="system", name="system", role="system", session=session)


def encode_context(identity: Identity, op: str, deadline: float) -> dict[str, str]:
    return {
        Header.IDENTITY: ascii_json(identity.model_dump(exclude=None if identity.withheld else {"withheld"})),
        Header.OP: token(op),
        Header.DEADLINE: str(int(deadline * 1000)),
    }


def decode_context(headers: Mapping[str, str]) -> Context:
    """Rejection(invalid) where a caller of ours left out a header."""
    try:
        return Context(
            identity=_identity(headers[Header.IDENTITY]),
            op=untoken(headers[Header.OP]),
            now=clock.now(),
            deadline=int(headers[Header.DEADLINE]) / 1000,
        )
    except (KeyError, ValueError) as error:
        raise Rejection(ErrorCode.INVALID, f"the call's headers are incomplete: {error}") from error


@lru_cache(IDENTITIES_MAX)
def _identity(told: str) -> Identity:
    """A session tells the same one with each of its calls."""
    return Identity.model_validate_json(told)


async def ask(nc: Client, subject: str, body: bytes, identity: Identity, *, op: str, timeout_s: float) -> bytes:
    """Send a call and wait for its answer, as bytes of JSON.

    Rejection(unavailable) at once when nobody serves the subject or NATS is away: nothing was done then.
    Rejection(outcome_unknown) when no answer came in time: send it again with the same operation id.
    """
    if not nc.is_connected:
        raise Rejection(ErrorCode.UNAVAILABLE, "the server is reconnecting: try again")
    with telemetry.sending(subject):
        headers = encode_context(identity, op, clock.now() + timeout_s) | telemetry.inject()
        try:
            return (await nc.request(subject, body, timeout=timeout_s, headers=headers)).data
        except nats.errors.NoRespondersError:
            service = subject.split(".")[1]
            raise Rejection(ErrorCode.UNAVAILABLE, f"the {service} service is away: try again") from None
        except (TimeoutError, nats.errors.Error) as error:
            raise Rejection(ErrorCode.OUTCOME_UNKNOWN, "no answer in time: send it again with the same op") from error
