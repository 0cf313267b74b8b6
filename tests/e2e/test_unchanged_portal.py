"""The first portal as it is: its stock clients, with exactly their options, and nothing re-emitted after a cut."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from confer_kit.testing import System, running_system
from confer_kit.testing.javascript import WAYS, JavaScriptClient, Node, Way, node
from confer_kit.testing.received import MISSING

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.node]

LEAVE_GRACE_S, DROP_GRACE_S = 0.6, 60.0
REOPEN_GRACE_S = 5.0  # on an edge of its own: a slow machine opens a form in it
_numbers = itertools.count(1)


every_way = pytest.mark.parametrize("way", WAYS, ids=str)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system(
        CONFER_LEAVE_GRACE_S=str(LEAVE_GRACE_S),
        CONFER_DROP_GRACE_S=str(DROP_GRACE_S),
        CONFER_HEALTH_CHECK_S="1",
        CONFER_RECOVERY_WINDOW_S="0",  # what a portal gets that the edge cannot help any further
    ) as running:
        await running.add_edge("patient", CONFER_LEAVE_GRACE_S=str(REOPEN_GRACE_S))
        await running.healthy("patient")
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process() -> AsyncIterator[Node]:
    async with node(Path(__file__).parent / "js") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def pages(process: Node, system: System) -> AsyncIterator["Pages"]:
    yield Pages(process, system.url())
    await process.close_all()


def fresh(prefix: str) -> str:
    """An id that no other test uses."""
    return f"{prefix}-{next(_numbers)}"


class Person(NamedTuple):
    user_id: str
    name: str
    role: str = "nurse"


class Pages:
    """Opens what the portal's pages open."""

    def __init__(self, process: Node, url: str) -> None:
        self._process = process
        self.url = url

    def people(self) -> tuple[Person, Person]:
        return Person(fresh("somchai"), "สมชาย ใจดี"), Person(fresh("anna"), "Anna Maria Berg", "doctor")

    async def form(self, way: Way, patient: str, who: Person, step: int = 3) -> JavaScriptClient:
        """MobileVisionScreeningForm: identity in the query, `join_screening` right after `io()`, before the
        connection is up."""
        query = {
            "patient_id": patient, "user_id": who.user_id, "user_name": who.name, "user_role": who.role, "step": step,
        }  # fmt: skip
        options = {"path": "/socket.io/", "transports": way.transports, "query": query}
        join = {
            "patient_id": patient,
            "user": {
                "user_id": who.user_id, "name": who.name, "role": who.role, "step": step,
                "last_activity": "2025-11-22T08:00:00.000Z", "status": "active",
            },
            "session_id": f"screening_{patient}",
        }  # fmt: skip
        return await self._process.open(way.version, self.url, options, ["emit", "join_screening", join], name="form")

    async def present_form(self, way: Way, patient: str, who: Person, step: int = 3) -> JavaScriptClient:
        """A form that has joined, by its query and again by `join_screening`: all that both show has come."""
        form = await self.form(way, patient, who, step)
        await form.got("active_users_updated", lambda users: who.user_id in ids(users))
        await form.got("queue_updated", lambda rows: row_of(rows, patient) is not None)
        await form.until(lambda: all(ends(form, room) >= 2 for room in rooms_of(patient)), "the end of all snapshots")
        return form

    async def service(self, way: Way, auth: Any = None) -> JavaScriptClient:
        """socketService: without a query; `connect()` or `connect({user_id, role, ...})`."""
        options: dict[str, Any] = {
            "path": "/socket.io/", "transports": way.transports, "timeout": 20000, "reconnection": True,
            "reconnectionAttempts": 5, "reconnectionDelay": 1000,
        }  # fmt: skip
        if auth is not None:
            options["auth"] = auth
        client = await self._process.open(way.version, self.url, options, name="service")
        await client.got("system_message")
        return client


def rooms_of(patient: str) -> tuple[str, str]:
    return f"room.{patient}", "queue.screening"


def ends(form: JavaScriptClient, room: str, since: int = 0) -> int:
    """How many snapshots of the room are complete."""
    return [point["room"] for point in form.bodies("sync_point", since)].count(room)


