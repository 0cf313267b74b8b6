"""What a client may lose for good, and how often in a row that is borne with."""

from enum import Enum
from typing import Final

LOSSES_MAX: Final = 3
LOSSES_WITHIN_S: Final = 60.0


class Loss(Enum):
    RESET = "reset"  # LIVE was made anew, or trimmed past this edge
    BEHIND = "behind"  # too much waited for a client that reads slowly
    OVERTAKEN = "overtaken"  # too much was held back while snapshots were fetched


class Losses:
    """When one client has lost something of late."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: tuple[float, ...] = ()

    def again(self, now: float) -> bool:
        """One more at `now`, in seconds. Whether they are too many."""
        recent = (at for at in self._times if now - at < LOSSES_WITHIN_S)
        self._times = (*recent, now)[-LOSSES_MAX - 1 :]
        return len(self._times) > LOSSES_MAX
