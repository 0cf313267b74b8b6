"""A user has so many connections, and comes so often. Who is one too many is told why and comes back by itself: the
stock client must not need a reload when there is room again (docs/adr/0032)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import socketio
from socketio.exceptions import ConnectionError as Refused

from confer_kit.testing import System, running_system
from confer_kit.testing.javascript import WAYS, Node, Way, node
from confer_kit.testing.raw import raw_client

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.node]

TOO_MANY = "connections: a user may have 2 at most"
TOO_OFTEN = "connects: more than 0.001 per second and 3 at once by one user"
TRY_AGAIN_LATER = 1013


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system(CONFER_TURN_AWAY_S="0.2", CONFER_HANDSHAKE_S="2") as running:
        await running.add_edge("few", CONFER_CONNECTIONS_PER_USER_MAX="2")
        await running.add_edge("rare", CONFER_CONNECTS_PER_USER_BURST="3", CONFER_CONNECTS_PER_USER_PER_S="0.001")
        await running.healthy("few")
        await running.healthy("rare")
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process() -> AsyncIterator[Node]:
    async with node(Path(__file__).parent / "js") as running:
        yield running


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_the_stock_client_is_told_and_comes_back_by_itself(system: System, process: Node, way: Way) -> None:
    user = {"user_id": f"many-{way}"}
    options = {"transports": way.transports, "query": user, "reconnectionDelay": 50, "reconnectionDelayMax": 200}
    async with raw_client(system.url("few"), user) as first, raw_client(system.url("few"), user) as second:
        page = await process.open(way.version, system.url("few"), options)
        await page.until(lambda: len(page.turned_away) > 1, "two refusals")
        assert all(f"limit_exceeded: {TOO_MANY}" in told for told in page.turned_away), page.turned_away
        assert not page.sids
        await first.close()
        await page.is_connected()
        assert page.recovered == [False]
        assert not second.ended
    await page.close()


async def test_a_user_is_here_so_often(system: System, process: Node) -> None:
    """Whoever comes back to the own session may; nobody becomes this user by another way."""
    url, anna, before = system.url("few"), {"user_id": "anna"}, await system.metrics("few")
    async with raw_client(url, anna) as first, raw_client(url, {"user_id": "mali"}) as other:
        options = {"transports": ["websocket"], "query": anna, "reconnectionDelay": 100}
        page = await process.open("4.8", url, options)
        await page.is_connected()
        async with raw_client(url, anna) as third:
            assert third.sid is None
            assert third.goodbye == (TRY_AGAIN_LATER, f"limit_exceeded: {TOO_MANY}")
        await system.risen(before, "confer_edge_limits_total", limit="connections_per_user_max")
        await system.risen(before, "confer_edge_connects_total", outcome="limit_exceeded")
        async with raw_client(url) as guest:
            refused = await guest.call("authenticate", {"user_id": "anna"})
            assert (refused["code"], refused["message"]) == ("limit_exceeded", TOO_MANY)
            assert (await guest.call("authenticate", {"user_id": "mali"}))["user_id"] == "mali"
            assert (await other.call("ping"))["status"] == "ok"
        await page.cut()
        await page.is_connected(times=2)
        assert page.recovered == [False, True]
        await page.close()
        async with asyncio.timeout(60):
            while True:
                async with raw_client(url, anna) as again:
                    if again.sid:
                        break
        assert not first.ended


async def test_a_user_comes_so_often(system: System) -> None:
    """With a session taken up or a new one, as somebody from the start or later; others are not concerned."""
    url, before = system.url("rare"), await system.metrics("rare")
    async with raw_client(url, {"user_id": "anna"}) as first:
        assert (await first.call("join_patient_room", {"patient_id": "rare"}))["status"] == "ok"
        assert first.pid is not None
    async with raw_client(url, {"user_id": "anna"}, {"pid": first.pid}) as again:
        assert again.pid is not None
    async with raw_client(url) as guest, raw_client(url) as another:
        assert (await guest.call("authenticate", {"user_id": "anna"}))["user_id"] == "anna"
        told = await another.call("authenticate", {"user_id": "anna"})
        assert (told["code"], told["message"], told["retry"]) == ("limit_exceeded", TOO_OFTEN, True)
        assert 900 <= told["retry_after_s"] <= 1000
        async with raw_client(url, {"user_id": "anna"}) as fourth:
            assert fourth.sid is None
            assert fourth.goodbye == (TRY_AGAIN_LATER, f"limit_exceeded: {TOO_OFTEN}")
        async with raw_client(url, {"user_id": "mali"}) as other:
            assert (await other.call("ping"))["status"] == "ok"
        assert (await guest.call("ping"))["status"] == "ok"
    await system.risen(before, "confer_edge_limits_total", limit="connects_per_user", by=2)


async def test_python_s_client_gets_connect_error(system: System) -> None:
    """It comes back after that by itself, and knows no reasons of closes."""
    url = system.url("few")
    async with raw_client(url, {"user_id": "py"}), raw_client(url, {"user_id": "py"}):
        client = socketio.AsyncClient(reconnection=False)
        told: list[dict[str, Any]] = []
        client.on("connect_error", told.append)
        with pytest.raises(Refused):
            await client.connect(f"{url}?user_id=py", wait_timeout=30)
        assert told[0]["message"] == TOO_MANY
        assert (told[0]["data"]["code"], told[0]["data"]["retry"]) == ("limit_exceeded", True)


async def test_who_cannot_be_let_in_now_is_told_so(system: System) -> None:
    """A session is to be taken up, and NATS does not answer."""
    async with raw_client(system.url(), {"user_id": "later"}) as first:
        assert (await first.call("join_patient_room", {"patient_id": "later"}))["status"] == "ok"
    system.nats.freeze()
    try:
        async with raw_client(system.url(), {"user_id": "later"}, {"pid": first.pid}) as again:
            assert again.sid is None
            assert again.goodbye == (TRY_AGAIN_LATER, "unavailable: a session cannot begin now")
    finally:
        system.nats.thaw()
