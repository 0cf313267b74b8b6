"""The exclusive lock of a field in a room: a lease with a fencing token that grows with each holder (pure).

It is advisory: whoever stores something under it compares the token. Times are Unix seconds.

    free --acquire--> held --release, the end of its time, the holder left--> free
                       | ^
                       +-+ renewed by its holder: same token; taken over by somebody else: the next token
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal, assert_never

from confer_contracts.errors import ErrorCode, Rejection
from presence_svc.domain.operations import Operations

Reason = Literal["released", "expired", "holder_left"]
RENEWED_SHARE = 0.5  # of its time: a lock that is in use is renewed when less than this is left


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """`holder`: None when it is free; `token`: of the last holder; `lasts_s`: how long each renewal lasts."""

    holder: str | None = None
    token: int = 0
    since: float = 0.0
    lasts_s: float = 0.0
    expires_at: float = 0.0
    operations: Operations = field(default_factory=Operations)

    def held(self, now: float) -> bool:
        return self.holder is not None and now < self.expires_at


class Notice(StrEnum):
    """What the room is told."""

    LOCKED = "locked"
    UNLOCKED = "unlocked"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The lock as it is now. `reason`: why it is free; `earlier`: who held it until now."""

    lock: Lock
    notice: Notice
    reason: Reason | None = None
    earlier: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquire:
    """`seen`: the token of the holder from whom it is to be taken over; None: only a free one, or one's own again."""

    user: str
    op: str
    now: float
    lasts_s: float
    seen: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    user: str
    op: str
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """The holder was active."""

    user: str
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire:
    """The time of this holder is over, unless they renewed it."""

    token: int
    expires_at: float
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderLeft:
    token: int
    now: float


Command = Acquire | Release | Use | Expire | HolderLeft


def evolve(lock: Lock, event: Lock) -> Lock:
    return event


def decide(command: Command, lock: Lock) -> Changed | None:
    match command:
        case Acquire():
            return _acquire(command, lock)
        case Release():
            return _release(command, lock)
        case Use():
            left = lock.expires_at - command.now
            mine = lock.held(command.now) and lock.holder == command.user
            return _renewed(lock, command.now) if mine and left < RENEWED_SHARE * lock.lasts_s else None
        case Expire():
            over = lock.token == command.token and lock.expires_at == command.expires_at <= command.now
            return _freed(lock, "expired") if over and lock.holder is not None else None
        case HolderLeft():
            return _freed(lock, "holder_left") if lock.token == command.token and lock.holder is not None else None
    assert_never(command)


def _acquire(c: Acquire, lock: Lock) -> Changed | None:
    if c.op in lock.operations:
        if lock.holder == c.user:
            return None
        raise Rejection(ErrorCode.CONFLICT, "op: what it locked is over; lock it again with another one", field="op")
    held = lock.held(c.now)
    if held and lock.holder != c.user and lock.token != c.seen:
        raise Rejection(ErrorCode.CONFLICT, "field: somebody else holds its lock", field="field")
    lock.operations.refuse_if_stale(c.op, c.user)
    operations = lock.operations.plus(c.op, c.user)
    if held and lock.holder == c.user:
        return _renewed(replace(lock, lasts_s=c.lasts_s, operations=operations), c.now)
    after = Lock(
        holder=c.user, token=lock.token + 1, since=c.now, lasts_s=c.lasts_s, expires_at=c.now + c.lasts_s,
        operations=operations,
    )  # fmt: skip
    return Changed(lock=after, notice=Notice.LOCKED, earlier=lock.holder if held else None)


def _release(c: Release, lock: Lock) -> Changed | None:
    if c.op in lock.operations or not lock.held(c.now):
        return None
    if lock.holder != c.user:
        raise Rejection(ErrorCode.CONFLICT, "field: somebody else holds its lock", field="field")
    lock.operations.refuse_if_stale(c.op, c.user)
    return _freed(replace(lock, operations=lock.operations.plus(c.op, c.user)), "released")


def _renewed(lock: Lock, now: float) -> Changed:
    expires_at = max(lock.expires_at, now + lock.lasts_s)
    return Changed(lock=replace(lock, expires_at=expires_at), notice=Notice.NOTHING)


def _freed(lock: Lock, reason: Reason) -> Changed:
    free = replace(lock, holder=None, since=0.0, lasts_s=0.0, expires_at=0.0)
    return Changed(lock=free, notice=Notice.UNLOCKED, reason=reason, earlier=lock.holder)
