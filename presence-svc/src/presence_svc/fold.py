"""A person as the fold header of a fact holds one: read and written by all versions of this service."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from presence_svc.domain.marks import Mark
from presence_svc.domain.operations import Operations
from presence_svc.domain.person import Person, Session

_PLAIN = {f.name for f in fields(Person)} - {"user_id", "sessions", "lately", "marks", "operations"}


def read(fold: dict[str, Any], user_id: str) -> Person:
    """Members of later versions are passed over."""
    plain = {name: fold[name] for name in _PLAIN & fold.keys()}
    return Person(
        **plain, user_id=user_id, sessions=_sessions(fold, "sessions"), lately=_sessions(fold, "lately"),
        marks=_marks(fold), operations=operations(fold),
    )  # fmt: skip


def written(person: Person) -> dict[str, Any]:
    """All but the user id, which is in the subject."""
    fold = {name: value for name in sorted(_PLAIN) if (value := getattr(person, name)) is not None}
    fold |= {name: _told(sessions) for name in ("sessions", "lately") if (sessions := getattr(person, name))}
    return fold | _told_marks(person) | told_operations(person.operations)


def _told(sessions: Mapping[str, Session]) -> dict[str, Any]:
    """Without what is as in most sessions."""
    unsaid = {("step", None), ("device", None), ("taken_up", 0)}
    return {name: {k: v for k, v in asdict(s).items() if (k, v) not in unsaid} for name, s in sessions.items()}


def _sessions(fold: dict[str, Any], part: str) -> dict[str, Session]:
    return {
        name: Session(
            s["incarnation"], s["attach"], s.get("screening", False), s.get("step"), s.get("device"),
            s.get("taken_up", 0),
        )
        for name, s in fold.get(part, {}).items()
    }  # fmt: skip


def _told_marks(person: Person) -> dict[str, Any]:
    """With the latest one as earlier facts had it, for replicas that know no other."""
    if not person.marks:
        return {}
    return {
        "marks": {session: [mark.field, mark.at] for session, mark in person.marks.items()},
        "focus": person.focus, "focus_session": next(reversed(tuple(person.marks))),
    }  # fmt: skip


def _marks(fold: dict[str, Any]) -> dict[str, Mark]:
    if "marks" in fold or fold.get("focus") is None:
        return {session: Mark(field, at) for session, (field, at) in fold.get("marks", {}).items()}
    return {fold.get("focus_session") or "": Mark(fold["focus"], fold.get("last_activity", 0.0))}


def told_operations(known: Operations) -> dict[str, Any]:
    if not known.done:
        return {}
    ops, makers = zip(*known.done, strict=True)
    return {"operations": ops, "operations_by": makers, "forgotten": known.forgotten}


def operations(fold: dict[str, Any]) -> Operations:
    ops = fold.get("operations", ())
    makers = fold.get("operations_by") or [""] * len(ops)
    return Operations(tuple(zip(ops, makers, strict=True)), fold.get("forgotten", {}))