def ids(users: list[dict[str, Any]]) -> list[str]:
    return [user["user_id"] for user in users]


def row_of(rows: list[dict[str, Any]], patient: str) -> dict[str, Any] | None:
    found = [row for row in rows if row["patient_id"] == patient]
    assert len(found) <= 1, "a patient is in the queue once"
    return found[0] if found else None


def staff_of(rows: list[dict[str, Any]], patient: str) -> list[str]:
    return list((row_of(rows, patient) or {}).get("staff_working", []))


async def lists(form: JavaScriptClient, patient: str, *people: Person) -> None:
    """Wait until the newest roster and the newest queue that the form has show these people and nobody else."""
    wanted = [who.user_id for who in people]
    await form.until(lambda: ids(form.bodies("active_users_updated")[-1]) == wanted, f"the roster {wanted}")
    await form.until(lambda: staff_of(form.bodies("queue_updated")[-1], patient) == wanted, f"the staff {wanted}")


def step_change(patient: str, who: Person, step: int, name: str = "Color Vision") -> dict[str, Any]:
    return {"user_id": who.user_id, "step": step, "step_name": name, "patient_id": patient}


# --- the form --------------------------------------------------------------------------------------------


@every_way
async def test_two_forms_of_one_patient_see_each_other(pages: Pages, way: Way) -> None:
    patient, (first, second) = fresh("P"), pages.people()
    early = await pages.present_form(way, patient, first)
    late = await pages.present_form(way, patient, second)

    joined = await early.got("user_joined")
    assert (joined["user_id"], joined["name"], joined["role"], joined["step"]) == (*second, 3)
    there = await late.got("user_joined", lambda user: user["user_id"] == first.user_id)
    assert (there["name"], there["status"]) == (first.name, "active")
    roster = await early.got("active_users_updated", lambda users: len(users) == 2)
    assert {"user_id", "name", "role", "step", "last_activity", "status"} <= roster[0].keys()
    for form in (early, late):
        rows = await form.got("queue_updated", lambda rows: len(staff_of(rows, patient)) == 2)
        row = row_of(rows, patient)
        assert row and row["staff_working"] == [first.user_id, second.user_id]
        assert row["queue_position"] == rows.index(row) + 1
        assert row["priority"] == "normal"
        assert {"current_step", "estimated_completion", "created_at"} <= row.keys()
        assert isinstance((await form.got("step_status_updated")), list)
        assert not form.bodies("error")
    assert ids(early.bodies("user_joined")) == [second.user_id]
    assert set(ids(late.bodies("user_joined"))) == {first.user_id}


@every_way
async def test_a_name_is_there_even_when_the_form_has_none(pages: Pages, way: Way) -> None:
    patient, (first, _) = fresh("P"), pages.people()
    early = await pages.present_form(way, patient, first)
    nameless = fresh("nameless")
    await pages.form(way, patient, Person(nameless, ""))
    assert (await early.got("user_joined"))["name"] == nameless


@every_way
async def test_a_step_change_before_closing_is_told_before_the_leaving(pages: Pages, way: Way) -> None:
    patient, (first, second) = fresh("P"), pages.people()
    stays = await pages.present_form(way, patient, first)
    goes = await pages.present_form(way, patient, second)
    await stays.got("user_joined")
    await lists(stays, patient, first, second)

    await goes.steps(["emit", "step_change", step_change(patient, second, 4)], ["close"])

    moved = await stays.got("step_changed")
    assert moved | {"timestamp": ""} == step_change(patient, second, 4) | {"timestamp": ""}
    assert await stays.got("user_left") == second.user_id
    assert stays.names().index("step_changed") < stays.names().index("user_left")
    steps = await stays.got("step_status_updated", lambda steps: any(s["step"] == 4 for s in steps))
    assert {"step_number", "step_name", "status", "assigned_staff", "completion_status"} <= steps[0].keys()
    await stays.got("queue_updated", lambda rows: (row_of(rows, patient) or {}).get("current_step") == 4)
    await lists(stays, patient, first)


