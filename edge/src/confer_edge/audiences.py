"""Who gets what: audience -> members, and the fan-out of one packet to them."""

from typing import Protocol

from confer_contracts.catalogue import OTHERS
from confer_edge.packets import Event


class Member(Protocol):
    """A session, or the probe that proves this path."""

    sid: str

    def receive(self, audience: str, event: Event, stream: str, seq: int) -> None: ...

    def lose(self) -> None: ...


class Audiences:
    """The members of each audience on this edge."""

    def __init__(self) -> None:
        self._members: dict[str, dict[str, Member]] = {}

    def add(self, audience: str, member: Member) -> None:
        self._members.setdefault(audience, {})[member.sid] = member

    def remove(self, audience: str, member: Member) -> None:
        """Only this very member: its session may have gone on with another connection, under the same sid."""
        members = self._members.get(audience)
        if members is not None:
            if members.get(member.sid) is member:
                del members[member.sid]
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
        reached = list(members.values())
        if name in OTHERS and origin in members:
            reached.remove(members[origin])
        for member in reached:
            member.receive(audience, event, stream, seq)
        return len(reached)
