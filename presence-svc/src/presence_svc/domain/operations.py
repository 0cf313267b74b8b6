"""The newest operations of an aggregate whose facts carry its whole state (pure, bounded).

A request that is sent again is recognised by its operation id. What was forgotten is told by the clock of whoever made
it (a session, a user), as in `confer_contracts.operations`: a wrong clock is no fault.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.operations import made_at

OPERATIONS_MAX = 8  # they travel in each fact
MAKERS_MAX = 32


@dataclass(frozen=True, slots=True)
class Operations:
    """`done`: (operation, its maker), oldest first; `forgotten`: when each maker's latest forgotten one was made."""

    done: tuple[tuple[str, str], ...] = ()
    forgotten: Mapping[str, float] = field(default_factory=dict)

    def __contains__(self, op: object) -> bool:
        return any(done == op for done, _ in self.done)

    def refuse_if_stale(self, op: str, maker: str) -> None:
        """Rejection(stale_operation) where it may have run before what is remembered here begins."""
        made = made_at(op)
        if op not in self and made is not None and made <= self.forgotten.get(maker, 0.0):
            raise Rejection(ErrorCode.STALE_OPERATION, "op: too old to know whether it already ran", field="op")

    def plus(self, op: str, maker: str) -> "Operations":
        """With one more, which has just had its effect."""
        done = (*self.done, (op, maker))
        forgotten = dict(self.forgotten)
        for old, who in done[:-OPERATIONS_MAX]:
            if (made := made_at(old)) is not None:
                forgotten[who] = max(made, forgotten.pop(who, 0.0))  # the latest last
        while len(forgotten) > MAKERS_MAX:
            del forgotten[next(iter(forgotten))]
        return Operations(done[-OPERATIONS_MAX:], forgotten)