@every_way
async def test_a_form_that_opens_anew_for_the_next_step_does_not_flicker(
    pages: Pages, system: System, way: Way
) -> None:
    pages.url = system.url("patient")
    patient, (first, second) = fresh("P"), pages.people()
    stays = await pages.present_form(way, patient, first)
    old = await pages.present_form(way, patient, second)
    await stays.got("user_joined")
    before = len(stays.events)

    await old.steps(["emit", "step_change", step_change(patient, second, 4)], ["close"])
    await pages.present_form(way, patient, second, step=4)
    await stays.got("step_changed", since=before)
    await asyncio.sleep(REOPEN_GRACE_S + 0.5)

    assert not {"user_left", "user_joined"} & set(stays.names(before))


@every_way
async def test_after_a_cut_the_form_is_back_by_its_query_alone(pages: Pages, way: Way) -> None:
    patient, (first, second) = fresh("P"), pages.people()
    stays = await pages.present_form(way, patient, first)
    cut = await pages.present_form(way, patient, second)
    await stays.got("user_joined")
    before, seen = len(cut.events), len(stays.events)

    await cut.cut()
    await cut.is_connected(times=2)
    await cut.until(lambda: all(ends(cut, room, before) for room in rooms_of(patient)), "the end of the snapshots")
    await cut.got("user_joined", lambda user: user["user_id"] == first.user_id, since=before)
    await stays.emit("step_change", step_change(patient, first, 0, "Registration"))
    assert (await cut.got("step_changed", since=before))["step"] == 0
    await cut.emit("user_heartbeat", {"user_id": second.user_id, "step": 3, "last_activity": ""})
    await stays.got("active_users_updated", lambda users: len(users) == 2, since=seen)
    assert not {"user_left", "user_joined"} & set(stays.names(seen))
    assert not cut.bodies("error")


@every_way
async def test_each_heartbeat_shows_the_roster(pages: Pages, way: Way) -> None:
    patient, (first, second) = fresh("P"), pages.people()
    sender = await pages.present_form(way, patient, first)
    other = await pages.present_form(way, patient, second)
    for client in (sender, other):
        await lists(client, patient, first, second)
    for _ in range(3):
        before = {client: len(client.events) for client in (sender, other)}
        await sender.emit("user_heartbeat", {"user_id": first.user_id, "step": 3, "last_activity": "2025-11-22"})
        for client in (sender, other):
            users = await client.got("active_users_updated", since=before[client])
            assert ids(users) == [first.user_id, second.user_id]


@every_way
async def test_leave_screening(pages: Pages, way: Way) -> None:
    patient, (first, second) = fresh("P"), pages.people()
    stays = await pages.present_form(way, patient, first)
    leaves = await pages.present_form(way, patient, second)
    await stays.got("user_joined")
    await lists(stays, patient, first, second)
    await leaves.emit("leave_screening", {"patient_id": patient, "user_id": first.user_id})
    assert await stays.got("user_left") == second.user_id, "nobody can log a colleague out"
    await lists(stays, patient, first)


@every_way
async def test_two_tabs_are_one_person(pages: Pages, way: Way) -> None:
    patient, (first, second) = fresh("P"), pages.people()
    other = await pages.present_form(way, patient, first)
    tab = await pages.present_form(way, patient, second)
    await pages.present_form(way, patient, second)
    await tab.close()
    await asyncio.sleep(LEAVE_GRACE_S + 0.4)
    assert ids(other.bodies("user_joined")) == [second.user_id]
    assert not other.bodies("user_left")
    assert all(len(users) <= 2 for users in other.bodies("active_users_updated"))


@every_way
async def test_more_packets_than_sixteen_in_one_tick(pages: Pages, way: Way) -> None:
    patient, (first, second) = fresh("P"), pages.people()
    sender = await pages.present_form(way, patient, first)
    other = await pages.present_form(way, patient, second)
    changes: list[list[Any]] = [["emit", "step_change", step_change(patient, first, n)] for n in range(40)]
    await sender.steps(*changes)
    await other.got("step_changed", lambda body: body["step"] == 39)
    assert [body["step"] for body in other.bodies("step_changed")] == list(range(40))
    assert len(sender.sids) == 1


