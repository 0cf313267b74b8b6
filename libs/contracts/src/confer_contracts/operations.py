"""Operation ids: how one request, sent again, is recognised and has one effect.

Every fold keeps an OperationLog: (user, operation) -> what the first run answered. It is pure and bounded, by number,
age and weight; an
operation that may have been forgotten is refused as stale, never run again.
"""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from confer_contracts.errors import ErrorCode, Rejection

KEPT_S = 24 * 3600
KEPT_MAX = 5000
WEIGHT_MAX = 20_000  # of all results together; one of so many parts weighs as much
USERS_MAX = 1000

R = TypeVar("R")


def made_at(operation: str) -> float | None:
    """Unix seconds in a UUIDv7 (RFC 9562, 5.7), by its maker's clock; None for any other id."""
    digits = operation.replace("-", "")
    if len(digits) != 32 or digits[12] != "7":
        return None
    try:
        return int(digits[:12], 16) / 1000
    except ValueError:
        return None


@dataclass(slots=True)
class OperationLog(Generic[R]):
    """Results by (user, operation), oldest first; belongs to one fold and is changed by `evolve` alone.

    What was forgotten is told by the user's own clock: `forgotten` has the time of each user's latest operation that
    is no longer here, `forgotten_until` that of users who are themselves forgotten. So a wrong clock is no fault: an
    operation is judged against others that the same person made. A clock that is more than a day fast would make all
    that the person does elsewhere look old; its operations count as ids without a time.
    """

    results: dict[tuple[str, str], tuple[float, R, int]] = field(default_factory=dict)
    weight: int = 0
    forgotten: dict[str, float] = field(default_factory=dict)
    forgotten_until: float = 0.0

    def find(self, user: str, operation: str) -> R | None:
        """What this operation answered when it ran, or None if it never did."""
        found = self.results.get((user, operation))
        return found[1] if found else None

    def refuse_if_stale(self, user: str, operation: str) -> None:
        """Reject an operation that may have run before what is remembered here begins."""
        made = made_at(operation)
        if (user, operation) in self.results or made is None:
            return
        if made <= max(self.forgotten.get(user, 0.0), self.forgotten_until):
            raise Rejection(ErrorCode.STALE_OPERATION, "op: too old to know whether it already ran", field="op")

    def remember(self, user: str, operation: str, at: float, result: R, weight: int = 1) -> None:
        """Keep a result; forget the oldest ones past the age and the bounds, but never this one."""
        if (before := self.results.get((user, operation))) is not None:
            self.weight -= before[2]
        self.results[user, operation] = (at, result, weight)
        self.weight += weight
        while len(self.results) > 1:
            (who, old), (ran, _, freed) = next(iter(self.results.items()))
            if len(self.results) <= KEPT_MAX and self.weight <= WEIGHT_MAX and ran >= at - KEPT_S:
                break
            del self.results[who, old]
            self.weight -= freed
            self._forget(who, old, ran)

    def _forget(self, user: str, operation: str, ran: float) -> None:
        made = made_at(operation)
        if made is None or made > ran + KEPT_S:
            return
        self.forgotten[user] = max(made, self.forgotten.pop(user, 0.0))  # the latest last
        if len(self.forgotten) > USERS_MAX:
            self.forgotten_until = max(self.forgotten_until, self.forgotten.pop(next(iter(self.forgotten))))
