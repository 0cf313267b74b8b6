"""What can be said about a person in a room (pure data). Times are Unix seconds.

Attach, Detach, Heartbeat, Focus, Edit, MoveStep     what sessions and other services tell
GoAway, EndMarks, Expire, LoseEdge                   what the passing of time tells; each names what it judged
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach:
    """A session is in the room. `settled_s`: do nothing if sessions came or went that lately (a list may be older).

    A further session, or another step, is activity of the person; a connection that is only made anew is not. A
    session that was taken up later (`taken_up`) by another edge stays with that one.
    """

    session: str
    incarnation: str
    attach: int
    name: str
    role: str
    now: float
    step: int | None = None
    screening: bool = False
    taken_up: int = 0
    settled_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Detach:
    """A session is gone, if it is still the one named; the person is kept for `grace_s` after the last one."""

    session: str
    incarnation: str
    attach: int
    now: float
    grace_s: float = 0.0
    settled_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoseEdge:
    """An edge is gone, and with it every session that it still holds."""

    incarnation: str
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The person is active in that session, on that device."""

    now: float
    step: int | None = None
    session: str | None = None
    device: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Focus:
    """The person edits the field `name` in that session; None: no longer."""

    name: str | None
    session: str
    op: str
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """They did something in that session, at that time: changed these fields, or typed."""

    session: str
    at: float
    fields: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveStep:
    """They moved to another step of the record, at that time."""

    step: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GoAway:
    """Nothing was heard since `last_activity`, for long."""

    last_activity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EndMarks:
    """Marks that were not heard after `silent_since` are over."""

    silent_since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire:
    """The grace period that ends at `grace_until` is over."""

    grace_until: float
    now: float


Command = Attach | Detach | LoseEdge | Heartbeat | Focus | Edit | MoveStep | GoAway | EndMarks | Expire
