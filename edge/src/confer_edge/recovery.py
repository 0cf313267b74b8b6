"""Connection state recovery (Socket.IO v4.6): what a session needs to be taken up again, by any edge.

Stream SESSIONS, subject `session.<SHA-256 of the pid>`: written before a join is acknowledged, marked when the
connection is lost, emptied when the client goes by itself. The pid is a secret; only its hash is stored.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import nats.errors
import nats.js.errors
import orjson
from pydantic import BaseModel, ValidationError

from confer_contracts.message import Body
from confer_contracts.subjects import SESSIONS
from confer_edge import metrics
from confer_edge.feed import Feed, Missed
from confer_edge.identity import Claim
from confer_edge.session import Attachment, Membership, Session
from confer_kit import clock
from confer_kit.event_log import Conflict, OutcomeUnknown, Unavailable
from confer_kit.jetstream import replace, replace_later
from confer_kit.logs import logger
from confer_kit.nats_link import Link

log = logger(__name__)

TIMEOUT_S = 2.0
AHEAD_S = 1.0  # how long an edge that is behind the client's offset may take to get there
PID_CHARS_MAX = 200
SEQUENCE_DIGITS_MAX = 18


class StoredMembership(BaseModel):
    since: int
    as_of: dict[str, int] = {}


class StoredAttachment(BaseModel):
    step: int | None = None
    screening: bool = False


class SessionRecord(Body):
    """What is stored. `lost_at` (Unix seconds): the connection ended then; None: it is up, or its edge died."""

    sid: str
    claim: Claim
    bound: bool
    epoch: str
    began: float = 0  # Unix seconds
    since: int  # where the session began: the offset of a client that has received nothing yet
    whole_from: int = 0  # where its last resync was: who has less has not received that
    memberships: dict[str, StoredMembership] = {}
    attachments: dict[str, StoredAttachment] = {}
    ended: dict[str, str] = {}  # audiences that it had to leave, and why
    follows: list[str] = []  # what the person followed
    lost_at: float | None = None


class Found(NamedTuple):
    """A session that can be taken up, and the position up to which the client has everything."""

    pid: str
    record: SessionRecord
    stored_at: int
    after: int


class Recovery:
    """`window_s`: how long after a loss a session can be taken up."""

    def __init__(self, link: Link, feed: Feed, window_s: float) -> None:
        self._link = link
        self._feed = feed
        self._window_s = window_s

    async def save(self, session: Session) -> None:
        """Best effort: a session that could not be stored cannot be recovered, but works."""
        await self._store_alone(session, lambda: encoded(session))

    async def end(self, session: Session, *, lost: bool) -> None:
        """Its connection has ended. `lost`: the client may come back for it; else it has gone by itself."""
        await self._store_alone(session, lambda: _last(session, lost=lost))

    async def end_later(self, session: Session, *, lost: bool) -> Callable[[], Awaitable[None]] | None:
        """As `end`, of a session that is not being stored just now. The function that is returned waits for the
        answer."""
        if session.pid is None:
            return None
        try:
            answer = await replace_later(
                self._link.nc, _subject(session.pid), _last(session, lost=lost), expected=session.stored_at,
                timeout=TIMEOUT_S,
            )  # fmt: skip
        except OutcomeUnknown as error:
            _not_stored(error)
            return None
        return lambda: self._note(session, answer())

    async def find(self, auth: Any, claim: Claim | None) -> Found | None:
        """The session that a CONNECT packet names, if the pid is known, the person the same, the window open and the
        offset of this epoch. `claim`: who the client is now; None: it named nobody, and the pid speaks for it.

        Raises Unavailable when that cannot be known now: the client does best to come again.
        """
        pid = pid_in(auth)
        if pid is None:
            return None
        loaded = await self._load(pid) if len(pid) <= PID_CHARS_MAX else None
        if loaded is None:
            return _not_found("unknown")
        record, stored_at = loaded
        after = self._position(auth.get("offset"), record)
        doubt = self._doubt(record, claim, after)
        if doubt is not None or after is None:
            return _not_found(doubt or "offset")
        if not await self._feed.reached(after, AHEAD_S):
            return _not_found("ahead")
        return Found(pid, record, stored_at, after) if record.epoch == self._feed.epoch else _not_found("epoch")

    def _doubt(self, record: SessionRecord, claim: Claim | None, after: int | None) -> str | None:
        """Why a stored session cannot be taken up; None: it can."""
        if claim is not None and claim.user_id != record.claim.user_id:
            log.warning("a pid of another user was presented")
            return "user"
        if record.epoch != self._feed.epoch:
            return "epoch"
        if record.lost_at is not None and clock.now() - record.lost_at > self._window_s:
            return "window"
        if after is None:
            return "offset"
        return "lost" if after < record.whole_from else None

    async def take_over(self, session: Session, found: Found) -> bool:
        """Make the stored session this connection's; False: its earlier connection has stored something since it was
        found. Raises Unavailable."""
        record = found.record.model_copy(update={"claim": session.claim, "bound": session.bound, "lost_at": None})
        try:
            session.stored_at = session.taken_up = await replace(
                self._link.nc, _subject(found.pid), record.model_dump_json().encode(),
                expected=found.stored_at, timeout=TIMEOUT_S,
            )  # fmt: skip
        except Conflict:
            return False
        except OutcomeUnknown as error:
            raise Unavailable(str(error)) from error
        return True

    async def missed(self, session: Session, found: Found, upto: int) -> list[Missed] | None:
        """What the client missed up to a position of the feed; None: it cannot be known any more. Raises
        Unavailable."""
        return await self._feed.missed(session.memberships, session.sid, found.after, upto)

    def _position(self, offset: Any, record: SessionRecord) -> int | None:
        """The sequence in `<epoch>.<sequence>`; None: not an offset of ours. Without one nothing was received."""
        if offset is None:
            return record.since
        if not isinstance(offset, str):
            return None
        epoch, _, digits = offset.rpartition(".")
        if epoch != record.epoch or not digits.isdecimal() or len(digits) > SEQUENCE_DIGITS_MAX:
            return None
        return int(digits)

    async def _load(self, pid: str) -> tuple[SessionRecord, int] | None:
        try:
            raw = await self._link.nc.jetstream(timeout=TIMEOUT_S).get_last_msg(SESSIONS, _subject(pid))
            return (SessionRecord.model_validate_json(raw.data), raw.seq or 0) if raw.data else None
        except (ValidationError, nats.js.errors.NotFoundError):
            return None
        except (TimeoutError, nats.errors.Error, nats.js.errors.Error) as error:
            raise Unavailable(f"{type(error).__name__}: {error}") from error

    async def _store_alone(self, session: Session, body: Callable[[], bytes]) -> None:
        """One after the other, each with the state of its turn."""
        if session.pid is None:
            return
        while session.storing is not None:
            await session.storing.wait()
        session.storing = asyncio.Event()
        try:
            subject, expected = _subject(session.pid), session.stored_at
            storing = replace(self._link.nc, subject, body(), expected=expected, timeout=TIMEOUT_S)
            await self._note(session, storing)
        finally:
            session.storing.set()
            session.storing = None

    @staticmethod
    async def _note(session: Session, storing: Awaitable[int]) -> None:
        """Only over what this session has stored before: it may have been taken up elsewhere meanwhile."""
        try:
            session.stored_at = await storing
        except Conflict:
            session.cut("it was taken up by another connection")
        except (OutcomeUnknown, Unavailable) as error:
            _not_stored(error)


def encoded(session: Session, lost_at: float | None = None) -> bytes:
    """Its `SessionRecord`. All of it is our own: checking it again would cost more than storing it."""
    return orjson.dumps(
        {
            "sid": session.sid,
            "claim": session.claim,
            "bound": session.bound,
            "epoch": session.epoch,
            "began": session.began,
            "since": session.since,
            "whole_from": session.whole_from,
            "memberships": {a: {"since": m.since, "as_of": m.as_of} for a, m in session.memberships.items()},
            "attachments": {r: {"step": a.step, "screening": a.screening} for r, a in session.attachments.items()},
            "ended": session.ended,
            "follows": list(session.follows),
            "lost_at": lost_at,
        }
    )


def _last(session: Session, *, lost: bool) -> bytes:
    return encoded(session, lost_at=clock.now()) if lost else b""


def _not_stored(error: Exception) -> None:
    log.debug("a session was not stored", error=f"{type(error).__name__}: {error}")


def _not_found(why: str) -> Found | None:
    metrics.RECOVERIES.labels(why).inc()
    return None


def pid_in(auth: Any) -> str | None:
    """The pid of the session that a CONNECT packet names."""
    pid = auth.get("pid") if isinstance(auth, dict) else None
    return pid if isinstance(pid, str) and pid else None


def new_pid() -> str:
    return secrets.token_urlsafe(24)


def restore(session: Session, found: Found) -> None:
    """The memberships of the stored session. Its rooms are attached anew at presence by `Joins.resume`; should it be
    cut before, whoever takes it up next still knows of them."""
    record = found.record
    session.epoch, session.since, session.whole_from = record.epoch, record.since, record.whole_from
    session.began, session.ended = record.began, dict(record.ended)
    session.follows = frozenset(record.follows)
    session.memberships = {a: Membership(since=m.since, as_of=dict(m.as_of)) for a, m in record.memberships.items()}
    session.attachments = {
        room: Attachment(attach=0, step=stored.step, screening=stored.screening)
        for room, stored in record.attachments.items()
    }


def _subject(pid: str) -> str:
    return f"session.{hashlib.sha256(pid.encode()).hexdigest()}"