@every_way
async def test_the_connection_is_the_one_asked_for(pages: Pages, way: Way) -> None:
    patient, (first, _) = fresh("P"), pages.people()
    form = await pages.present_form(way, patient, first)
    before = len(form.events)
    if len(way.transports) > 1:
        await form.until(lambda: form.upgrades == ["websocket"], "the upgrade")
    else:
        assert form.transports == way.transports
    await form.emit("ping", None)
    await form.got("pong", since=before)
    assert len(form.sids) == 1


# --- the service -----------------------------------------------------------------------------------------


@every_way
async def test_the_service_without_auth(pages: Pages, way: Way) -> None:
    client = await pages.service(way)
    status = await client.got("system_status")
    assert status["status"] == "online"
    assert status["timestamp"]
    assert {"user_id", "role", "permissions"} <= status["user_info"].keys()
    assert set(await client.got("system_message")) == {"message", "timestamp"}
    await client.steps(["emit", "connection_established", {"timestamp": "2025-11-22"}], ["emit", "ping", None])
    assert await client.got("pong") in (MISSING, None)
    assert not client.bodies("error")


@every_way
async def test_the_service_with_auth_gets_its_dashboard(pages: Pages, way: Way) -> None:
    patient, (nurse, _) = fresh("P"), pages.people()
    form = await pages.present_form(way, patient, nurse)
    expected: dict[str, set[str]] = {
        "doctor": {"pending_screenings", "recent_alerts"},
        "parent": {"notifications"},
        "teacher": set(),
        "executive": {"total_patients", "total_screenings"},
    }
    for role, members in expected.items():
        user = fresh(role)
        client = await pages.service(way, {"user_id": user, "role": role, "permissions": ["read"]})
        info = (await client.got("system_status"))["user_info"]
        assert (info["user_id"], info["role"]) == (user, role)
        assert await client.got("joined_room") == {"room": f"role_{role}"}
        dashboard = await client.got(f"{role}_dashboard_data")
        assert set(dashboard) == members
        if role == "doctor":
            waiting = [row["ticket"] for row in form.bodies("queue_updated")[-1] if row["status"] == "waiting"]
            assert [row["ticket"] for row in dashboard["pending_screenings"]] == waiting[:20]
        if role == "executive":
            assert dashboard["total_patients"] >= 1


@every_way
async def test_ping_with_any_arguments(pages: Pages, way: Way) -> None:
    client = await pages.service(way)
    many: list[list[Any]] = [[], [None], ["x"], [{"a": [1]}, 2, None]]
    for count, arguments in enumerate(many, start=1):
        await client.emit("ping", *arguments)
        await client.until(lambda n=count: len(client.bodies("pong")) == n, f"pong {count}")  # type: ignore[misc]
    assert not client.bodies("error")


@every_way
async def test_rooms_and_subscriptions(pages: Pages, way: Way) -> None:
    client = await pages.service(way, {"user_id": fresh("u"), "role": "nurse"})
    for room in ("corridor 3", "role_nurse", f"screening_{fresh('P')}"):
        await client.emit("join_room", {"room": room})
        joined = await client.got("room_joined", lambda body, r=room: body["room"] == r)  # type: ignore[misc]
        assert joined["message"]
        await client.emit("leave_room", {"room": room})
        left = await client.got("room_left", lambda body, r=room: body["room"] == r)  # type: ignore[misc]
        assert left["message"]
    await client.emit("subscribe_to_updates", {"type": "screenings", "filters": {"school": "บ้านดอน"}})
    confirmed = await client.got("subscription_confirmed")
    assert confirmed == {
        "type": "screenings", "room": f"updates_screenings_{client.sids[0]}", "filters": {"school": "บ้านดอน"},
    }  # fmt: skip
    await client.emit("subscribe_to_updates", {"type": "alerts"})
    await client.got("subscription_confirmed", lambda body: body["type"] == "alerts")
    assert not client.bodies("error")


