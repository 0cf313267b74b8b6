"""The number under which a ticket is called in public: a letter of its queue and a count of the day, such as `S-017`.

It tells nothing about the patient, and stays the ticket's own wherever that goes. The count begins again each day; a
number that somebody in the queue still has is passed over.
"""

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Series:
    """What a new number is of. `day`: the date where the queue is (ISO 8601)."""

    letter: str = "Q"
    day: str = ""


UNNAMED: Final = Series()


@dataclass(frozen=True, slots=True)
class Number:
    letter: str
    day: str
    count: int

    def __str__(self) -> str:
        return f"{self.letter}-{self.count:03d}"


@dataclass(slots=True)
class Numbers:
    """The numbers of a queue: how many the latest day has given out, and those that are in the queue now."""

    day: str = ""
    count: int = 0
    shown: set[str] = field(default_factory=set)

    def next(self, series: Series) -> Number:
        """The number of the next ticket. A clock that is still in yesterday changes nothing."""
        day = max(series.day, self.day)
        count = self.count if day == self.day else 0
        while True:
            count += 1
            number = Number(series.letter, day, count)
            if str(number) not in self.shown:
                return number

    def given(self, number: Number) -> None:
        """A new ticket has it."""
        if number.day > self.day:
            self.day, self.count = number.day, 0
        if number.day == self.day:
            self.count = max(self.count, number.count)


def letter_of(queue: str) -> str:
    """The first letter from A to Z in a queue's id, else Q."""
    return next((c.upper() for c in queue if c.isascii() and c.isalpha()), "Q")
