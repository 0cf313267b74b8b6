"""How often connections may begin: who opens and closes them all day costs more than who stays, so that beginnings have
a rate of their own, by address and by user (ADR 0015)."""

import itertools
import math
from collections import OrderedDict
from typing import Final

from confer_edge.rate import Bucket

FORGOTTEN_AT_ONCE: Final = 2


class Arrivals:
    """A token bucket for each key that came lately: once it is full again it is forgotten. `keys_max` bounds them: then
    who was away for longest is forgotten, and has a full one when it is back."""

    def __init__(self, per_s: float, burst: int, keys_max: int) -> None:
        self._per_s = per_s
        self._burst = burst
        self._keys_max = keys_max
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    @property
    def limit(self) -> str:
        return f"more than {self._per_s:g} per second and {self._burst} at once"

    def wait_s(self, key: str, now: float) -> float:
        """0: it may come, and has. Otherwise in how many seconds it may, and nothing is taken."""
        self._forget(now)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self._per_s, self._burst, now)
            if len(self._buckets) > self._keys_max:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        wait_s = bucket.lacks_s(1, now)
        if not wait_s:
            bucket.owe(1, now)
        return wait_s

    def _forget(self, now: float) -> None:
        """More at once than come at once; but those who were away for longest alone are looked at."""
        for key, bucket in tuple(itertools.islice(self._buckets.items(), FORGOTTEN_AT_ONCE)):
            if not bucket.full(now):
                return
            del self._buckets[key]


def whole_seconds(wait_s: float) -> int:
    """As Retry-After tells them (RFC 9110, 10.2.3); never none at all."""
    return max(1, math.ceil(wait_s))
