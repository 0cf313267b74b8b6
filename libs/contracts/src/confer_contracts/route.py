"""The kinds of public traffic, as values: a call, a join, a snapshot part, a fact, a view."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from confer_contracts import subjects
from confer_contracts.subjects import Kind

Q = TypeVar("Q", bound=BaseModel)
A = TypeVar("A", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[Q, A]):
    """A request that one service answers.

    `ordered` calls of one session run one after the other; the others (typing, heartbeats) bypass that lane.
    `audience` names whose rights the caller needs; without it, the caller's own inbox stands for the caller. `further`:
    others that it needs as well.
    `reads`: what it answers is of a record, and that somebody read it is kept (`audit`).
    `with_rooms`: the edge adds the rooms that the session is in. `with_withheld`: the edge adds to the identity what is
    kept from it. `public`: clients may send it under `event`.
    `reply_event`: for portal events that are answered by an event instead of an ack; its body is the reply's
    `event_body`. `error_event` replaces `error` for them.
    """

    service: str
    event: str
    request: type[Q]
    reply: type[A]
    doc: str
    ordered: bool = True
    timeout_s: float = 4.0
    public: bool = True
    with_rooms: bool = False
    with_withheld: bool = False
    audience: Callable[[Q], str] | None = None
    further: Callable[[Q], Sequence[str]] = lambda _: ()
    reads: bool = False
    reply_event: str | None = None
    error_event: Callable[[Q, str], tuple[str, dict[str, Any]]] | None = None

    @property
    def subject(self) -> str:
        return subjects.call(self.service, self.event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A part of the answer to a join: `service` answers `call.<service>.snapshot` for audiences of `kind`. `reads` as
    for a call."""

    service: str
    kind: Kind
    reply: type[BaseModel]
    reads: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A stored event that reaches browsers. `others`: it skips the session that it came from, live and in replay.

    `copies`: names under which further audiences get the same body (`{Kind.ROOM: "patient_ticket_called"}`).
    """

    service: str
    event: str
    kind: Kind
    body: Any  # a model, or a plain type such as str
    doc: str
    others: bool = False
    alias_of: str | None = None
    copies: tuple[tuple[Kind, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Latest-wins state or ephemera: `view.<kind>.<id>.<name>`, emitted as `event`. `others` as for facts.

    `of_snapshot`: the view's body in the service's part of the snapshot of such an audience; None: it is not in it.
    `namespace`: the one Socket.IO namespace that gets it.
    """

    service: str
    event: str
    kind: Kind
    name: str
    body: Any
    doc: str
    others: bool = False
    ephemeral: bool = False
    of_snapshot: Callable[[dict[str, Any]], Any] | None = None
    namespace: str = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeEvent:
    """A client event that the edge itself answers: joins, leaves, authenticate, ping."""

    event: str
    request: type[BaseModel] | None
    doc: str
    answers: tuple[str, ...] = ()
