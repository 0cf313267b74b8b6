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
async def test_every_process_has_a_port_for_its_numbers(system: System, name: str) -> None:
    shown = await system.metrics(name)
    assert shown.value("confer_build_info", process="confer-edge" if name == "edge" else name) == 1
    assert shown.value("confer_nats_connected") == 1
    assert shown.value("process_open_fds") > 3


async def test_a_service_counts_its_calls_and_writes(system: System) -> None:
    async with raw_client(system.url(), {"user_id": "ann"}) as ann:
        await ann.call("join_patient_room", {"patient_id": "m1"})
        before, route = await system.metrics("sync-svc"), "call.sync.field_update"
        update = {"patient_id": "m1", "field": "f", "value": 1}
        assert (await ann.call("field_update", update))["status"] == "ok"
        assert (await ann.call("field_update", update | {"base_version": 99}))["status"] == "error"
    await system.risen(before, "confer_requests_total", route=route, outcome="ok")
    await system.risen(before, "confer_requests_total", by=2, route=route)
    await system.risen(before, "confer_request_duration_seconds_count", by=2, route=route)
    await system.risen(before, "confer_appends_total", outcome="stored")
    await system.risen(before, "confer_append_duration_seconds_count")
    await system.risen(before, "confer_follower_position", stream="SYNC")
    assert (await system.metrics("sync-svc")).value("confer_requests_in_flight") == 0


async def test_a_service_counts_what_it_reacts_to(system: System) -> None:
    before = await system.metrics("queue-svc")
    async with raw_client(system.url(), {"user_id": "ben"}) as ben:
        await ben.call("join_patient_room", {"patient_id": "m2"})
        await ben.call("step_change", {"patient_id": "m2", "step": 2})
    await system.risen(before, "confer_reactions_total", by=None, outcome="done")


async def test_nats_goes_and_comes_back(system: System) -> None:
    before = [await system.metrics(name) for name in ("edge", "sync-svc")]
    await system.nats.kill()
    for each in before:
        await system.risen(each, "confer_nats_disconnects_total")
    await system.nats.start()
    for each in before:
        await system.risen(each, "confer_nats_reconnects_total")
        stream = "LIVE" if each.process == "edge" else "SYNC"
        await system.risen(each, "confer_follower_breaks_total", by=None, stream=stream)
    await system.healthy()
