"""What a client may lose for good, and how often in a row that is borne with."""

from enum import Enum
from typing import Final

LOSSES_MAX: Final = 3
LOSSES_WITHIN_S: Final = 60.0


class Loss(Enum):
    RESET = "reset"  # LIVE was made anew, or trimmed past this edge
    BEHIND = "behind"  # too much waited for a client that reads slowly
    OVERTAKEN = "overtaken"  # too much was held back while snapshots were fetched


def lately(losses: tuple[float, ...], now: float) -> tuple[float, ...]:
    """When one client has lost something of late, and now, in seconds; with more than LOSSES_MAX it is too often."""
    recent = (at for at in losses if now - at < LOSSES_WITHIN_S)
    return (*recent, now)[-LOSSES_MAX - 1 :]
