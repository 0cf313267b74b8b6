"""The log that services append to, as they see it; and the in-memory one for tests of what stands on it."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from confer_contracts.errors import ErrorCode, Rejection
from confer_kit.facts import NewFact, StoredFact


class Conflict(Exception):  # noqa: N818 - an answer of the log: the expected sequence was not the last
    """Somebody else appended first; nothing was stored."""


class OutcomeUnknown(Exception):  # noqa: N818
    """No answer in time: the fact may be stored or not. Read before trying again."""


class Unavailable(Exception):  # noqa: N818
    """The log cannot be reached; nothing was stored."""


class Append(NamedTuple):
    """A fact, if the last sequence under `guard` is `expected` (0: none yet)."""

    fact: NewFact
    guard: str
    expected: int


class EventLog(Protocol):
    """`guard` is a subject, or one with wildcards, that covers one aggregate."""

    async def append(self, fact: NewFact, *, guard: str, expected: int, timeout: float) -> int:
        """Store the fact if the last sequence under `guard` is `expected` (0: none yet); answers its sequence.

        Conflict, OutcomeUnknown or Unavailable otherwise.
        """
        ...

    async def append_all(self, appends: Sequence[Append], *, timeout: float) -> int:
        """Store facts of one service one after the other, all of them or none; answers the sequence of the last.

        As `append` otherwise. No two guards may cover the same subject.
        """
        ...

    async def last(self, guard: str) -> StoredFact | None:
        """The last fact under `guard`, from the leader: never stale."""
        ...

    async def read(self, guard: str, *, after: int, upto: int, limit: int | None = None) -> Sequence[StoredFact]:
        """The facts under `guard` with `after < seq <= upto`, in order; all of them, or the first `limit`."""
        ...


class MemoryEventLog:
    """The same promises without a server; the one suite of tests runs against both."""

    def __init__(self) -> None:
        self.facts: list[StoredFact] = []

    async def append(self, fact: NewFact, *, guard: str, expected: int, timeout: float) -> int:
        found = await self.last(guard)
        if (found.seq if found else 0) != expected:
            raise Conflict(guard)
        self.facts.append(fact.stored(len(self.facts) + 1, at=0.0))
        return len(self.facts)

    async def append_all(self, appends: Sequence[Append], *, timeout: float) -> int:
        for _, guard, expected in appends:
            found = await self.last(guard)
            if (found.seq if found else 0) != expected:
                raise Conflict(guard)
        for one in appends:
            self.facts.append(one.fact.stored(len(self.facts) + 1, at=0.0))
        return len(self.facts)

    async def last(self, guard: str) -> StoredFact | None:
        return next((f for f in reversed(self.facts) if covers(guard, str(f.subject))), None)

    async def read(self, guard: str, *, after: int, upto: int, limit: int | None = None) -> Sequence[StoredFact]:
        return [f for f in self.facts[after:upto] if covers(guard, str(f.subject))][:limit]


def covers(guard: str, subject: str) -> bool:
    """Whether a NATS subject matches a pattern with `*` tokens."""
    patterns, tokens = guard.split("."), subject.split(".")
    return len(patterns) == len(tokens) and all(p in ("*", t) for p, t in zip(patterns, tokens, strict=True))


def as_rejection(error: Exception) -> Rejection:
    """The refusal that a client gets when the log failed."""
    if isinstance(error, OutcomeUnknown):
        return Rejection(ErrorCode.OUTCOME_UNKNOWN, "no answer from the log in time: send it again with the same op")
    return Rejection(ErrorCode.UNAVAILABLE, "the log cannot be reached: try again")
