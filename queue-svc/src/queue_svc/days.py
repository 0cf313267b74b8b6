"""Which day it is where the queues are: numbers and statistics begin anew with it."""

from datetime import datetime, time
from zoneinfo import ZoneInfo

from queue_svc.domain.number import Series, letter_of


class Days:
    """`zone`: an IANA name, such as `Asia/Bangkok`."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)

    def day(self, at: float) -> str:
        """The date (ISO 8601) at a time (Unix seconds)."""
        return self._local(at).date().isoformat()

    def series(self, queue: str, at: float) -> Series:
        """What a number is of that is given out in a queue then."""
        return Series(letter_of(queue), self.day(at))

    def midnight(self, at: float) -> float:
        """When that date began (Unix seconds)."""
        return datetime.combine(self._local(at).date(), time(), self._zone).timestamp()

    def _local(self, at: float) -> datetime:
        return datetime.fromtimestamp(at, self._zone)
