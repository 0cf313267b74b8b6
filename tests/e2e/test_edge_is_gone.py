"""An edge that NATS knows no connection of: its people leave long before its lease is over; they are back when it is.
An edge that is only slower than presence to come back to NATS loses nobody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from confer_kit.testing import System, running_system
from confer_kit.testing.client import Client
from confer_kit.testing.tcp_proxy import TcpProxy, tcp_proxy

pytestmark = pytest.mark.asyncio(loop_scope="module")

GONE_S = SETTLE_S = 1


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    """No lease is ever over."""
    async with running_system(
        CONFER_PRESENCE_LEASE_S="3600", CONFER_PRESENCE_GONE_S=str(GONE_S), CONFER_PRESENCE_SETTLE_S=str(SETTLE_S),
        CONFER_BEAT_S="1",
    ) as running:  # fmt: skip
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line(system: System) -> AsyncIterator[TcpProxy]:
    """Between the edge `far` and NATS."""
    async with tcp_proxy(int(system.nats.url.rpartition(":")[2])) as running:
        await system.add_edge("far", CONFER_NATS_URL=f"nats://127.0.0.1:{running.port}")
        await system.healthy("far")
        yield running


@asynccontextmanager
async def member(system: System, edge: str, user: str, patient: str) -> AsyncIterator[Client]:
    client = Client(user)
    try:
        await client.connect(system.url(edge))
        assert (await client.call("join_patient_room", patient_id=patient))["status"] == "ok"
        yield client
    finally:
        await client.close()


async def test_the_people_of_a_killed_edge_leave_long_before_its_lease_is_over(system: System) -> None:
    await system.add_edge("killed")
    await system.healthy("killed")
    async with (
        member(system, "edge", "ann", "p1") as ann,
        member(system, "killed", "bob", "p1"),
        member(system, "killed", "eve", "p1"),
    ):
        await _joined(ann, "bob", "eve")
        await _both_have_answered(system)
        await system.processes["killed"].kill()
        await _left(ann, "bob", "eve")
        assert "why=NATS knows no connection of it" in system.processes["presence-svc"].log
        await system.settled(lambda shown: shown.value("confer_presence_edges_answering") == 1, "presence-svc")


async def test_the_people_of_an_edge_that_is_cut_off_are_back_when_it_is(system: System, line: TcpProxy) -> None:
    async with member(system, "edge", "ann", "p2") as ann, member(system, "far", "bob", "p2") as bob:
        await _joined(ann, "bob")
        await _both_have_answered(system)
        line.cut()
        await _left(ann, "bob")
        line.mend()
        await _joined(ann, "bob", "bob")
        await system.healthy("far")
        assert bob.ends == []
        await bob.until_ok("field_focus", patient_id="p2", field="notes")
        assert len(ann.of("user_left")) == 1


async def test_an_edge_that_is_late_after_a_restart_of_nats_loses_nobody(system: System, line: TcpProxy) -> None:
    async with member(system, "edge", "ann", "p3") as ann, member(system, "far", "bob", "p3") as bob:
        await _joined(ann, "bob")
        await _both_have_answered(system)
        line.cut()
        await system.nats.kill()
        await system.nats.start()
        await ann.until_ok("field_focus", patient_id="p3", field="notes")
        await asyncio.sleep(SETTLE_S + 3 * GONE_S)  # a wrong sweep would come meanwhile
        line.mend()
        await bob.until_ok("field_focus", patient_id="p3", field="notes")
        await ann.until(lambda: any(told.json["user_id"] == "bob" for told in ann.of("user_updated")))
        assert not ann.of("user_left")
        assert bob.ends == []


async def _joined(client: Client, *users: str) -> None:
    await client.until(lambda: sorted(told.json["user_id"] for told in client.of("user_joined")) == [*users], 60)


async def _left(client: Client, *users: str) -> None:
    await client.until(lambda: sorted(told.json for told in client.of("user_left")) == [*users], 60)


async def _both_have_answered(system: System) -> None:
    await system.settled(lambda shown: shown.value("confer_presence_edges_answering") == 2, "presence-svc")
