"""What `confer doctor` finds: what was looked at, how it is, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """WRONG makes the exit status 1; a NOTE is for the operator to judge."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """`do` is empty where there is nothing to do."""

    about: str
    level: Level
    said: str
    do: str = ""


def ok(about: str, said: str) -> Finding:
    return Finding(about, Level.OK, said)


def note(about: str, said: str, do: str) -> Finding:
    return Finding(about, Level.NOTE, said, do)


def wrong(about: str, said: str, do: str) -> Finding:
    return Finding(about, Level.WRONG, said, do)
