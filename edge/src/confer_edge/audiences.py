"""Who gets what: audience -> members, and the fan-out of one packet to them."""

from collections.abc import Mapping, Sequence

from confer_contracts.catalogue import OTHERS
from confer_edge.crowd import Crowd, Member
from confer_edge.packets import Event
from confer_edge.turn import WORTHWHILE, Turn


class Audiences:
    """The members of each audience on this edge. Without a `turn` each is told by itself."""

    def __init__(self, turn: Turn | None = None) -> None:
        self._turn = turn
        self._members: dict[str, dict[str, Member]] = {}
        self._crowds: dict[str, Crowd] = {}  # of large audiences, until somebody comes or goes

    def add(self, audience: str, member: Member) -> None:
        self._crowds.pop(audience, None)
        self._members.setdefault(audience, {})[member.sid] = member

    def remove(self, audience: str, member: Member) -> None:
        """Only this very member: its session may have gone on with another connection, under the same sid."""
        members = self._members.get(audience)
        if members is not None:
            if members.get(member.sid) is member:
                del members[member.sid]
                self._crowds.pop(audience, None)
            if not members:
                del self._members[audience]

    def members(self, audience: str) -> list[Member]:
        return list(self._members.get(audience, {}).values())

    def has(self, audience: str) -> bool:
        return audience in self._members

    def lose(self) -> None:
        """Every member has missed something for good."""
        for member in {sid: m for members in self._members.values() for sid, m in members.items()}.values():
            member.lose()

    def emit(
        self, audience: str, name: str, event: Event, *, origin: str | None, stream: str = "", seq: int = 2**63
    ) -> int:
        """Hand the event to each member, and tell to how many. `stream` and `seq` are the fact's source; a view has
        none and is newer than any snapshot."""
        members = self._members.get(audience, {})
        skipped = name in OTHERS and origin in members
        left = None if skipped or len(members) < WORTHWHILE else self._cast(audience, members, event)
        for member in list(members.values()) if left is None else left:
            if not skipped or member.sid != origin:
                member.receive(audience, event, stream, seq)
        return len(members) - skipped

    def _cast(self, audience: str, members: Mapping[str, Member], event: Event) -> Sequence[Member] | None:
        """Those are left to whom it cannot go together with all others; None: all are."""
        if self._turn is None:
            return None
        crowd = self._crowds.get(audience)
        if crowd is None or crowd.outgrown:
            crowd = self._crowds[audience] = Crowd(members.values())
        return self._turn.cast(crowd, event)
