"""What a person wants to hear of, and when. What is critical is always told.

Pure: of a time zone only its rules are read, from the IANA database of the machine.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

CRITICAL = "critical"
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Quiet:
    """Every day from `start` to `end`; where `end` is earlier, to that of the next day. `zone`: an IANA name."""

    start: time
    end: time
    zone: str

    def until(self, now: float) -> float | None:
        """When the quiet hours end that `now` is in (all in Unix seconds); None: it is in none."""
        local = datetime.fromtimestamp(now, ZoneInfo(self.zone))
        here = local.time()
        over_midnight = self.end < self.start
        since, yet = here >= self.start, here < self.end
        inside = (since or yet) if over_midnight else (since and yet)
        return _next(local, self.end) if inside else None

    def begins(self, now: float) -> float:
        """When the next ones begin, after `now`."""
        return _next(datetime.fromtimestamp(now, ZoneInfo(self.zone)), self.start)


@dataclass(frozen=True, slots=True)
class Preferences:
    """`mute`: types that are not counted. `digest`: types that one note tells of, every `digest_s` seconds."""

    mute: frozenset[str] = frozenset()
    digest: frozenset[str] = frozenset()
    digest_s: int = 0
    quiet: Quiet | None = None

    def silent(self, type_: str, priority: str) -> bool:
        """Whether a note is kept without being counted."""
        return priority != CRITICAL and (type_ in self.mute or type_ in self.digest)

    def quiet_until(self, now: float) -> float | None:
        return self.quiet.until(now) if self.quiet else None


UNTOLD: Final = Preferences()


def known_zone(name: str) -> bool:
    """Whether the machine knows the time zone."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; a path out of the database; a directory of it
        return False
    return True


def _next(local: datetime, at: time) -> float:
    """The next time that clocks there show `at`, which may be twice a day; where they leave it out, when they would
    have."""
    day, now = local.date(), local.timestamp()
    while True:
        for fold in (0, 1):
            found = datetime.combine(day, at.replace(fold=fold), local.tzinfo).timestamp()
            if found > now:
                return found
        day += DAY
