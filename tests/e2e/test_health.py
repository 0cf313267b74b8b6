"""Health cannot lie: 503 within 10 s of whatever keeps facts from clients, 200 again after the repair."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from confer_contracts.access import STREAM
from confer_contracts.subjects import LIVE
from confer_kit import clock
from confer_kit.testing import System, running_system
from confer_kit.testing.client import Client
from confer_kit.testing.log import log_reader

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOTICED_WITHIN_S = 10


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system() as running:
        yield running


@asynccontextmanager
async def member(system: System, user: str) -> AsyncIterator[Client]:
    client = Client(user)
    try:
        await client.connect(system.url())
        assert (await client.call("join_patient_room", patient_id="p1"))["status"] == "ok"
        yield client
    finally:
        await client.close()


async def _notices(system: System) -> None:
    """503 in time, with a reason; the process lives on and says so. What counts is when the last good answer was asked
    for: how long the machine takes for an answer is no lie."""
    started = clock.now()
    asked_at, status = started, 200
    while status != 503:
        assert asked_at - started <= NOTICED_WITHIN_S, f"then {status} still"
        asked_at = clock.now()
        status, _ = await system.health()
        await asyncio.sleep(0.1)
    status, body = await system.health()
    assert status == 503
    assert (body["status"], body["service"]) == ("unhealthy", "socketio")
    assert "silent" in body["reason"]
    assert await system.status("/readyz") == 503
    assert await system.status("/livez") == 200


async def _works_again(system: System, client: Client) -> None:
    """Healthy, and a fact reaches a client that was connected all the time."""
    await system.healthy()
    await system.follows(STREAM)  # else the next test may hear of that before the silence
    assert await system.status("/readyz") == 200
    op = clock.new_id()
    await client.until_ok("field_update", patient_id="p1", field="notes", value=1, op=op)
    await client.until(lambda: any(event.json["op"] == op for event in client.of("field_updated")))
    assert not client.ends


async def test_healthy_has_the_portals_shape(system: System) -> None:
    async with member(system, "ann"):
        status, body = await system.health()
        assert status == 200
        assert body.pop("timestamp")
        assert body == {"status": "healthy", "service": "socketio", "connected_clients": 1}
        assert await system.status("/readyz") == await system.status("/livez") == 200


async def test_a_killed_server(system: System) -> None:
    async with member(system, "ann") as ann:
        await system.nats.kill()
        await _notices(system)
        await system.nats.start()
        await _works_again(system, ann)


async def test_a_server_that_stands_still(system: System) -> None:
    async with member(system, "ann") as ann:
        system.nats.freeze()
        await _notices(system)
        system.nats.thaw()
        await _works_again(system, ann)


async def test_it_does_not_hang_on_a_service(system: System) -> None:
    await system.processes["sync-svc"].kill()
    await asyncio.sleep(NOTICED_WITHIN_S)
    assert (await system.health())[0] == 200
    await system.restart("sync-svc")


async def test_live_deleted_and_made_anew_gives_every_client_a_whole_snapshot(system: System) -> None:
    async with member(system, "ann") as ann, member(system, "bob") as bob, log_reader(system.nats.url) as log:
        await ann.until_ok("field_update", patient_id="p1", field="before", value=1)
        await log.nc.jetstream().delete_stream(LIVE)
        await ann.until_ok("field_update", patient_id="p1", field="meanwhile", value=2)  # in no LIVE
        await _notices(system)
        await system.provision()
        await _works_again(system, ann)
        for client in (ann, bob):
            fields, users = await _resynced(client)
            assert (fields["before"]["value"], fields["meanwhile"]["value"]) == (1, 2)
            assert users == {"ann", "bob"}


async def _resynced(client: Client) -> tuple[dict[str, Any], set[str]]:
    """The fields, and who is there, as the room's `resync` tells."""
    await client.until(lambda: any(event.json["room"] == "room.p1" for event in client.of("resync")))
    (told,) = (event.json["snapshot"] for event in client.of("resync") if event.json["room"] == "room.p1")
    return told["sync"]["fields"], {user["user_id"] for user in told["presence"]["users"]}
