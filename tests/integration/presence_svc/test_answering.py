"""Whether an edge has a connection, told by real servers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import nats.errors
import pytest
from nats.aio.msg import Msg

from confer_contracts.permissions import EDGES
from confer_contracts.presence import EdgeAlive
from confer_contracts.subjects import alive
from confer_kit import nats_users
from confer_kit.nats_client import DirectClient
from confer_kit.nats_link import Link, settled
from confer_kit.nats_users import seed_file
from confer_kit.settings import KitSettings
from confer_kit.testing import nats_server
from confer_kit.testing.nats import with_users
from confer_kit.testing.ports import free_port
from confer_kit.testing.tcp_proxy import TcpProxy, tcp_proxy
from presence_svc.answering import Answering

WITHIN_S = 60
ROUTED = """
server_name: {name}
cluster {{ name: two, listen: "127.0.0.1:{listen}", routes: ["nats://127.0.0.1:{to}"], no_advertise: true }}
"""


@asynccontextmanager
async def connected(url: str, user: str, keys: Path | None = None) -> AsyncIterator[DirectClient]:
    """`keys`: it has to prove who it is, and may do what the catalogue says."""
    link = Link()
    await link.connect(
        KitSettings(nats_url=url, nats_nkey_seed_file=str(seed_file(keys, user)) if keys else None), user
    )
    try:
        yield link.nc
    finally:
        await link.nc.close()


async def answers(edge: DirectClient, name: str = "e1") -> None:
    """As an edge does."""

    async def answer(message: Msg) -> None:
        await message.respond(EdgeAlive(server=edge.server).model_dump_json().encode())

    await edge.subscribe(alive(name), queue="edge", cb=answer)
    await settled(edge)


@pytest.fixture
async def nc() -> AsyncIterator[DirectClient]:
    async with nats_server() as server, connected(server.url, "presence-svc") as client:
        yield client


async def until_asked(nc: DirectClient, *, anybody: bool) -> None:
    """The server knows of somebody, or nobody, who answers as e1."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                await nc.request(alive("e1"), timeout=1)
                if anybody:
                    return
            except nats.errors.NoRespondersError:
                if not anybody:
                    return
            except nats.errors.TimeoutError:
                pass  # lost on the way
            await asyncio.sleep(0.05)


@asynccontextmanager
async def edge_beside(nc: DirectClient) -> AsyncIterator[DirectClient]:
    assert nc.connected_url is not None
    async with connected(nc.connected_url.geturl(), EDGES) as edge:
        await answers(edge)
        yield edge
    await until_asked(nc, anybody=False)


async def test_who_answered_and_has_no_connection_any_more_is_gone(nc: DirectClient) -> None:
    answering = Answering(nc)
    async with edge_beside(nc):
        await answering.ask(["e1"])
        assert answering.gone_since("e1") is None
    await answering.ask(["e1"])
    since = answering.gone_since("e1")
    assert since is not None
    await answering.ask(["e1"])
    assert answering.gone_since("e1") == since
    async with edge_beside(nc):
        await answering.ask(["e1"])
        assert answering.gone_since("e1") is None, "it is back"


async def test_nothing_is_said_of_an_edge_that_never_answered(nc: DirectClient) -> None:
    answering = Answering(nc)
    await answering.ask(["older"])
    assert answering.gone_since("older") is None


async def test_an_incarnation_may_be_any_id(nc: DirectClient) -> None:
    answering = Answering(nc)
    await answers(nc, "edge.A >")
    await answering.ask(["edge.A >"])
    assert len(answering) == 1
    assert answering.gone_since("edge.A >") is None


async def test_a_frozen_edge_is_not_gone(nc: DirectClient) -> None:
    async def keep_silent(_: Msg) -> None: ...

    answering = Answering(nc)
    async with edge_beside(nc):
        await answering.ask(["e1"])
    await nc.subscribe(alive("e1"), cb=keep_silent)
    await answering.ask(["e1"])
    assert answering.gone_since("e1") is None


async def test_who_has_no_sessions_any_more_is_forgotten(nc: DirectClient) -> None:
    answering = Answering(nc)
    async with edge_beside(nc):
        await answering.ask(["e1"])
    await answering.ask(["e1"])
    await answering.ask([])
    assert answering.gone_since("e1") is None


@asynccontextmanager
async def two_servers(keys: Path) -> AsyncIterator[tuple[str, str, TcpProxy]]:
    """Their addresses, and the line between them."""
    nats_users.make(keys)
    users, route = with_users(keys), free_port()
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(tcp_proxy(route))
        here = ROUTED.format(name="here", listen=route, to=route)
        there = ROUTED.format(name="there", listen=free_port(), to=line.port)
        servers = [await stack.enter_async_context(nats_server(users + routed)) for routed in (here, there)]
        yield servers[0].url, servers[1].url, line


async def test_an_edge_of_another_server_is_gone_but_not_for_a_cut_between_the_servers(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    async with two_servers(keys) as (here, there, line), connected(here, "presence-svc", keys) as nc:
        answering = Answering(nc)
        async with connected(there, EDGES, keys) as edge:
            await answers(edge)
            await until_asked(nc, anybody=True)
            await answering.ask(["e1"])

            line.cut()
            await until_asked(nc, anybody=False)
            await answering.ask(["e1"])
            assert answering.gone_since("e1") is None
            line.mend()
            await until_asked(nc, anybody=True)
            await answering.ask(["e1"])
            assert answering.gone_since("e1") is None
        async with asyncio.timeout(WITHIN_S):
            while answering.gone_since("e1") is None:  # an answer may be late, or the line away once more
                await answering.ask(["e1"])
