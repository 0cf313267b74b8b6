"""What the catalogue says is what a running system does: its subjects, its examples, every body that a browser gets."""

import json
from collections.abc import AsyncIterator
from typing import Any

import nats
import pytest
import pytest_asyncio
from pydantic import TypeAdapter

from confer_contracts import catalogue
from confer_contracts.asyncapi import server_events
from confer_contracts.examples import EXAMPLES
from confer_kit import clock
from confer_kit.testing import System, running_system
from confer_kit.testing.client import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEARD = {
    "user_joined", "user_updated", "active_users_updated", "presence_summary", "fields_updated", "field_updated",
    "step_updated", "field_conflict", "step_changed", "step_status_updated", "live_field_typing", "user_cursor_moved",
    "live_field_updated", "collaborative_conflict", "notification", "new_message", "notification_counts",
    "notification_seen", "notification_read", "notification_archive", "notification_preferences", "topic_followed",
    "topic_unfollowed",
    "ticket_called", "patient_ticket_called", "queue_updated", "subscription_confirmed", "doctor_dashboard_data",
    "sync_point", "field_locked", "field_unlocked",
}  # fmt: skip
VOLATILE = {"timestamp", "last_activity", "joined_at", "offset", "op", "actual_duration", "duration_s", "name"}
COUNTS = {"total", "count", "active"}  # of people: who watches is among them


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system(CONFER_HEALTH_CHECK_S="1", CONFER_LEAVE_GRACE_S="0.2") as running:
        yield running


async def test_each_service_serves_exactly_its_subjects_of_the_catalogue(system: System) -> None:
    client = await nats.connect(system.nats.url)
    answers = await client.subscribe(inbox := client.new_inbox())
    await client.publish("$SRV.INFO", reply=inbox)
    served: dict[str, set[str]] = {}
    while len(served) < len(catalogue.SERVICES):
        info = json.loads((await answers.next_msg(timeout=30)).data)
        if info["name"] == "confer-edge":
            continue
        served[info["name"]] = {endpoint["subject"] for endpoint in info["endpoints"]}
        groups = {endpoint["queue_group"] for endpoint in info["endpoints"]}
        assert groups == {info["name"].removesuffix("-svc")}
    await client.close()
    assert served == {f"{service}-svc": set(catalogue.calls_of(service)) for service in catalogue.SERVICES}


async def test_the_examples_are_what_really_happens(system: System) -> None:
    """The record gets the example's past first; then each request is sent as it is shown."""
    room = EXAMPLES["join_patient_room"].request
    where: dict[str, Any] = {"patient_id": room["patient_id"]}
    ann = await Client("u-17").connect(system.url())
    watcher = await Client("watcher").connect(system.url())
    await watcher.until_ok("join_patient_room", **where)
    for _ in range(4):
        await ann.until_ok("field_update", **where, field="va_left", value="6/9")
    await ann.until_ok("step_update", **where, step=3, status="in_progress", step_name="Vision screening")
    await watcher.until(lambda: watcher.of("step_updated"))
    for event, example in EXAMPLES.items():
        request = example.request | ({"op": clock.new_id()} if "op" in example.request else {})
        before = len(watcher.received)
        assert stable(await ann.call(event, **request)) == stable(example.ack), event
        for name, body in example.broadcast.items():
            expected = stable(body)
            await watcher.until(
                lambda name=name, expected=expected, before=before: any(  # type: ignore[misc]
                    stable(got.json) == expected for got in watcher.received[before:] if got.name == name
                )
            )
    await ann.close()
    await watcher.close()


