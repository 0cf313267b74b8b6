"""What /metrics shows of a running system: each number is seen to move."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from confer_kit.testing import System, running_system
from confer_kit.testing.raw import raw_client
from confer_kit.testing.system import SERVICES

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system() as running:
        yield running


@pytest.mark.parametrize("name", [*SERVICES, "edge"])
async def test_every_process_has_a_port_for_metrics(system: System, name: str) -> None:
    scrape = await system.metrics(name)
    assert scrape.value("confer_build_info", process="confer-edge" if name == "edge" else name) == 1
    assert scrape.value("process_open_fds") > 3


async def test_a_client_comes_and_goes(system: System) -> None:
    before = await system.metrics()
    async with raw_client(system.url()) as client:
        await client.got("system_status")
        during = await system.metrics()
        for gauge in ("confer_edge_clients", "confer_edge_sessions"):
            assert during.value(gauge) == before.value(gauge) + 1
        assert during.value("confer_edge_connects_total", outcome="new") == (
            before.value("confer_edge_connects_total", outcome="new") + 1
        )
