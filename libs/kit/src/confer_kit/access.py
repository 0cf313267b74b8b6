"""Ending rights, for operators and services: each function stores one fact, which every edge follows.

`actor` is who did it, `reason` why (for the record), `message` what the person is told. Rejection(invalid) for a
hostile id; Unavailable or OutcomeUnknown when the log cannot say: then do it again, it has one effect.
"""

from dataclasses import dataclass
from typing import Final

from nats.aio.client import Client

from confer_contracts.access import KICK_AGE_S, STREAM, SUBJECTS, AccessFact, Key, Who, subject
from confer_contracts.ids import check_id, untoken
from confer_contracts.subjects import FactSubject, Header
from confer_kit.direct import read_all, reading
from confer_kit.facts import NewFact
from confer_kit.follower import Delivered
from confer_kit.jetstream import JetStreamEventLog, replace

TIMEOUT_S: Final = 5.0
_TTL: Final = "Nats-TTL"  # nats-server ADR-43


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A fact as it was read: about a user (`ident` is the id) or a session (the sid). `at`: Unix seconds, of NATS."""

    who: Who
    ident: str
    key: Key
    at: float
    fact: AccessFact
    actor: str | None = None

    @classmethod
    def of(cls, message: Delivered) -> "Said":
        """ValueError when it is not one."""
        about = FactSubject.parse(message.subject)
        if about.kind not in ("user", "session"):
            raise ValueError(f"not about a user or a session: {message.subject}")
        actor = message.headers.get(Header.ACTOR)
        return cls(
            who="user" if about.kind == "user" else "session", ident=untoken(about.ident), key=Key(about.key),
            at=message.at, fact=AccessFact.model_validate_json(message.data), actor=actor and untoken(actor),
        )  # fmt: skip


async def revoke(nc: Client, user: str, *, actor: str, reason: str | None = None, message: str | None = None) -> None:
    """The user's tokens up to now count no more, and sessions that live by them end, on all edges."""
    await _say(nc, _about("user", user, Key.REVOKED), AccessFact(reason=reason, message=message), actor)


async def restore(nc: Client, user: str, *, actor: str, reason: str | None = None) -> bool:
    """Lift a revocation; False when the stream has none. Where it has no word about the user this is said as well:
    edges know what was in a stream that was lost."""
    about = _about("user", user, Key.REVOKED)
    last = await JetStreamEventLog(nc).last(str(about))
    lifted = last is not None and AccessFact.model_validate_json(last.body).lifted
    if not lifted:
        await _say(nc, about, AccessFact(reason=reason, lifted=True), actor)
    return last is not None and not lifted


async def kick(
    nc: Client, who: Who, ident: str, *, actor: str, reason: str | None = None, message: str | None = None
) -> None:
    """End all sessions of a user, or the one with this sid, for good; a new one may begin."""
    await _say(nc, _about(who, ident, Key.KICKED), AccessFact(reason=reason, message=message), actor)


async def rights_changed(nc: Client, user: str, *, actor: str, reason: str | None = None) -> None:
    """What edges remember of the user's rights is forgotten, and the memberships are looked at again."""
    await _say(nc, _about("user", user, Key.RIGHTS), AccessFact(reason=reason), actor)


async def said(nc: Client) -> list[Said]:
    """The latest fact of each kind about each user and session, oldest first. Unavailable without the stream."""
    with reading():
        info = await nc.jetstream().stream_info(STREAM)
    return [Said.of(m) for m in await read_all(nc, STREAM, SUBJECTS, after=0, upto=info.state.last_seq)]


def _about(who: Who, ident: str, key: Key) -> FactSubject:
    return subject(who, check_id(ident, who), key)


async def _say(nc: Client, about: FactSubject, fact: AccessFact, actor: str) -> None:
    """The latest counts, whatever was there."""
    body = fact.model_dump_json(exclude_defaults=True).encode()
    new = NewFact(subject=about, body=body, actor=check_id(actor, "actor"))
    passing = {} if about.key == Key.REVOKED else {_TTL: f"{KICK_AGE_S}s"}
    await replace(nc, str(new.subject), body, expected=None, timeout=TIMEOUT_S, headers=new.headers() | passing)
