"""What waits for one client that reads more slowly than it is sent to: in order, and bounded (ADR 0012)."""

from collections import OrderedDict
from typing import Final

from confer_edge.packets import Nature, Outgoing

_EMPTY: Final[OrderedDict[int | str, Outgoing]] = OrderedDict()  # of all who have nothing to wait for
ANSWERS: Final = 4  # times the limits are for answers alone: the snapshots of one join may be megabytes
EPHEMERA_BEHIND_MAX: Final = 16  # one GET's worth; who has more to read does not care who types just now


class Outbox:
    """A queue with a policy. A newer view takes the place of an older one, ephemera wait behind a few packets only.

    Over a limit, all facts and views that wait are dropped and the client is `behind`: nothing but answers is taken
    until it has taken what is left. What it was handed is a prefix of what it was sent.

    `bytes`: of what waits. `full`: answers alone are four times over a limit. `crowded`: half of a limit is used up.
    `superseded`, `dropped`: packets so far.
    """

    __slots__ = ("_bytes_max", "_count", "_packets", "_packets_max", "behind", "bytes", "dropped", "superseded")

    def __init__(self, packets_max: int, bytes_max: int) -> None:
        self._packets_max = packets_max
        self._bytes_max = bytes_max
        self._packets = _EMPTY  # by number; a view by its key
        self._count = 0
        self.bytes = 0
        self.behind = False
        self.superseded = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._packets)

    @property
    def full(self) -> bool:
        return self._uses(ANSWERS)

    @property
    def crowded(self) -> bool:
        return self._uses(0.5)

    def put(self, packet: Outgoing) -> None:
        """Behind all others, unless it comes to nothing. Look at `behind` and `full` afterwards."""
        if packet.nature is not Nature.ANSWER and (self.behind or self._too_late(packet)):
            self.dropped += 1
            return
        self._append(packet)
        if self._uses(1) and not self.behind:
            self._drop()

    def take(self, packets_max: int) -> list[Outgoing]:
        """The oldest ones. Who takes the last of them is not behind any more."""
        taken: list[Outgoing] = []
        while self._packets and len(taken) < packets_max:
            packet = self._packets.popitem(last=False)[1]
            self.bytes -= len(packet.wire)
            taken.append(packet)
        self.behind = self.behind and bool(self._packets)
        return taken

    def clear(self) -> None:
        self._packets = _EMPTY
        self.bytes = 0

    def _uses(self, share: float) -> bool:
        """Whether more than this share of a limit is used up."""
        return self.bytes > self._bytes_max * share or len(self._packets) > self._packets_max * share

    def _too_late(self, packet: Outgoing) -> bool:
        return packet.nature is Nature.EPHEMERAL and len(self._packets) >= EPHEMERA_BEHIND_MAX

    def _append(self, packet: Outgoing) -> None:
        key: int | str = self._count
        if self._packets is _EMPTY:
            self._packets = OrderedDict()
        if packet.nature is Nature.VIEW:
            key = packet.key
            older = self._packets.pop(key, None)
            if older is not None:
                self.superseded += 1
                self.bytes -= len(older.wire)
        self._count += 1
        self._packets[key] = packet
        self.bytes += len(packet.wire)

    def _drop(self) -> None:
        """Answers alone stay: nothing else says what they do."""
        before = len(self._packets)
        self._packets = OrderedDict((k, p) for k, p in self._packets.items() if p.nature is Nature.ANSWER)
        self.bytes = sum(len(packet.wire) for packet in self._packets.values())
        self.behind = len(self._packets) < before
        self.dropped += before - len(self._packets)
