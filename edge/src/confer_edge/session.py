"""A connected client: who it is, what it is in, and how a packet reaches it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from confer_contracts.message import Identity
from confer_contracts.subjects import Kind
from confer_edge.identity import Claim
from confer_edge.lane import Lane
from confer_edge.packets import Outgoing
from confer_kit.logs import logger

log = logger(__name__)


@dataclass(slots=True)
class Gate:
    """Holds an audience's packets while its snapshot is fetched: (source stream, source sequence, packet)."""

    held: list[tuple[str, int, Outgoing]] = field(default_factory=list)
    overflowed: bool = False


@dataclass(slots=True)
class Attachment:
    """A room that presence is to know of. `attach` counts up over the edge's life."""

    attach: int
    step: int | None
    screening: bool


class Session:
    """One Socket.IO session. `send` puts one packet behind all earlier ones of this client."""

    def __init__(
        self, sid: str, eio_sid: str, claim: Claim, *, bound: bool, lane: Lane, send: Callable[[Outgoing], None],
        cut: Callable[[str], None], buffer_max: int,
    ) -> None:  # fmt: skip
        self.sid = sid
        self.eio_sid = eio_sid
        self.claim = claim
        self.bound = bound  # false: a guest who may still be named
        self.lane = lane
        self.send = send
        self.cut = cut  # end the connection, for the reason that is logged; the client comes back and starts anew
        self.gates: dict[str, Gate] = {}
        self.audiences: set[str] = set()
        self.attachments: dict[str, Attachment] = {}
        self.closed = False
        self.ignored_claims = 0
        self._buffer_max = buffer_max

    @property
    def identity(self) -> Identity:
        who = self.claim
        return Identity(user_id=who.user_id, name=who.name, role=who.role, session=self.sid, guest=who.role == "guest")

    @property
    def rooms(self) -> list[str]:
        """The tokens of the rooms it is in."""
        prefix = f"{Kind.ROOM}."
        return [a.removeprefix(prefix) for a in self.audiences if a.startswith(prefix)]

    def receive(self, audience: str, packet: Outgoing, stream: str, seq: int) -> None:
        """A fact or view of an audience, in the feed's order."""
        gate = self.gates.get(audience)
        if gate is None:
            self.send(packet)
        elif len(gate.held) < self._buffer_max:
            gate.held.append((stream, seq, packet))
        else:
            gate.overflowed = True

    def release(self, audience: str, gate: Gate, as_of: dict[str, int]) -> bool:
        """Let through what the snapshot does not contain. False: too much was held, the snapshot must be fetched
        again."""
        if self.gates.get(audience) is gate:
            del self.gates[audience]
        if gate.overflowed:
            return False
        for stream, seq, packet in gate.held:
            if seq > as_of.get(stream, 0):
                self.send(packet)
        return True