@every_way
async def test_messages_to_somebody_present_away_and_unknown(pages: Pages, way: Way) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    sender = await pages.service(way, {"user_id": alice, "role": "nurse"})
    target = await pages.service(way, {"user_id": bob, "role": "doctor"})
    second_tab = await pages.service(way, {"user_id": bob, "role": "doctor"})
    for tab in (target, second_tab):
        await tab.got("sync_point", lambda body: body["room"].startswith("user."))

    await sender.emit("send_message", {"target_user": bob, "message": "ห้อง 2 ว่าง"})
    sent = await sender.got("message_sent")
    assert (sent["target_user"], sent["message"], bool(sent["timestamp"])) == (bob, "ห้อง 2 ว่าง", True)
    for tab in (target, second_tab):
        message = await tab.got("new_message")
        assert (message["from_user"], message["from_role"]) == (alice, "nurse")
        assert (message["message"], message["timestamp"]) == ("ห้อง 2 ว่าง", sent["timestamp"])

    for tab in (target, second_tab):
        await tab.close()
    await sender.emit("send_message", {"target_user": bob, "message": "while you were away"})
    await sender.got("message_sent", lambda body: body["message"].startswith("while"))
    back = await pages.service(way, {"user_id": bob, "role": "doctor"})
    assert (await back.got("notification_counts"))["unread"] == 2
    inbox = await back.call("notification_inbox", {})
    assert [n["message"] for n in inbox["notifications"]] == ["while you were away", "ห้อง 2 ว่าง"]

    nobody = fresh("nobody")
    await sender.emit("send_message", {"target_user": nobody, "message": "hello?"})
    failure = await sender.got("message_error")
    assert failure["target_user"] == nobody
    assert failure["error"]


@every_way
async def test_health_check_comes_to_everybody(pages: Pages, way: Way) -> None:
    client = await pages.service(way)
    body = await client.got("health_check")
    assert body["timestamp"]
    assert body["active_connections"] >= 1


# --- field by field, in hospital_mobile sessions ---------------------------------------------------------


@every_way
async def test_live_fields_of_a_session(pages: Pages, way: Way) -> None:
    session, (first, second) = fresh("SESSION"), pages.people()
    typist = await pages.service(way, {"user_id": first.user_id, "role": first.role, "name": first.name})
    reader = await pages.service(way, {"user_id": second.user_id, "role": second.role, "name": second.name})
    for client in (typist, reader):
        await client.emit("join_room", {"room": f"hospital_mobile_session_{session}"})
        await client.got("room_joined")

    place = {"session_id": session, "step": "vision", "field_name": "left_eye", "timestamp": "2025-11-22T08:00:00"}
    typing = {**place, "current_value": "6/", "user_name": first.name, "typing_speed": 3.5}
    await typist.emit("live_typing", typing)
    shown = await reader.got("live_field_typing")
    assert (shown["session_id"], shown["step"], shown["field_name"]) == (session, "vision", "left_eye")
    assert (shown["current_value"], shown["user_name"]) == ("6/", first.name)

    await typist.emit("cursor_position", {**place, "user_name": first.name})
    cursor = await reader.got("user_cursor_moved")
    assert (cursor["field_name"], cursor["user_name"]) == ("left_eye", first.name)

    await typist.emit("field_completed", {**place, "final_value": "6/9", "user_name": first.name})
    updated = await reader.got("live_field_updated")
    assert (updated["field_name"], updated["new_value"], updated["final_value"]) == ("left_eye", "6/9", "6/9")
    assert (updated["user_name"], updated["session_id"]) == (first.name, session)

    conflict = {"session_id": session, "field_name": "left_eye", "message": "two pens, one field"}
    await typist.emit("field_conflict_detected", conflict)
    for client in (typist, reader):
        told = await client.got("collaborative_conflict")
        assert (told["message"], told["detecting_user"]) == ("two pens, one field", first.user_id)
        assert told["conflict_id"]
        assert told["timestamp"]
    assert not {"live_field_typing", "user_cursor_moved", "live_field_updated"} & set(typist.names())
    assert not typist.bodies("error")

    await typist.emit("live_typing", {"session_id": session, "step": "vision"})
    assert "field_name" in (await typist.got("error"))["message"]
