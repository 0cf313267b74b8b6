"""The end of a turn of the event loop: whether clients are written to together or one by one, each gets the same."""

import asyncio
import random

import pytest
import uvloop

from confer_edge.batch import Batch, opened
from confer_edge.outbox import Outbox
from confer_edge.outlet import PACKETS_PER_WRITE, Outlet, flush
from confer_edge.packets import Outgoing, ack

from .sockets import Receiving, served

CLIENTS, TURNS, LARGE = 40, 60, 30_000


async def each_gets_all_of_it_in_order(together: Batch | None, seed: int) -> None:
    """Half of the clients begin to read only at the end."""
    chance = random.Random(seed)
    written: list[Outlet] = []
    async with served() as dial:
        outlets, readers, expected = [], [], [b""] * CLIENTS
        for _ in range(CLIENTS):
            link, reader, _writer = await dial()
            outlet = Outlet(Outbox(10_000, 1 << 30), written=written.append, on_full=lambda: None)
            outlet.attach(link)
            link.pass_on(Receiving(outlet.resume))
            outlets.append(outlet)
            readers.append(reader)
        reading = [asyncio.create_task(readers[at].readexactly(1)) for at in range(0, CLIENTS, 2)]
        for turn in range(TURNS):
            for number in range(chance.choice([1, 1, 2, PACKETS_PER_WRITE + 3])):
                packet = ack(turn * 100 + number, b'"%b"' % (b"x" * chance.choice([10, 300, LARGE])))
                for at, outlet in enumerate(outlets):
                    if chance.random() < 0.9:
                        outlet.write(packet)
                        expected[at] += packet.wire
            ready, written[:] = list(written), []
            flush(ready, together)
            await asyncio.sleep(0)
        heads = dict(zip(range(0, CLIENTS, 2), await asyncio.gather(*reading), strict=True))
        for at, reader in enumerate(readers):
            head = heads.get(at, b"")
            assert head + await reader.readexactly(len(expected[at]) - len(head)) == expected[at]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("together", [True, False])
def test_each_client_gets_all_of_its_packets_in_order(together: bool, seed: int) -> None:
    uvloop.run(each_gets_all_of_it_in_order(opened() if together else None, seed))


async def few_are_written_to_one_by_one() -> None:
    written: list[Outlet] = []
    async with served() as dial:
        link, reader, _writer = await dial()
        outlet = Outlet(Outbox(10, 1000), written=written.append, on_full=lambda: None)
        outlet.attach(link)
        outlet.write(Outgoing(b"2"))
        flush(written, opened())
        assert await reader.readexactly(3) == Outgoing(b"2").wire


def test_few_are_written_to_one_by_one() -> None:
    uvloop.run(few_are_written_to_one_by_one())
