"""What an installation decides for a queue. Without a declaration everything is as the defaults say."""

from dataclasses import dataclass, field
from typing import Final, Literal

from confer_contracts.errors import ErrorCode, Rejection
from queue_svc.domain.order import Ordering

TICKETS_MAX: Final = 10_000  # active tickets of one queue, whatever its policy says
Back = Literal["old", "end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """A place to which people are called. `kinds`: of tickets called there; None: all that its skills allow."""

    kinds: frozenset[str] | None = None
    skills: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """version            0: none was declared
    claim_s            how long a call holds a ticket, in seconds; None: the service's setting
    renew_present      a claim whose holder is with the patient when it ends is prolonged
    return_when_left   a claim ends when its holder leaves the patient's room
    recalls_max        recalls before the next one makes a no_show; None: any number
    requeue            where a ticket that is given back goes; `requeue_choice`: the caller may say
    kinds              of tickets, each with the skills that it needs; empty: any kind, none needs a skill
    stations           by name; empty: any name, none is limited
    next_queue         which queue follows when a ticket is done
    """

    version: int = 0
    claim_s: float | None = None
    renew_present: bool = True
    return_when_left: bool = True
    recalls_max: int | None = None
    requeue: Back = "old"
    requeue_choice: bool = False
    ordering: Ordering = field(default_factory=Ordering)
    kinds: dict[str, frozenset[str]] = field(default_factory=dict)
    stations: dict[str, Station] = field(default_factory=dict)
    next_queue: str | None = None
    tickets_per_patient: int = 1
    tickets_max: int = TICKETS_MAX

    def check_kind(self, kind: str | None) -> None:
        """Rejection(invalid) when the queue has no such kind of tickets."""
        if kind is not None and self.kinds and kind not in self.kinds:
            raise _unknown("kind", kind, self.kinds)

    def place_of_return(self, asked: Back | None) -> Back:
        if asked is None or asked == self.requeue:
            return self.requeue
        if not self.requeue_choice:
            rule = f"place: tickets of this queue return to the {self.requeue} place"
            raise Rejection(ErrorCode.INVALID, rule, field="place")
        return asked

    def callable_at(self, station: str | None, asked: frozenset[str]) -> frozenset[str] | None:
        """The kinds of tickets that may be called to a station, of those asked for (none: all). None: every ticket.
        A ticket without a kind may be called to any station, unless only kinds are asked for."""
        for kind in asked:
            self.check_kind(kind)
        limits = self._kinds_at(station)
        if not asked:
            return None if limits is None else limits | {""}
        return asked if limits is None else asked & limits

    def _kinds_at(self, name: str | None) -> frozenset[str] | None:
        if not self.stations:
            return None
        if name is None or name not in self.stations:
            raise _unknown("station", name, self.stations)
        station = self.stations[name]
        able = {kind for kind, needs in self.kinds.items() if needs <= station.skills}
        if self.kinds:
            return frozenset(able if station.kinds is None else able & station.kinds)
        return station.kinds


def _unknown(what: str, name: str | None, known: dict[str, frozenset[str]] | dict[str, Station]) -> Rejection:
    names = ", ".join(sorted(known))
    text = f"{what}: this queue has {names}" + (f" and not {name}" if name is not None else "")
    return Rejection(ErrorCode.INVALID, text, field=what, details={"known": sorted(known)})


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDeclared:
    """From now on the queue has this policy."""

    policy: Policy
    user: str
    op: str
    at: float
