"""A fact before and after it is stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from confer_contracts.ids import plain, token
from confer_contracts.json_text import encoding
from confer_contracts.subjects import FactSubject, Header


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFact:
    """What a service appends: one message, one commit.

    body    the JSON that browsers get; `event` is its Socket.IO name, None: stored and never emitted
    alias   a second Socket.IO name of the same body; copies: kind -> name for a second audience
    fold    JSON that only the service's own fold reads
    actor   user id of who did it; origin: the session it came from
    follow  `+` or `-` and an audience, which the sessions that get this fact enter or leave
    """

    subject: FactSubject
    body: bytes
    event: str | None = None
    alias: str | None = None
    copies: Mapping[str, str] = field(default_factory=dict)
    fold: bytes | None = None
    op: str | None = None
    actor: str | None = None
    origin: str | None = None
    follow: str | None = None

    def headers(self) -> dict[str, str]:
        """Headers are ASCII: ids travel as tokens, JSON is escaped."""
        named = {
            Header.EVENT: self.event,
            Header.ALIAS: self.alias,
            Header.OP: None if self.op is None else token(self.op),
            Header.ACTOR: None if self.actor is None else token(self.actor),
            Header.ORIGIN: self.origin,
            Header.FOLLOW: self.follow,
            Header.FOLD: None if self.fold is None else ascii_json(orjson.loads(self.fold)),
        }
        copies = {f"{Header.EVENT_FOR}{kind}": event for kind, event in self.copies.items()}
        return {name: value for name, value in named.items() if value is not None} | copies

    def stored(self, seq: int, at: float) -> "StoredFact":
        """This fact as it will be read back."""
        return StoredFact(subject=self.subject, seq=seq, at=at, body=self.body, headers=self.headers())


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFact:
    """A fact as its stream holds it. `seq` is the sequence in that stream, `at` Unix seconds. `foreign`: it was not
    appended as services append."""

    subject: FactSubject
    seq: int
    at: float
    body: bytes
    headers: Mapping[str, str]
    foreign: bool = False

    @property
    def event(self) -> str | None:
        return self.headers.get(Header.EVENT)

    @property
    def op(self) -> str | None:
        value = self.headers.get(Header.OP)
        return None if value is None else plain(value)

    @property
    def actor(self) -> str | None:
        value = self.headers.get(Header.ACTOR)
        return None if value is None else plain(value)

    @property
    def origin(self) -> str | None:
        return self.headers.get(Header.ORIGIN)

    @property
    def fold(self) -> Any:
        value = self.headers.get(Header.FOLD)
        return None if value is None else orjson.loads(value)

    def json(self) -> Any:
        return orjson.loads(self.body)


_ascii = encoding(separators=(",", ":"))


def ascii_json(value: Any) -> str:
    return _ascii(value)
