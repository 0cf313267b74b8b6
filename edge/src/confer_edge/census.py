"""How many connections there are: in all, and for each address or person."""

import asyncio
from collections import Counter
from collections.abc import Hashable
from enum import Enum
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from confer_contracts.errors import ErrorCode, Rejection
from confer_edge import metrics
from confer_edge.arrivals import Arrivals, whole_seconds

_SUBSCRIBER_BITS = 64  # of an IPv6 address: what one subscriber gets at least


class Full(Enum):
    """Which limit is met."""

    IN_ALL = "in_all"
    PER_KEY = "per_key"


class Census:
    """Members, each under one key. What counts is who is there: a departure that is told twice changes nothing."""

    def __init__(self, per_key_max: int, in_all_max: int | None = None) -> None:
        self._per_key_max = per_key_max
        self._in_all_max = in_all_max
        self._keys: dict[Hashable, str] = {}
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._keys)

    def of(self, key: str) -> int:
        return self._counts[key]

    def full(self, member: Hashable, key: str) -> Full | None:
        """Why this member cannot be under this key; None: it can, or is."""
        here = self._keys.get(member)
        if here == key:
            return None
        if self._counts[key] >= self._per_key_max:
            return Full.PER_KEY
        return Full.IN_ALL if here is None and self._in_all_max is not None and len(self) >= self._in_all_max else None

    def enter(self, member: Hashable, key: str) -> None:
        """Whoever is under another key moves."""
        self.leave(member)
        self._keys[member] = key
        self._counts[key] += 1

    def leave(self, member: Hashable) -> None:
        key = self._keys.pop(member, None)
        if key is not None:
            self._counts[key] -= 1
            if not self._counts[key]:
                del self._counts[key]


class Users(Census):
    """Sessions, by sid, under their users; and how often each user comes."""

    def __init__(self, per_user_max: int, arrivals: Arrivals) -> None:
        super().__init__(per_user_max)
        self._arrivals = arrivals

    def arrives(self, user_id: str) -> None:
        """Rejection(limit_exceeded) for who comes too often; `retry_after_s` says when it may again."""
        wait_s = self._arrivals.wait_s(user_id, asyncio.get_running_loop().time())
        if wait_s:
            metrics.LIMITS.labels("connects_per_user").inc()
            text = f"connects: {self._arrivals.limit} by one user"
            raise Rejection(ErrorCode.LIMIT_EXCEEDED, text, details={"retry_after_s": whole_seconds(wait_s)})

    def must_admit(self, sid: str, user_id: str) -> None:
        """Rejection(limit_exceeded) where the user has as many sessions as a user may have."""
        if self.full(sid, user_id) is not None:
            metrics.LIMITS.labels("connections_per_user_max").inc()
            text = f"connections: a user may have {self._per_key_max} at most"
            raise Rejection(ErrorCode.LIMIT_EXCEEDED, text)


@lru_cache(maxsize=4096)
def subscriber(host: str) -> str:
    """Under what an address is counted: IPv6 by its /64, for whoever has one address of it has them all."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        bits = 128 - _SUBSCRIBER_BITS
        return f"{IPv6Address(int(address) >> bits << bits)}/{_SUBSCRIBER_BITS}"
    return str(address)
