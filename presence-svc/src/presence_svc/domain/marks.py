"""Soft marks: "X is editing field F", one for each session of a person (pure). Times are Unix seconds.

A mark ends when the session says so, moves to another field, is silent for long, or is gone.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

MARKS_MAX = 8  # of one person: beyond that the oldest one ends
RENEWED_EVERY_S = 10.0  # a mark that goes on is written again at most this often


@dataclass(frozen=True, slots=True)
class Mark:
    """The field, and when the session was last heard to edit it."""

    field: str
    at: float


Marks = Mapping[str, Mark]  # by session; the one that was set last is the last one


def fields(marks: Marks) -> tuple[str, ...]:
    """What is being edited, each field once, the latest last."""
    return tuple(dict.fromkeys(mark.field for mark in marks.values()))


def latest(marks: Marks) -> str | None:
    """The field of the mark that was set last."""
    return next(reversed(tuple(marks.values()))).field if marks else None


def chosen(marks: Marks, session: str, field: str | None, at: float) -> Marks:
    """The session edits that field now; None: none."""
    known = marks.get(session)
    if field is not None and known is not None and known.field == field:
        return renewed(marks, session, (field,), at)
    if field is None and known is None:
        return marks
    rest = {name: mark for name, mark in marks.items() if name != session}
    if field is None:
        return rest
    return dict([*rest.items(), (session, Mark(field, at))][-MARKS_MAX:])


def renewed(marks: Marks, session: str, edited: Collection[str], at: float) -> Marks:
    """The session was heard to edit these fields. It keeps its place."""
    known = marks.get(session)
    if known is None or known.field not in edited or at - known.at < RENEWED_EVERY_S:
        return marks
    return {**marks, session: replace(known, at=at)}


def kept(marks: Marks, sessions: Collection[str]) -> Marks:
    """A mark ends with its session, unless that was the last one and may come back."""
    return {name: mark for name, mark in marks.items() if name in sessions} if sessions else marks


def heard_since(marks: Marks, silent_since: float) -> Marks:
    """Without those that were not heard after that time."""
    return {name: mark for name, mark in marks.items() if mark.at > silent_since}
