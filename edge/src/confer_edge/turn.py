"""What is written in one turn of the event loop, and leaves at its end: to many in one system call (ADR 33, 34)."""

import asyncio
from collections.abc import Sequence
from typing import Final

from confer_edge.batch import Batch
from confer_edge.crowd import Crowd, Member
from confer_edge.outlet import PACKETS_PER_WRITE, Outlet, joined
from confer_edge.packets import Event, Outgoing
from confer_edge.websocket import WebSocket, write_all

WORTHWHILE: Final = 24  # clients; fewer are written to one by one


class Turn:
    """Packets of single clients, and events of one crowd. The crowd's leave first: so nothing more is cast once a
    client that a cast may reach has got a packet of its own."""

    def __init__(self, batch: Batch | None) -> None:
        self._batch = batch
        self._outlets: list[Outlet] = []
        self._crowd: Crowd | None = None
        self._free: list[bool] = []  # of the crowd, who gets the events
        self._events: list[Event] = []
        self._sealed = False
        self._begun = False

    def written(self, outlet: Outlet) -> None:
        """It has something to flush."""
        self._begin()
        self._outlets.append(outlet)
        if outlet.link is not None and outlet.link.free:
            self._sealed = True

    def freed(self, outlet: Outlet) -> None:
        """From now on a cast may reach it, and not before what it has got already."""
        if outlet.turn is not None:
            self._sealed = True

    def cast(self, crowd: Crowd, event: Event) -> Sequence[Member] | None:
        """The event for all of the crowd who are free. Answers who else is to get it; None: all are."""
        if self._batch is None or self._sealed or self._crowd not in (None, crowd):
            return None
        if len(self._events) == PACKETS_PER_WRITE:
            self._write_cast()
        free = crowd.free()
        if free != self._free if self._events else free.count(True) < WORTHWHILE:
            return None
        self._begin()
        self._crowd, self._free = crowd, free
        self._events.append(event)
        return crowd.left(free)

    def precede(self) -> None:
        """What was cast leaves now: something is to be written behind it at once."""
        if self._events:
            self._write_cast()

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            asyncio.get_running_loop().call_soon(self._end)

    def _end(self) -> None:
        self.precede()
        outlets, self._outlets = self._outlets, []
        self._begun = self._sealed = False
        flush(outlets, self._batch)

    def _write_cast(self) -> None:
        crowd, events, free = self._crowd, self._events, self._free
        self._crowd, self._events, self._free = None, [], []
        assert crowd is not None
        assert self._batch is not None
        links, wires = crowd.addressed(events, free)
        if crowd.free() != free:  # its session waits for something, or it is being closed
            for link, wire in zip(links, wires, strict=True):
                if not link.free:
                    link.write(wire)
            still = [(link, wire) for link, wire in zip(links, wires, strict=True) if link.free]
            links, wires = [link for link, _ in still], [wire for _, wire in still]
        write_all(links, wires, self._batch)


def flush(outlets: list[Outlet], batch: Batch | None) -> None:
    """Where there are many, in one system call."""
    for outlet in outlets if batch is None or len(outlets) < WORTHWHILE else _flush_together(outlets, batch):
        outlet.leave()


def _flush_together(outlets: list[Outlet], batch: Batch) -> list[Outlet]:
    """Those are left that wait already, or have got much."""
    left: list[Outlet] = []
    links: list[WebSocket] = []
    wires: list[bytes] = []
    known: dict[tuple[Outgoing, ...], bytes] = {}  # many have got the same ones
    for outlet in outlets:
        link, turn = outlet.link, outlet.turn
        if link is None or turn is None or not link.direct or link.paused:
            left.append(outlet)
            continue
        if isinstance(turn, Outgoing):
            wire = turn.wire
        elif len(turn) <= PACKETS_PER_WRITE:
            packets = tuple(turn)
            wire = known.get(packets) or known.setdefault(packets, joined(turn))
        else:
            left.append(outlet)
            continue
        outlet.turn = None
        links.append(link)
        wires.append(wire)
    write_all(links, wires, batch)
    return left
