"""The lease of one start of an edge over its sessions (pure).

Beats reach one replica each, so they are facts: any replica may be the one that finds an edge silent. Times are
Unix seconds.
"""

from dataclasses import dataclass
from typing import assert_never


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """`beat_at`: when it was last renewed in the log; `lost_at`: since when it counts as gone."""

    beat_at: float = 0.0
    lost_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """The edge lives. A renewal is stored at most every `every_s`."""

    now: float
    every_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lose:
    """The edge was not heard since `silent_since`: for longer than its lease, or it has no connection any more."""

    silent_since: float
    now: float


Command = Beat | Lose


def evolve(lease: Lease, event: Lease) -> Lease:
    return event


def decide(command: Command, lease: Lease) -> Lease | None:
    match command:
        case Beat():
            fresh = lease.lost_at is None and command.now - lease.beat_at < command.every_s
            return None if fresh else Lease(beat_at=max(command.now, lease.beat_at))
        case Lose():
            if lease.lost_at is not None or lease.beat_at > command.silent_since:
                return None
            return Lease(beat_at=lease.beat_at, lost_at=command.now)
    assert_never(command)
