"""The state of a record: its fields and steps, where everybody is, what was answered. Changed by `evolve` alone."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from confer_contracts.json_text import encoding
from confer_contracts.operations import OperationLog
from sync_svc.domain.messages import Json, Outcome, StepStatus

_compact = encoding(ensure_ascii=False)
_canonical = encoding(sort_keys=True, separators=(",", ":"))
PAST_MAX = 500  # replaced versions that a record remembers, the newest of all its fields
PAST_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Field:
    """A version of a field; `size`: bytes of its JSON, its name included."""

    value: Json
    version: int
    user: str
    at: float
    size: int


@dataclass(frozen=True, slots=True)
class Step:
    """`entered_at`: since when it is, or was last, in progress; `completed_at`: since when it is completed."""

    name: str | None
    status: StepStatus
    version: int
    user: str
    at: float
    entered_at: float | None = None
    completed_at: float | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a person is: on `step` since `at`, and last seen in this record at `seen`."""

    step: int
    at: float
    seen: float


@dataclass(frozen=True, slots=True)
class WrittenFields:
    """What an update of fields answered: (field, version, outcome) of each. Not the values: they are the caller's
    own, or the record's. `request`: the fingerprint of what was asked."""

    changes: tuple[tuple[str, int, Outcome], ...]
    request: str


@dataclass(frozen=True, slots=True)
class WrittenStep:
    step: int
    status: StepStatus
    version: int


@dataclass(frozen=True, slots=True)
class Moved:
    step: int


@dataclass(frozen=True, slots=True)
class Reported:
    field: str


Answer = WrittenFields | WrittenStep | Moved | Reported


@dataclass(slots=True)
class Record:
    """`people`: user -> the place of their last move here, the latest mover last; a person who left and came back
    may stand elsewhere, which presence knows. `size`: bytes of all fields.

    `past`: versions that were replaced lately, oldest first; what is no longer here is in the log.
    """

    fields: dict[str, Field] = field(default_factory=dict)
    steps: dict[int, Step] = field(default_factory=dict)
    people: dict[str, Place] = field(default_factory=dict)
    operations: OperationLog[Answer] = field(default_factory=OperationLog)
    size: int = 0
    past: dict[tuple[str, int], Field] = field(default_factory=dict)
    past_size: int = 0

    def put(self, name: str, new: Field) -> None:
        """`new` is the field's current version; the one before is past."""
        replaced = self.fields.get(name)
        self.fields[name] = new
        self.size += new.size
        if replaced is None:
            return
        self.size -= replaced.size
        self.past[name, replaced.version] = replaced
        self.past_size += replaced.size
        while len(self.past) > PAST_MAX or self.past_size > PAST_BYTES_MAX:
            oldest = next(iter(self.past))
            self.past_size -= self.past.pop(oldest).size

    def version(self, name: str, number: int) -> Field | None:
        """That version of a field, if it is the current one or is remembered."""
        current = self.fields.get(name)
        return current if current and current.version == number else self.past.get((name, number))


def size_of(name: str, value: Json) -> int:
    """Bytes of JSON."""
    return len(_compact((name, value)).encode(errors="surrogatepass"))


def same(one: Json, other: Json) -> bool:
    """Whether two values are the same JSON; to Python, true is 1."""
    return _canonical(one) == _canonical(other)


def fingerprint(values: Iterable[tuple[str, Json]]) -> str:
    """Of a request to set fields to values: tells it from another one that uses the same operation id."""
    text = _canonical(sorted(values, key=lambda named: named[0]))
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()
