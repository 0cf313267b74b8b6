"""What is sent is written at the end of the turn, and in order, also while the connection takes nothing more."""

import asyncio
from collections.abc import AsyncIterator

import nats
import pytest
from nats.aio.msg import Msg

from confer_kit.nats_client import DirectClient
from confer_kit.nats_link import settled
from confer_kit.testing import nats_server
from confer_kit.testing.nats import NatsServer

PATIENCE_S = 60.0
SUBJECT = "test.sending"
PIECE = bytes(64 * 1024)


class Unpinged(DirectClient):
    async def _process_ping(self) -> None: ...


@pytest.fixture
async def server() -> AsyncIterator[NatsServer]:
    async with nats_server() as running:
        yield running


@pytest.fixture
async def nc(server: NatsServer) -> AsyncIterator[DirectClient]:
    """Without pings and their answers, which would send what was left."""
    client = Unpinged()
    await client.connect(server.url, ping_interval=3600)
    yield client
    await client.close()


async def test_all_of_one_turn_arrives_in_order(server: NatsServer, nc: DirectClient) -> None:
    heard = await _listening(server)
    sent = [str(number).encode() for number in range(300)]
    for number, body in enumerate(sent):
        await nc.publish(SUBJECT, body, headers={"Number": str(number)} if number % 2 else None)
    async with asyncio.timeout(PATIENCE_S):
        assert [await heard.get() for _ in sent] == sent


async def test_a_server_that_reads_nothing_for_a_while_gets_it_all_later(server: NatsServer, nc: DirectClient) -> None:
    heard = await _listening(server)
    sent: list[bytes] = []
    server.freeze()
    try:
        while not _is_full(nc):
            sent.append(str(len(sent)).encode() + PIECE)
            await nc.publish(SUBJECT, sent[-1])
            await asyncio.sleep(0)
    finally:
        server.thaw()
    async with asyncio.timeout(PATIENCE_S):
        assert [await heard.get() for _ in sent] == sent


def _is_full(nc: DirectClient) -> bool:
    """Sockets and transport take nothing more, and the library keeps something."""
    writer = nc._transport._io_writer  # type: ignore[union-attr]
    return writer.transport.get_write_buffer_size() > 0 and nc._pending_data_size > 0


async def _listening(server: NatsServer) -> asyncio.Queue[bytes]:
    """What somebody else receives."""
    other, bodies = await nats.connect(server.url), asyncio.Queue[bytes]()

    async def receive(message: Msg) -> None:
        bodies.put_nowait(message.data)

    await other.subscribe(SUBJECT, cb=receive)
    await settled(other)
    return bodies
