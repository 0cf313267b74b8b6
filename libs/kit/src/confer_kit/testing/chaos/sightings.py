"""What one client saw, in order: the testimony that the judge compares with the log."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Offset:
    """`<epoch>.<sequence>` of LIVE."""

    epoch: str
    seq: int

    @classmethod
    def parse(cls, text: Any) -> "Offset | None":
        """None: not an offset."""
        if not isinstance(text, str):
            return None
        epoch, _, digits = text.rpartition(".")
        return cls(epoch, int(digits)) if epoch and digits.isdecimal() else None


@dataclass(frozen=True, slots=True)
class Began:
    """A connection was let in. `recovered`: it goes on where the one before ended."""

    sid: str
    recovered: bool
    own: tuple[str, ...]  # the audiences that a client is in without asking


@dataclass(frozen=True, slots=True)
class Asked:
    """It sent a join or leave; until the answer nobody knows whether it is in."""

    audience: str


@dataclass(frozen=True, slots=True)
class Joined:
    """`versions`: of each field in the snapshot; None where the service was away. `at`: Unix seconds. `present`: whom
    the roster names."""

    audience: str
    offset: Offset
    versions: dict[str, int] | None
    at: float
    present: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Left:
    audience: str


@dataclass(frozen=True, slots=True)
class SyncPoint:
    audience: str
    offset: Offset
    at: float


@dataclass(frozen=True, slots=True)
class Resynced:
    """`as_of`: source stream -> sequence; `away`: services that could not answer."""

    audience: str
    offset: Offset
    as_of: dict[str, int]
    away: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """A fact, as it came. `body`: its very bytes, or (`parsed`) what they say, where the client parses them."""

    name: str
    body: Any
    offset: Offset
    parsed: bool = False


Sighting = Began | Asked | Joined | Left | SyncPoint | Resynced | Told


def of_event(name: str, args: list[Any], body: Any, at: float, *, parsed: bool) -> Sighting | None:
    """What an event of the edge tells; None: nothing that the log knows."""
    if name == "sync_point":
        offset = Offset.parse(args[0]["offset"])
        assert offset is not None
        return SyncPoint(args[0]["room"], offset, at)
    if name == "resync":
        offset = Offset.parse(args[0]["offset"])
        assert offset is not None
        parts = args[0]["snapshot"]
        as_of = {stream: seq for part in parts.values() for stream, seq in part.get("as_of", {}).items()}
        return Resynced(args[0]["room"], offset, as_of, tuple(s for s, part in parts.items() if part["status"] != "ok"))
    offset = Offset.parse(args[-1]) if args else None
    return None if offset is None or name == "health_check" else Told(name, body, offset, parsed)


def of_join(ack: dict[str, Any], at: float) -> Joined:
    """The acknowledgement of `join_patient_room`."""
    offset, record = Offset.parse(ack["offset"]), ack["sync"]
    assert offset is not None
    fields = record.get("fields")
    versions = None if fields is None else {name: field["version"] for name, field in fields.items()}
    present = frozenset(user["user_id"] for user in ack["presence"].get("users", []))
    return Joined(ack["room"], offset, versions, at, present)
