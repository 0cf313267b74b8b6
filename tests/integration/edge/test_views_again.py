"""An edge that was away from NATS asks for the views that it missed."""

import asyncio

from nats.aio.msg import Msg

from confer_contracts.subjects import VIEWS_AGAIN
from confer_edge.audiences import Audiences
from confer_edge.view_feed import ViewFeed
from confer_kit.nats_link import Link
from confer_kit.settings import KitSettings
from confer_kit.testing import nats_server
from confer_kit.testing.tcp_proxy import tcp_proxy


async def at_once() -> None: ...


class Nobody:
    """No display is there."""

    def has(self, audience: str) -> bool:
        return False

    async def show(self, audience: str, body: bytes, as_of: int) -> int:
        return 0

    def forget(self) -> None: ...


async def connected(port: int, name: str) -> Link:
    link = Link()
    await link.connect(KitSettings(nats_url=f"nats://127.0.0.1:{port}"), name)
    return link


async def test_after_a_reconnect_it_asks() -> None:
    async with nats_server() as server, tcp_proxy(server.port) as line:
        edge, listener = await connected(line.port, "edge"), await connected(server.port, "listener")
        asked: asyncio.Queue[Msg] = asyncio.Queue()
        await listener.nc.subscribe(VIEWS_AGAIN, cb=asked.put)
        await listener.settled()
        await ViewFeed(edge, Audiences(), Nobody(), before=at_once).start()
        assert asked.empty()
        line.reset()
        async with asyncio.timeout(30):
            await asked.get()
        for link in (edge, listener):
            await link.close(1)
