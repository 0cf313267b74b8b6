"""A person in a room, over any number of tabs, as they are and as the room is told (pure).

Times are Unix seconds. An event carries the whole person: `evolve` has nothing to compute.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from presence_svc.domain import marks
from presence_svc.domain.marks import Marks
from presence_svc.domain.operations import Operations


@dataclass(frozen=True, slots=True)
class Session:
    """A tab: which start of which edge serves it, the number of its latest attach there, and the step told with it.

    device    what the client calls its device
    taken_up  grows each time that an edge takes the session up; 0: it is where it began
    """

    incarnation: str
    attach: int
    screening: bool = False
    step: int | None = None
    device: str | None = None
    taken_up: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody in a room; without sessions and grace they are not there. Never changed, only replaced.

    screening      they took part in the screening at some time since they came
    step_at        when the step was last told, so that a late word about an earlier step is recognised
    changed_at     when a session last came or went
    lately         the session whose end began the grace period: the same one may come back
    marks          the fields that they edit, by session
    operations     of its sessions, those that had an effect
    """

    user_id: str
    name: str = ""
    role: str = ""
    step: int | None = None
    status: Literal["active", "away"] = "active"
    marks: Marks = field(default_factory=dict)
    sessions: Mapping[str, Session] = field(default_factory=dict)
    lately: Mapping[str, Session] = field(default_factory=dict)
    screening: bool = False
    joined_at: float = 0.0
    last_activity: float = 0.0
    step_at: float = 0.0
    changed_at: float = 0.0
    grace_until: float | None = None
    left_at: float | None = None
    operations: Operations = field(default_factory=Operations)

    @property
    def editing(self) -> tuple[str, ...]:
        """The fields that they edit, over all tabs, the latest last."""
        return marks.fields(self.marks)

    @property
    def focus(self) -> str | None:
        """The latest of them."""
        return marks.latest(self.marks)

    @property
    def present(self) -> bool:
        return bool(self.sessions) or self.grace_until is not None

    @property
    def shown(self) -> tuple[object, ...]:
        """What others are told of at once when it changes."""
        return self.name, self.role, self.step, self.status, self.focus, self.editing


class Notice(StrEnum):
    """What the others in the room are told."""

    JOINED = "joined"
    UPDATED = "updated"
    LEFT = "left"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The person as they are now. `joined_screening`: with this they joined the screening."""

    person: Person
    notice: Notice
    joined_screening: bool = False


def evolve(person: Person, event: Changed) -> Person:
    return event.person
