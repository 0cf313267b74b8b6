"""One client's way out, on any transport: in order, one write for each turn of the event loop, and bounded."""

import asyncio
from collections.abc import Callable
from typing import Final

from confer_edge import metrics
from confer_edge.batch import WORTHWHILE, Batch
from confer_edge.outbox import Outbox
from confer_edge.packets import Outgoing
from confer_edge.websocket import WebSocket, write_all

PACKETS_PER_GET_MAX: Final = 16  # python's own polling client drops a GET with more
PACKETS_PER_WRITE: Final = 16
UNSENT_HIGH: Final = 64 * 1024  # bytes that a transport holds before packets wait here, where they can be dropped
_SUPERSEDED: Final = metrics.DROPPED.labels("superseded")
_DROPPED: Final = metrics.DROPPED.labels("behind")


class Outlet:
    """`write` puts one packet behind all earlier ones. What a WebSocket's transport does not take, and what comes
    between two GETs of a client that polls, waits in the outbox.

    on_behind()   facts and views that waited were dropped
    on_full()     nothing more can be taken, and nothing is; once

    `polled`: a GET waits for packets. `over`: nothing is written any more.
    """

    __slots__ = (
        "_changed", "_outbox", "_spare", "_written", "link", "on_behind", "on_full", "over", "polled", "turn",
    )  # fmt: skip

    def __init__(self, outbox: Outbox, *, written: Callable[["Outlet"], None], on_full: Callable[[], None]) -> None:
        self._outbox = outbox
        self._written = written  # asks for a `flush` at the end of the turn
        self.link: WebSocket | None = None
        self.turn: Outgoing | list[Outgoing] | None = None  # what this turn has written so far; mostly one packet
        self._changed: asyncio.Event | None = None
        self._spare: Outgoing | None = None  # what a GET gets for which there is nothing
        self.over = False
        self.polled = False
        self.on_behind: Callable[[], object] = _nobody
        self.on_full = on_full

    def write(self, packet: Outgoing) -> None:
        if self.link is not None:
            if self.turn is None:
                self.turn = packet
                self._written(self)
            elif isinstance(self.turn, list):
                self.turn.append(packet)
            else:
                self.turn = [self.turn, packet]
        else:
            self._keep(packet)
            self._has_changed()

    def flush(self) -> None:
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
            _write(link, turn[at : at + PACKETS_PER_WRITE])

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

    # --- a WebSocket --------------------------------------------------------------------------------------

    def attach(self, link: WebSocket) -> None:
        """From here on to a WebSocket; what waited for a poll goes first."""
        link.transport.set_write_buffer_limits(high=UNSENT_HIGH)
        self.link, self._spare = link, None
        for packet in self._outbox.take(len(self._outbox)):
            self.write(packet)
        self._has_changed()

    def resume(self) -> None:
        """The transport takes more."""
        link = self.link
        while link is not None and not link.paused and (packets := self._outbox.take(PACKETS_PER_WRITE)):
            _write(link, packets)
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
            self.on_full()
        elif outbox.behind and not was_behind:
            self.on_behind()

    def _has_changed(self) -> None:
        if self._changed is not None:
            self._changed.set()

    async def _change(self) -> None:
        if self._changed is None:
            self._changed = asyncio.Event()
        self._changed.clear()
        await self._changed.wait()


def flush(outlets: list[Outlet], batch: Batch | None) -> None:
    """The end of the turn for all of them: where there are many, in one system call (ADR 33)."""
    for outlet in outlets if batch is None or len(outlets) < WORTHWHILE else _flush_together(outlets, batch):
        outlet.flush()


def _flush_together(outlets: list[Outlet], batch: Batch) -> list[Outlet]:
    """Those are left that wait already, or have got much."""
    left: list[Outlet] = []
    links: list[WebSocket] = []
    wires: list[bytes] = []
    joined: dict[tuple[Outgoing, ...], bytes] = {}  # many have got the same ones
    for outlet in outlets:
        link, turn = outlet.link, outlet.turn
        if link is None or turn is None or not link.direct or link.paused:
            left.append(outlet)
            continue
        if isinstance(turn, Outgoing):
            wire = turn.wire
        elif len(turn) <= PACKETS_PER_WRITE:
            packets = tuple(turn)
            wire = joined.get(packets) or joined.setdefault(packets, _wire(turn))
        else:
            left.append(outlet)
            continue
        outlet.turn = None
        links.append(link)
        wires.append(wire)
    write_all(links, wires, batch)
    return left


def _nobody() -> None:
    """Before there is a session no facts are sent."""


def _write(link: WebSocket, packets: list[Outgoing]) -> None:
    link.write(_wire(packets))


def _wire(packets: list[Outgoing]) -> bytes:
    return b"".join([packet.wire for packet in packets])
