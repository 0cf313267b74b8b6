"""One client's way out, on any transport: in order, one write for each turn of the event loop, and bounded."""

import asyncio
from typing import Final, Protocol

from confer_edge import metrics
from confer_edge.outbox import Outbox
from confer_edge.packets import Outgoing
from confer_edge.websocket import WebSocket

PACKETS_PER_GET_MAX: Final = 16  # python's own polling client drops a GET with more
PACKETS_PER_WRITE: Final = 16
UNSENT_HIGH: Final = 64 * 1024  # bytes that a transport holds before packets wait here, where they can be dropped
_SUPERSEDED: Final = metrics.DROPPED.labels("superseded")
_DROPPED: Final = metrics.DROPPED.labels("behind")


class Turns(Protocol):
    """What has the outlets `leave` that were written to in a turn."""

    def written(self, outlet: "Outlet") -> None: ...
    def freed(self, outlet: "Outlet") -> None: ...
    def precede(self) -> None: ...


class Owner(Protocol):
    def overflow(self) -> None:
        """Nothing more can be taken, and nothing is; once."""


class Reader(Protocol):
    """The session whose way out it is. `open`: what comes for its audiences may pass without a question."""

    @property
    def open(self) -> bool: ...

    def fall_behind(self) -> None:
        """Facts and views that waited were dropped."""


class Outlet:
    """`write` puts one packet behind all earlier ones. What a WebSocket's transport does not take, and what comes
    between two GETs of a client that polls, waits in the outbox.

    `polled`: a GET waits for packets. `over`: nothing is written any more.
    """

    __slots__ = ("_changed", "_outbox", "_owner", "_reader", "_spare", "_turns", "link", "over", "polled", "turn")

    def __init__(self, outbox: Outbox, turns: Turns, owner: Owner) -> None:
        self._outbox = outbox
        self._turns = turns
        self._owner = owner
        self._reader: Reader = _NOBODY
        self.link: WebSocket | None = None
        self.turn: Outgoing | list[Outgoing] | None = None  # what this turn has written so far; mostly one packet
        self._changed: asyncio.Event | None = None
        self._spare: Outgoing | None = None  # what a GET gets for which there is nothing
        self.over = False
        self.polled = False

    def write(self, packet: Outgoing) -> None:
        if self.link is not None:
            if self.turn is None:
                self.turn = packet
                self._turns.written(self)
            elif isinstance(self.turn, list):
                self.turn.append(packet)
            else:
                self.turn = [self.turn, packet]
        else:
            self._keep(packet)
            self._has_changed()

    def flush(self) -> None:
        """What it has got so far leaves now."""
        self._turns.precede()
        self.leave()

    def leave(self) -> None:
        """The end of the turn."""
        turn, self.turn = self.turn, None
        link = self.link
        if link is None or turn is None:
            return
        if not isinstance(turn, list):
            if not link.paused:
                link.write(turn.wire)
                return
            turn = [turn]
        for at in range(0, len(turn), PACKETS_PER_WRITE):
            if link.paused:
                for packet in turn[at:]:
                    self._keep(packet)
                break
            link.write(joined(turn[at : at + PACKETS_PER_WRITE]))

    @property
    def waiting_bytes(self) -> int:
        return self._outbox.bytes

    def crowded(self) -> bool:
        """More than half of what may wait waits."""
        return self._outbox.crowded

    async def drained(self) -> None:
        """Wait until the client has taken what was written (of a WebSocket's last 64 KiB nobody knows; who polls has
        come back for more), or until it is gone."""
        self.flush()
        while not self.over and (self._outbox or self._outbox.behind or self._is_busy):
            await self._change()

    def end(self, last: Outgoing) -> None:
        """Nothing is written any more. A GET that waits is answered by what it waits for, else by `last`."""
        if self.link is not None and not self.link.paused:
            self.flush()
        self._spare = last
        self.stop()

    def stop(self) -> None:
        """As `end`, and what was written but has not left stays behind."""
        self.link, self.turn, self.over = None, None, True
        if not self.polled:
            self._outbox.clear()
        self._has_changed()

    def give_to(self, reader: Reader) -> None:
        self._reader = reader
        self.look()

    def look(self) -> None:
        """The reader was opened or shut."""
        if self.link is not None:
            self.link.let(open=self._reader.open)
            if self.link.free:
                self._turns.freed(self)

    # --- a WebSocket --------------------------------------------------------------------------------------

    def attach(self, link: WebSocket) -> None:
        """From here on to a WebSocket; what waited for a poll goes first."""
        link.transport.set_write_buffer_limits(high=UNSENT_HIGH)
        self.link, self._spare = link, None
        for packet in self._outbox.take(len(self._outbox)):
            self.write(packet)
        self.look()
        self._has_changed()

    def resume(self) -> None:
        """The transport takes more."""
        link = self.link
        while link is not None and not link.paused and (packets := self._outbox.take(PACKETS_PER_WRITE)):
            link.write(joined(packets))
        self._has_changed()

    # --- a client that polls ------------------------------------------------------------------------------

    async def fetch(self, timeout_s: float) -> list[Outgoing]:
        """For one GET: at most 16 packets, as soon as there is one; the rest stays, in order. TimeoutError."""
        self.polled = True
        try:
            async with asyncio.timeout(timeout_s):
                while not (packets := self._outbox.take(PACKETS_PER_GET_MAX)) and self._spare is None:
                    self._has_changed()
                    await self._change()
        finally:
            self.polled = False
        if packets or self._spare is None:
            return packets
        spare, self._spare = self._spare, None
        return [spare]

    def release(self, spare: Outgoing) -> None:
        """Answer the GET that waits, or the next one, with this if there is nothing else."""
        self._spare = spare
        self._has_changed()

    # --- waiting ------------------------------------------------------------------------------------------

    @property
    def _is_busy(self) -> bool:
        return self.link.paused if self.link is not None else not self.polled

    def _keep(self, packet: Outgoing) -> None:
        if self.over:
            return
        outbox = self._outbox
        was_behind, superseded, dropped = outbox.behind, outbox.superseded, outbox.dropped
        outbox.put(packet)
        _SUPERSEDED.inc(outbox.superseded - superseded)
        _DROPPED.inc(outbox.dropped - dropped)
        if outbox.full:
            self.stop()
            self._owner.overflow()
        elif outbox.behind and not was_behind:
            self._reader.fall_behind()

    def _has_changed(self) -> None:
        if self._changed is not None:
            self._changed.set()

    async def _change(self) -> None:
        if self._changed is None:
            self._changed = asyncio.Event()
        self._changed.clear()
        await self._changed.wait()


class _Nobody:
    """Before there is a session no facts are sent."""

    open = False

    def fall_behind(self) -> None: ...


_NOBODY: Final = _Nobody()


def joined(packets: list[Outgoing]) -> bytes:
    return b"".join([packet.wire for packet in packets])
