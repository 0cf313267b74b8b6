"""Who is next: by priority, and within a priority as they came. Two rules keep a low priority from starving.

    ageing   whoever waits `ageing_s` longer goes before those of the next higher priority. Both wait on, so the order
             of two tickets never changes while time passes
    shares   of so many calls each priority gets its share while somebody of it waits (stride scheduling: Waldspurger
             and Weihl, 1995); the next call goes to the priority whose pass is lowest

Every question costs the logarithm of the length at most.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge
from math import lcm
from typing import Final

from queue_svc.domain.ticket import ARRIVAL_DIGITS, PRIORITIES, Place, between, order_of

_LANES: Final = range(len(PRIORITIES))
_Key = tuple[int, str, int, int]
Lanes = tuple[list[Place], list[Place], list[Place]]


@dataclass(frozen=True, slots=True)
class Ordering:
    """`shares`: of high, normal and low. At most one of the two; neither: strictly by priority."""

    ageing_s: float | None = None
    shares: tuple[int, int, int] | None = None

    @property
    def rule(self) -> str:
        return "ageing" if self.ageing_s is not None else "shares" if self.shares is not None else "priority"

    @property
    def strides(self) -> tuple[int, ...]:
        """How far a call moves each priority's pass."""
        shares = self.shares or (1, 1, 1)
        return tuple(lcm(*shares) // share for share in shares)


def _empty() -> Lanes:
    return [], [], []


def _copied(lanes: Lanes) -> Lanes:
    high, normal, low = lanes
    return list(high), list(normal), list(low)


@dataclass(slots=True)
class Line:
    """All who wait: for each priority a lane, sorted; and the same for each kind of ticket."""

    ordering: Ordering = Ordering()
    lanes: Lanes = field(default_factory=_empty)
    of_kind: dict[str, Lanes] = field(default_factory=dict)
    passes: list[int] = field(default_factory=lambda: [0, 0, 0])

    def __len__(self) -> int:
        return sum(map(len, self.lanes))

    def add(self, place: Place, kind: str) -> None:
        """Whoever comes to an empty lane has saved up no calls."""
        if not self.lanes[place.rank]:
            others = [self.passes[rank] for rank in _LANES if self.lanes[rank]]
            self.passes[place.rank] = max(self.passes[place.rank], min(others, default=0))
        insort(self.lanes[place.rank], place)
        insort(self.of_kind.setdefault(kind, _empty())[place.rank], place)

    def remove(self, place: Place, kind: str) -> None:
        alike = self.of_kind[kind]
        for lane in (self.lanes[place.rank], alike[place.rank]):
            del lane[bisect_left(lane, place)]
        if not any(alike):
            del self.of_kind[kind]

    def copy(self) -> "Line":
        alike = {kind: _copied(lanes) for kind, lanes in self.of_kind.items()}
        return Line(self.ordering, _copied(self.lanes), alike, list(self.passes))

    def called(self, place: Place) -> None:
        """One of this priority had a turn."""
        if self.ordering.shares:
            self.passes[place.rank] += self.ordering.strides[place.rank]

    def first(self, kinds: frozenset[str] | None) -> Place | None:
        """Whom to call, of these kinds ("": without a kind); None: of all."""
        some = [self.lanes] if kinds is None else [self.of_kind[kind] for kind in kinds if kind in self.of_kind]
        heads = [min(lanes[rank][0] for lanes in some if lanes[rank]) for rank in _LANES if any(x[rank] for x in some)]
        return min(heads, key=lambda head: self._key(head, 0), default=None)

    def ahead(self, place: Place) -> tuple[int, ...]:
        """How many go before this one: of high, normal and low priority."""
        own = self._key(place, bisect_left(self.lanes[place.rank], place))
        return tuple(self._before(lane, own) for lane in self.lanes)

    def position(self, place: Place) -> int:
        """1-based."""
        return sum(self.ahead(place)) + 1

    def at(self, position: int) -> Place | None:
        """Who has this position, or the next one after it; None: nobody."""
        found = []
        for lane in self.lanes:
            index = bisect_left(range(len(lane)), position, key=lambda i, lane=lane: self.position(lane[i]))  # type: ignore[misc]
            found += lane[index : index + 1]
        return min(found, key=self.position, default=None)

    def before(self, place: Place) -> str:
        """An order in the lane of this place, between it and whoever goes directly before it."""
        lane = self.lanes[place.rank]
        index = bisect_left(lane, place.order, key=lambda other: other.order)
        low = lane[index - 1].order if index else ""
        if self.ordering.ageing_s is not None and (position := self.position(place)) > 1:
            ahead = self.at(position - 1)
            alike = self._as_of_rank(ahead, place.rank) if ahead else ""
            low = max(low, alike) if alike < place.order else low  # of two that are equal the rank decides
        return between(low, place.order)

    def __iter__(self) -> Iterator[Place]:
        """In the order in which they would be called if nobody came any more."""
        keyed = (((self._key(place, index), place) for index, place in enumerate(lane)) for lane in self.lanes)
        return (place for _, place in merge(*keyed))

    def without(self, place: Place) -> "Line":
        """As if this one, who does, did not wait."""
        lanes = _copied(self.lanes)
        del lanes[place.rank][bisect_left(lanes[place.rank], place)]
        return Line(self.ordering, lanes, {}, self.passes)

    def _as_of_rank(self, place: Place, rank: int) -> str:
        """The order that makes a place of another rank as early as this one, by ageing."""
        came_ms = self._key(place, 0)[0] - rank * self._ageing_ms
        return order_of(max(0, came_ms)) + place.order[ARRIVAL_DIGITS:]

    @property
    def _ageing_ms(self) -> int:
        return round((self.ordering.ageing_s or 0) * 1000)

    def _before(self, lane: list[Place], key: _Key) -> int:
        return bisect_left(range(len(lane)), key, key=lambda index: self._key(lane[index], index))

    def _key(self, place: Place, index: int) -> _Key:
        """`index`: the place's in its lane. Ascends along a lane."""
        rank, order = place.rank, place.order
        if self.ordering.ageing_s is not None:
            came_ms = int(order[:ARRIVAL_DIGITS]) + rank * self._ageing_ms
            return came_ms, order[ARRIVAL_DIGITS:], rank, index
        if self.ordering.shares is not None:
            return self.passes[rank] + index * self.ordering.strides[rank], "", rank, index
        return 0, "", rank, index
