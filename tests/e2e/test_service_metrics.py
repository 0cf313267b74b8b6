"""What the services show of their domain: people, changes, queues and notes; each number is seen to move."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from confer_kit.testing import System, running_system
from confer_kit.testing.raw import raw_client

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system() as running:
        yield running


async def test_people_rooms_and_locks(system: System) -> None:
    before = await system.metrics("presence-svc")
    async with raw_client(system.url(), {"user_id": "ann"}) as ann:
        await ann.call("join_patient_room", {"patient_id": "s1"})
        for number in ("people", "rooms", "sessions", "edges"):
            await system.risen(before, f"confer_presence_{number}", by=None)
        assert (await ann.call("field_lock", {"patient_id": "s1", "field": "f"}))["status"] == "ok"
        await system.risen(before, "confer_presence_locks")
        await system.settled(lambda shown: shown.value("confer_presence_lease_silence_seconds") > 0, "presence-svc")


async def test_changes_of_fields(system: System) -> None:
    before = await system.metrics("sync-svc")
    update = {"patient_id": "s3", "field": "f", "value": "a"}
    async with raw_client(system.url(), {"user_id": "ann"}) as ann:
        await ann.call("join_patient_room", {"patient_id": "s3"})
        await ann.call("field_update", update)
        await ann.call("field_update", update | {"value": "b", "base_version": 0})
        await system.risen(before, "confer_sync_changes_total", outcome="accepted")
        await system.risen(before, "confer_sync_changes_total", by=2)
        await system.risen(before, "confer_sync_records_cached", by=None)
        await ann.call("activity_log", {"patient_id": "s3"})
        await system.risen(before, "confer_sync_activity_rows", by=None)


async def test_a_queue_and_its_waits(system: System) -> None:
    before = await system.metrics("queue-svc")
    async with raw_client(system.url(), {"user_id": "ann"}) as ann:
        for patient, queue in (("s4", "screening"), ("s5", "screening"), ("s6", "elsewhere")):
            assert (await ann.call("queue_enqueue", {"patient_id": patient, "queue": queue}))["status"] == "ok"
        await system.risen(before, "confer_queue_tickets", by=2, queue="screening", state="waiting")
        await system.risen(before, "confer_queue_tickets", queue="other", state="waiting")
        await system.risen(before, "confer_queue_longest_wait_seconds", by=None, queue="screening")
        assert (await ann.call("queue_call_next", {"queue": "screening"}))["status"] == "ok"
        await system.risen(before, "confer_queue_tickets", queue="screening", state="claimed")
        await system.risen(before, "confer_queue_tickets", queue="screening", state="waiting")
        await system.risen(before, "confer_queue_average_wait_seconds", by=None, queue="screening")


async def test_what_is_unread(system: System) -> None:
    before = await system.metrics("notify-svc")
    async with raw_client(system.url(), {"user_id": "dan"}) as dan:
        await dan.got("system_status")
        await system.risen(before, "confer_notify_people")
        await dan.call("send_message", {"target_user": "dan", "message": "hello"})
        await system.risen(before, "confer_notify_unread")
