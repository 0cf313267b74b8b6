"""The members of a large audience, as one write to all of them needs them (ADR 34)."""

from collections.abc import Iterable, Sequence
from itertools import compress
from operator import attrgetter, not_
from typing import Final, Protocol

from confer_edge.packets import Event
from confer_edge.websocket import WebSocket

_is_free: Final = attrgetter("free")


class Member(Protocol):
    """A session, or the probe that proves this path. `link`: its WebSocket; `marked`: it gets offsets."""

    sid: str

    @property
    def link(self) -> WebSocket | None: ...
    @property
    def marked(self) -> bool: ...
    def receive(self, audience: str, event: Event, stream: str, seq: int) -> None: ...
    def lose(self) -> None: ...


class Crowd:
    """As they are until somebody comes or goes. Whether one of its clients is `free` is looked at each time."""

    __slots__ = ("_links", "_marked", "_members", "_others")

    def __init__(self, members: Iterable[Member]) -> None:
        linked = [(member, link) for member in members if (link := member.link) is not None]
        linked.sort(key=lambda pair: not pair[0].marked)
        self._members = [member for member, _ in linked]
        self._links = [link for _, link in linked]
        self._marked = sum(member.marked for member in self._members)  # so many come first
        self._others = [member for member in members if member.link is None]

    @property
    def outgrown(self) -> bool:
        """Somebody has got a WebSocket since."""
        return any(member.link is not None for member in self._others)

    def free(self) -> list[bool]:
        return list(map(_is_free, self._links))

    def left(self, free: Sequence[bool]) -> list[Member]:
        """Who is not reached by a write to those who are free."""
        return [*compress(self._members, map(not_, free)), *self._others] if False in free else self._others

    def addressed(self, events: Sequence[Event], free: Sequence[bool]) -> tuple[list[WebSocket], list[bytes]]:
        """Each connection that is free, and what it is to get."""
        links, plain = self._links, len(self._links) - self._marked
        wires = [b"".join([event.marked.wire for event in events])] * self._marked if self._marked else []
        if plain:
            wires += [b"".join([event.plain.wire for event in events])] * plain
        return (list(compress(links, free)), list(compress(wires, free))) if False in free else (links, wires)