async def test_whatever_a_browser_gets_is_in_the_catalogue_with_its_body(system: System) -> None:
    doctor = await Client("doctor", role="doctor").connect(system.url())
    nurse = await Client("nurse").connect(system.url())
    here: dict[str, Any] = {"patient_id": "P-77"}
    session = {"session_id": "S-1", "step": "vision", "field_name": "va"}
    for client in (doctor, nurse):
        await client.until_ok("join_screening", **here, user={"user_id": client.user, "name": client.user, "step": 3})
        await client.until_ok("join_room", room="hospital_mobile_session_S-1")
        await client.until_ok("queue_open")
    await nurse.until(lambda: any(row["patient_id"] == "P-77" for got in nurse.of("queue_updated") for row in got.json))
    called = (await nurse.until_ok("queue_call_next"))["ticket"]["ticket"]
    calls: list[tuple[str, dict[str, Any]]] = [
        ("field_update", {**here, "changes": [{"field": "a", "value": 1}, {"field": "b", "value": None}]}),
        ("field_update", {**here, "field": "a", "value": {"nested": [1]}}),
        ("step_update", {**here, "step": 3, "status": "completed"}),
        ("step_change", {**here, "step": 4, "step_name": "Refraction"}),
        ("field_focus", {**here, "field": "a"}),
        ("field_lock", {**here, "field": "a"}),
        ("field_unlock", {**here, "field": "a"}),
        ("user_heartbeat", {"step": 4}),
        ("live_typing", {**session, "current_value": "6/", "user_name": "Nurse"}),
        ("cursor_position", session),
        ("field_completed", {**session, "final_value": "6/6"}),
        ("field_conflict_detected", session),
        ("notification_send", {"to": {"user": "doctor"}, "title": "Come"}),
        ("send_message", {"target_user": "doctor", "message": "Please"}),
        ("queue_enqueue", {"patient_id": "P-78", "priority": "high"}),
        ("subscribe_to_updates", {"type": "screenings"}),
        ("leave_room", {"room": "hospital_mobile_session_S-1"}),
        ("leave_screening", here),
    ]
    note = {**here, "field": "note"}
    for value in ("hers", "hers too"):
        await nurse.until_ok("field_update", **note, value=value)
    stale = await doctor.until_ok("field_update", **note, value="his", base_version=1)
    assert stale["changes"][0]["outcome"] == "overwrote"
    history = await doctor.until_ok("field_history", **note)
    assert [row["version"] for row in history["rows"]] == [3, 2, 1]
    restored = await nurse.until_ok("field_restore", **note, version=2, base_version=3)
    assert restored["changes"][0]["value"] == "hers too"
    for event, payload in calls:
        answer = await nurse.call(event, **payload)
        assert answer["status"] == "ok", (event, answer)
    assert (await nurse.call("queue_serve", ticket=called, token="wrong"))["status"] == "error"
    own: list[tuple[str, dict[str, Any]]] = [
        ("notification_seen", {"all": True}), ("notification_read", {"all": True}),
        ("notification_archive", {"all": True}), ("topic_follow", {"topic": "board"}),
        ("topic_unfollow", {"topic": "board"}), ("notification_preferences", {"preferences": {"mute": ["info"]}}),
    ]  # fmt: skip
    for event, payload in own:
        answer = await doctor.call(event, **payload)
        assert answer["status"] == "ok", (event, answer)
    await doctor.until(lambda: doctor.of("user_left") and doctor.of("notification_read") and doctor.of("health_check"))
    await doctor.until(lambda: all(client.of("field_conflict") for client in (doctor, nurse)))
    await doctor.until(lambda: {got.name for client in (doctor, nurse) for got in client.received} >= HEARD)
    for client in (doctor, nurse):
        known = server_events()
        for got in client.received:
            assert got.name in known, got
            assert_shape(known[got.name].body, got.json if got.body else None)
        await client.close()


def assert_shape(body: Any, value: Any) -> None:
    """`value` is valid, and has no member that its model does not know."""
    if body is None:
        assert value is None
        return
    adapter = TypeAdapter(body)
    assert adapter.dump_python(adapter.validate_python(value), mode="json", exclude_unset=True) == value


def stable(value: Any) -> Any:
    """Without what differs from run to run, and without the one who watches."""
    if isinstance(value, dict):
        return {name: None if name in VOLATILE | COUNTS else stable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [stable(item) for item in value if not (isinstance(item, dict) and item.get("user_id") == "watcher")]
    return value
