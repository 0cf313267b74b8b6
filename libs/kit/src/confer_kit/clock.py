"""The one place that reads the clock and makes ids; everybody else gets both as values."""

import secrets
import time
from datetime import UTC, datetime


def now() -> float:
    """Unix seconds."""
    return time.time()  # noqa: TID251


def iso(at: float) -> str:
    """Unix seconds as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_id() -> str:
    """A UUIDv7 (RFC 9562, 5.7): sortable by time, which is how a stale operation is told."""
    bits = (int(now() * 1000) << 80) | (7 << 76) | (secrets.randbits(12) << 64) | (2 << 62) | secrets.randbits(62)
    digits = f"{bits:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
