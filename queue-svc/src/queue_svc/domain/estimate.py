"""How long a ticket is likely to wait: a range that the last services and the stations at work account for, or nothing.

Of those last services the middle half says how long one takes: a quarter was quicker than `quick_s`, a quarter slower
than `slow_s`. Stations serve side by side, and who is served now may be done in a moment, or only just have begun.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import quantiles
from typing import Final

BASIS_MIN, BASIS_MAX = 5, 20  # services that an estimate stands on
BASIS_S: Final = 4 * 3600.0  # older ones tell nothing of today's pace
AT_WORK_S: Final = 1800.0  # a station that has finished nobody for so long, and holds nobody, is not at work


@dataclass(frozen=True, slots=True)
class Service:
    """One that is over: when (Unix seconds), how many seconds it took, where."""

    ended: float
    seconds: float
    place: str


@dataclass(frozen=True, slots=True)
class Basis:
    """What an estimate stands on: so many services, the range of their middle half, so many stations at work, of which
    some serve nobody now."""

    services: int
    quick_s: float
    slow_s: float
    stations: int
    free: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds from now, at least and at most, as far as the basis goes."""

    from_s: int
    to_s: int
    basis: Basis


def basis_of(services: Sequence[Service], busy: Collection[str], now: float) -> Basis | None:
    """`busy`: where somebody is held now. None where too little is known, or nobody is at work."""
    seconds = [each.seconds for each in services if each.ended >= now - BASIS_S]
    at_work = {each.place for each in services if each.ended >= now - AT_WORK_S} | set(busy)
    if len(seconds) < BASIS_MIN or not at_work:
        return None
    quick, _, slow = quantiles(seconds, n=4, method="inclusive")
    return Basis(len(seconds), quick, slow, len(at_work), len(at_work) - len(set(busy)))


def wait(basis: Basis, ahead: int) -> Estimate:
    """Until somebody with so many others before them is called."""
    endings = max(1, ahead + 1 - basis.free)  # services that have to end first
    soonest = (endings - 1) // basis.stations * basis.quick_s
    latest = ceil(endings / basis.stations) * basis.slow_s
    return Estimate(int(soonest), ceil(latest), basis)
