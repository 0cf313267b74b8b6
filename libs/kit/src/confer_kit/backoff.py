"""How long to wait before a process that ended is started again, and how its end is told."""

import random
import signal
from dataclasses import dataclass

FIRST_S = 0.2
CAP_S = 15.0
STEADY_S = 10.0  # a process that lived this long is not counted as failing at its start
OFTEN = 5


@dataclass
class Backoff:
    """Doubles from `FIRST_S` to `CAP_S`, with a quarter of jitter; a steady life starts it anew."""

    quick_deaths: int = 0

    def after(self, lived_s: float) -> float:
        """Seconds to wait after a life of `lived_s` seconds."""
        self.quick_deaths = 1 if lived_s >= STEADY_S else self.quick_deaths + 1
        wait = min(FIRST_S * 2.0 ** min(self.quick_deaths - 1, 20), CAP_S)
        return min(wait * random.uniform(0.75, 1.25), CAP_S)  # noqa: S311 - jitter

    @property
    def failing(self) -> bool:
        """Whether it has died so often and so soon that somebody should look."""
        return self.quick_deaths >= OFTEN


def ending(code: int) -> str:
    """How a process ended, by its exit code; negative for a signal."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
