"""A connected client: who it is, what it is in, and how a packet reaches it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from confer_contracts import subjects
from confer_contracts.message import Identity
from confer_contracts.subjects import EVERYBODY, Kind
from confer_edge.identity import Claim
from confer_edge.lane import Lane
from confer_edge.losses import Loss
from confer_edge.packets import Event, Outgoing
from confer_edge.websocket import WebSocket
from confer_kit.logs import logger

log = logger(__name__)


_NONE: Final[Mapping[str, Any]] = {}  # shared by all who have nothing
NOTHING: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Membership:
    """An audience that a session is in, as recovery needs it. The snapshot of its first join contains the facts of
    LIVE up to `since`, and those of each source stream up to `as_of`: they were never sent as facts."""

    since: int = 0
    as_of: Mapping[str, int] = field(default_factory=lambda: _NONE)


@dataclass(slots=True)
class Held:
    """One event that waits until the snapshots are with the client."""

    audience: str
    stream: str
    seq: int
    event: Event


@dataclass(slots=True)
class Attachment:
    """A room that presence is to know of. `attach` counts up over the edge's life."""

    attach: int
    step: int | None
    screening: bool


class Connection(Protocol):
    """What a session is served by. `sid`: Engine.IO's."""

    sid: str

    @property
    def out(self) -> "Out": ...

    async def taken(self) -> bool:
        """Waits until the client has read what was written; False: it is gone, or was too slow."""

    def cut(self, why: str) -> None:
        """End it, for the reason that is logged; the client comes back and starts anew."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What all sessions of an edge have in common. `delivered`: the last sequence of a source stream that the feed has
    brought. `buffer_max` and `buffer_bytes_max` bound what one session holds back."""

    delivered: Callable[[str], int]
    buffer_max: int
    buffer_bytes_max: int
    lost: Callable[["Session", Loss], None]


class Out(Protocol):
    """The client's way out. `write` puts one packet behind all earlier ones; `crowded`: so much waits for the client
    that more had better wait; `look`: whether the session is open has changed. `link`: the WebSocket, if it is one."""

    @property
    def link(self) -> WebSocket | None: ...
    def write(self, packet: Outgoing) -> None: ...
    def crowded(self) -> bool: ...
    def look(self) -> None: ...


