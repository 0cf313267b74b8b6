"""How much one client may send: a token bucket, how its packets are charged, and the patience with who goes on."""

from enum import Enum
from typing import Final

BYTES_PER_TOKEN: Final = 64 * 1024  # each further started 64 KiB of a payload cost as much as an event
PATIENCE_S: Final = 10.0  # refused events worth so many seconds of the rate, without a pause in between, are enough
ATTACHMENTS_MAX: Final = 10  # of one packet


class Bucket:
    """Tokens come at `per_s` and are kept up to `burst`. `now`: seconds by any clock that does not run backwards."""

    __slots__ = ("_at", "_burst", "_per_s", "_tokens")

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._per_s, self._burst, self._at = per_s, burst, now
        self._tokens = burst

    def take(self, cost: float, now: float) -> bool:
        """Whether something is left. The last taker may leave a debt: so what costs more than the burst has a turn."""
        self._fill(now)
        if self._tokens <= 0:
            return False
        self._tokens -= cost
        return True

    def lacks_s(self, cost: float, now: float) -> float:
        """In how many seconds so much is there; 0: it is."""
        self._fill(now)
        return max(0.0, cost - self._tokens) / self._per_s

    def owe(self, cost: float, now: float) -> None:
        """Take what cannot be refused."""
        self._fill(now)
        self._tokens -= cost

    def full(self, now: float) -> bool:
        self._fill(now)
        return self._tokens >= self._burst

    def _fill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._per_s)
        self._at = max(now, self._at)


class Verdict(Enum):
    PASS = "pass"  # noqa: S105 - no password
    REFUSE = "refuse"  # over the limit: the client is told, nothing is done
    DROP = "drop"  # part of what was refused, or after the end
    CUT = "cut"  # it has gone on for too long: the connection ends. Said once


class Inflow:
    """What one connection sends. A packet and its attachments pass or are refused as a whole."""

    __slots__ = ("_bucket", "_dropping", "_expecting", "_over", "_patience", "_refused")

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._bucket = Bucket(per_s, burst, now)
        self._patience = PATIENCE_S * per_s
        self._refused = 0.0  # tokens' worth, since the bucket was full
        self._expecting = self._dropping = 0  # attachments of the packet before
        self._over = False

    def judge(self, data: bytes, now: float, *, binary: bool = False) -> Verdict:
        """Of one Socket.IO packet (Socket.IO v5, "Packet encoding") or attachment; empty: of an Engine.IO packet that
        nobody needs."""
        if self._over:
            return Verdict.DROP
        cost = 1 + len(data) // BYTES_PER_TOKEN
        if binary and self._expecting:
            self._expecting -= 1
            self._bucket.owe(cost, now)
            return Verdict.PASS
        if binary and self._dropping:
            self._dropping -= 1
            return Verdict.DROP
        if self._refused and self._bucket.full(now):
            self._refused = 0
        passes = self._bucket.take(cost, now)
        attachments = 0 if binary else attachments_of(data)
        self._expecting, self._dropping = (attachments, 0) if passes else (0, attachments)
        return Verdict.PASS if passes else self._refusal(cost, leaves=data == b"1")

    def _refusal(self, cost: float, *, leaves: bool) -> Verdict:
        self._refused += cost
        self._over = self._refused > self._patience
        if self._over:
            return Verdict.CUT
        return Verdict.PASS if leaves else Verdict.REFUSE  # who goes may go


def attachments_of(data: bytes) -> int:
    """How many follow a packet; 0 where it says nonsense, which is the parser's affair."""
    if data[:1] not in (b"5", b"6"):  # BINARY_EVENT, BINARY_ACK
        return 0
    digits, dash, _ = data[1:4].partition(b"-")
    return min(int(digits), ATTACHMENTS_MAX) if dash and digits.isdigit() else 0
