"""Which notes are marked (seen, read, archived): all up to a position, but for exceptions, and single ones above it.

Bounded: past `EXCEPTIONS_MAX` the oldest exception goes, and what is older than all others counts as marked.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

EXCEPTIONS_MAX = 2000


@dataclass(frozen=True, slots=True)
class Marks:
    """`flipped`: the positions for which `upto` says the wrong thing: unmarked below it, marked above."""

    upto: int = 0
    flipped: frozenset[int] = frozenset()

    def has(self, position: int) -> bool:
        return (position <= self.upto) != (position in self.flipped)

    @property
    def floor(self) -> int:
        """Everything up to there is marked."""
        return min((self.upto, *(p - 1 for p in self.flipped if p <= self.upto)))

    def up_to(self, position: int) -> "Marks":
        """With everything up to there, exceptions included."""
        return _bounded(max(self.upto, position), frozenset(p for p in self.flipped if p > position))

    def with_(self, positions: Iterable[int]) -> "Marks":
        return self._flipping(p for p in positions if not self.has(p))

    def without(self, positions: Iterable[int]) -> "Marks":
        return self._flipping(p for p in positions if self.has(p))

    def _flipping(self, positions: Iterable[int]) -> "Marks":
        return _bounded(self.upto, self.flipped ^ frozenset(positions))


UNMARKED: Final = Marks()


def _bounded(upto: int, flipped: frozenset[int]) -> Marks:
    excess = len(flipped) - EXCEPTIONS_MAX
    if excess > 0:
        oldest = sorted(flipped)[excess - 1]
        return Marks(max(upto, oldest), frozenset(p for p in flipped if p > oldest))
    return Marks(upto, flipped)