class Session:
    """One Socket.IO session.

    While a snapshot is fetched, all its facts wait, of every audience: so a client's stream follows LIVE over all of
    its rooms, and one offset tells where it is.
    """

    __slots__ = (
        "_connection", "_contained", "_fetching", "_held", "_held_bytes", "_out", "_shared", "attachments",
        "began", "bound", "claim", "closed", "ended", "epoch", "follows", "heard", "lane", "losses", "memberships",
        "open", "over", "pid", "sid", "since", "stored_at", "storing", "taken_up", "traceparent", "whole", "whole_from",
    )  # fmt: skip

    def __init__(
        self, sid: str, connection: Connection, claim: Claim, shared: Shared, *, bound: bool, lane: Lane, epoch: str,
        since: int, pid: str | None = None, began: float = 0, heard: int = 0,
    ) -> None:  # fmt: skip
        self.sid = sid
        self.pid = pid  # secret: whoever has it may take this session up again; None: the client cannot
        self.claim = claim
        self.bound = bound  # false: a guest who may still be named
        self.lane = lane
        self.epoch = epoch  # of the positions here
        self.since = since  # the position of the feed at which it began
        self.whole_from = 0  # the position of its last resync: a client with less has not received that
        self.whole = True
        self.memberships: dict[str, Membership] = {}
        self.attachments: dict[str, Attachment] = {}
        self.ended: Mapping[str, str] = _NONE  # audiences that it had to leave, and why: told again when taken up
        self.follows = NOTHING  # audiences that the person follows, as far as it is known
        self.stored_at = 0  # sequence of its record in SESSIONS
        self.taken_up = 0  # sequence of the record by which this edge took it up; 0: it began here
        self.storing: asyncio.Event | None = None  # set when what is being stored just now is
        self.began = began  # Unix seconds; taken up, it is as old as before
        self.traceparent: str | None = None  # of the trace that the connection said it is in
        self.heard = heard  # the number of the last kick that was known before it
        self.closed = False
        self.over: str | None = None  # why it was ended by somebody else's word: it cannot be taken up
        self.losses: tuple[float, ...] = ()  # when, of late
        self._connection = connection
        self._out = connection.out
        self._shared = shared
        self._held: list[Held] | None = None  # made when there is something to hold, as all that is empty mostly
        self._held_bytes = 0
        self._fetching: frozenset[str] = NOTHING
        self._contained: Mapping[str, dict[str, int]] = _NONE  # of snapshots, what the feed has not brought yet
        self.open = True

    @property
    def identity(self) -> Identity:
        who = self.claim
        return Identity(user_id=who.user_id, name=who.name, role=who.role, session=self.sid, guest=who.role == "guest")

    @property
    def withheld(self) -> tuple[str, ...]:
        """What is the role's and everybody's, or followed, but is not received: there is no right to it."""
        shared = subjects.audience(Kind.ROLE, self.claim.role), EVERYBODY, *self.follows
        return tuple(a for a in shared if a not in self.memberships)

    @property
    def rooms(self) -> list[str]:
        """The tokens of the rooms it is in."""
        prefix = f"{Kind.ROOM}."
        return [a.removeprefix(prefix) for a in self.memberships if a.startswith(prefix)]

    @property
    def link(self) -> WebSocket | None:
        """Its WebSocket; None: it has none, now."""
        return self._out.link

    @property
    def marked(self) -> bool:
        """Whether it gets offsets."""
        return self.pid is not None

    def write(self, packet: Outgoing) -> None:
        self._out.write(packet)

    def send(self, event: Event) -> None:
        self._out.write(event.plain if self.pid is None else event.marked)

    def crowded(self) -> bool:
        return self._out.crowded()

    @property
    def eio_sid(self) -> str:
        return self._connection.sid

    async def taken(self) -> bool:
        return await self._connection.taken()

    def cut(self, why: str) -> None:
        self._connection.cut(why)

    def fall_behind(self) -> None:
        self.lose(Loss.BEHIND)

    def mute(self) -> None:
        """Nothing reaches the client any more, whatever is still under way."""
        self.open = False
        self._out.look()
        self._out = NOWHERE

    def receive(self, audience: str, event: Event, stream: str, seq: int) -> None:
        """A fact or view of an audience, in the feed's order."""
        if self.open:
            self._out.write(event.plain if self.pid is None else event.marked)  # as `send`, a call less
        elif not self.whole or self._is_contained(audience, stream, seq):
            pass
        elif not self._fetching:
            self.send(event)
            self._look()
        else:
            self._hold_back(Held(audience, stream, seq, event))

    def _hold_back(self, one: Held) -> None:
        held, size = self._held or [], self._held_bytes + one.event.size
        if len(held) < self._shared.buffer_max and size <= self._shared.buffer_bytes_max:
            held.append(one)
            self._held, self._held_bytes = held, size
        else:
            self.lose(Loss.OVERTAKEN)

    def lose(self, why: Loss = Loss.RESET) -> None:
        """The client misses something that no replay brings. Until it is mended by whole snapshots nothing of the
        feed reaches it: the offset of a later fact would say that it has everything."""
        if self.whole:
            self.whole = False
            self._held, self._held_bytes = None, 0
            self._look()
            self._shared.lost(self, why)

    def mend(self, epoch: str, position: int) -> None:
        """Snapshots taken from here on replace all that was missed: whatever it is in begins anew here."""
        self.whole = True
        self.epoch, self.whole_from = epoch, position
        here = Membership(since=position)
        for audience in self.memberships:
            self.memberships[audience] = here
        self._contained = _NONE
        self._look()

    def hold(self, audience: str) -> None:
        """From now on nothing is sent by itself, until `release` for this audience."""
        self._fetching |= {audience}
        self._look()

    def settle(self) -> None:
        """Whatever a failed join held back is let go."""
        if self._fetching:
            for audience in tuple(self._fetching):
                self.release(audience, {})

    def release(self, audience: str, as_of: dict[str, int]) -> None:
        """The client has this snapshot, which is true up to `as_of` (source stream -> sequence). When it was the last
        one, send what waited and no snapshot contains; the feed may still be behind them."""
        self._fetching = self._fetching - {audience} or NOTHING
        self._contained = {**self._contained, audience: as_of}
        if self._fetching:
            return
        held, self._held, self._held_bytes = self._held, None, 0
        for one in held or ():
            if one.audience in self.memberships and not self._is_contained(one.audience, one.stream, one.seq):
                self.send(one.event)
        self._look()

    def _is_contained(self, audience: str, stream: str, seq: int) -> bool:
        """Whether a snapshot that the client has contains this fact."""
        return seq <= self._contained.get(audience, _NONE).get(stream, 0)

    def _look(self) -> None:
        """Whether everything may pass: nearly always, and then nothing else is asked."""
        if self._contained and not self._fetching:
            self._contained = {
                audience: as_of
                for audience, as_of in self._contained.items()
                if any(seq > self._shared.delivered(stream) for stream, seq in as_of.items())
            } or _NONE
        self.open = self.whole and not self._fetching and not self._contained
        self._out.look()


class _Nowhere:
    """Where nothing arrives."""

    link = None

    def write(self, packet: Outgoing) -> None: ...

    def crowded(self) -> bool:
        return False

    def look(self) -> None: ...


NOWHERE: Final = _Nowhere()
