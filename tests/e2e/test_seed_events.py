"""The seed's own four events with their acks, over every client and transport."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from confer_kit.testing import System, running_system
from confer_kit.testing.javascript import WAYS, JavaScriptClient, Node, Way, node
from confer_kit.testing.script import ScriptClient, script_client

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.node]

Client = JavaScriptClient | ScriptClient
Open = Callable[[str], Awaitable[Client]]
_numbers = itertools.count(1)
PYTHON = [Way("python", name, transports) for name, transports in (
    ("polling", ["polling"]), ("websocket", ["websocket"]), ("upgrade", ["polling", "websocket"]))]  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process() -> AsyncIterator[Node]:
    async with node(Path(__file__).parent / "js") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", params=[*WAYS, *PYTHON], ids=str)
async def opened(request: pytest.FixtureRequest, system: System, process: Node) -> AsyncIterator[Open]:
    """Connects a client as the user of this id."""
    way: Way = request.param
    async with AsyncExitStack() as stack:

        async def connect(user: str) -> Client:
            auth = {"user_id": user, "role": "nurse"}
            if way.version == "python":
                client: Client = await stack.enter_async_context(script_client(system.url(), way.transports, auth))
            else:
                client = await process.open(way.version, system.url(), {"transports": way.transports, "auth": auth})
            await client.got("system_message")
            return client

        yield connect
    await process.close_all()


def fresh(prefix: str) -> str:
    return f"{prefix}-{next(_numbers)}"


async def test_join_and_leave(opened: Open) -> None:
    patient, first, second = fresh("P"), fresh("anna"), fresh("mali")
    early, late = await opened(first), await opened(second)

    answer = await early.call("join_patient_room", {"patient_id": patient, "step": 2})
    assert answer["status"] == "ok"
    assert (answer["patient_id"], answer["room"]) == (patient, f"room.{patient}")
    assert [user["user_id"] for user in answer["presence"]["users"]] == [first]
    assert (answer["sync"]["fields"], answer["sync"]["steps"]) == ({}, [])
    assert answer["queue"]["rows"] == []
    point = await early.got("sync_point", lambda body: body["room"] == answer["room"])
    assert point["offset"] == answer["offset"]

    answer = await late.call("join_patient_room", {"patient_id": patient})
    assert [user["user_id"] for user in answer["presence"]["users"]] == [first, second]
    joined = await early.got("user_joined")
    assert (joined["user_id"], joined["role"]) == (second, "nurse")

    left = await late.call("leave_patient_room", {"patient_id": patient})
    assert left["status"] == "ok"
    assert left["patient_id"] == patient
    assert await early.got("user_left") == second
    assert not late.bodies("user_joined"), "the origin is not told of itself"
    update = await early.call("field_update", {"patient_id": patient, "field": "note", "value": 1})
    assert update["status"] == "ok"
    await early.got("field_updated")
    assert not late.bodies("field_updated"), "who has left hears nothing more"


async def test_field_update(opened: Open) -> None:
    patient, first, second = fresh("P"), fresh("anna"), fresh("mali")
    writer, reader = await opened(first), await opened(second)
    for client in (writer, reader):
        await client.call("join_patient_room", {"patient_id": patient})

    op = fresh("operation")
    payload = {"patient_id": patient, "field": "left_eye", "value": "6/9", "base_version": 0, "op": op}
    answer = await writer.call("field_update", payload)
    assert answer | {"changes": []} == {
        "status": "ok", "op": op, "patient_id": patient, "field": "left_eye", "version": 1, "changes": [],
    }  # fmt: skip
    for client in (writer, reader):
        body = await client.got("field_updated")
        assert {key: body[key] for key in ("patient_id", "field", "value", "version", "user_id", "op")} == {
            "patient_id": patient, "field": "left_eye", "value": "6/9", "version": 1, "user_id": first, "op": op,
        }  # fmt: skip
    assert await writer.call("field_update", payload) == answer, "the same operation again has the same answer"

    values: dict[str, Any] = {"notes": "ตาซ้ายพร่า 😀", "glasses": True, "pressure": 14.5, "tests": [{"a": None}]}
    changes = [{"field": name, "value": value} for name, value in values.items()]
    answer = await writer.call("field_update", {"patient_id": patient, "changes": changes})
    assert answer["status"] == "ok"
    told = await reader.got("fields_updated")
    assert {change["field"]: change["value"] for change in told["changes"]} == values

    late = await opened(fresh("late"))
    snapshot = await late.call("join_patient_room", {"patient_id": patient})
    fields = snapshot["sync"]["fields"]
    assert {name: field["value"] for name, field in fields.items()} == {"left_eye": "6/9", **values}
    assert len(reader.bodies("field_updated")) == 1


async def test_a_refusal_is_acknowledged(opened: Open) -> None:
    patient = fresh("P")
    client = await opened(fresh("anna"))
    future = {"patient_id": patient, "field": "left_eye", "value": 1, "base_version": 7}
    answer = await client.call("field_update", future)
    assert (answer["status"], answer["code"], answer["retry"]) == ("error", "invalid", False)
    assert "base_version" in answer["message"]
    await client.emit("field_update", future)
    told = await client.got("error")
    assert (told["event"], told["code"], told["message"]) == ("field_update", "invalid", answer["message"])


async def test_step_update(opened: Open) -> None:
    patient, first, second = fresh("P"), fresh("anna"), fresh("mali")
    writer, reader = await opened(first), await opened(second)
    for client in (writer, reader):
        await client.call("join_patient_room", {"patient_id": patient})

    payload = {"patient_id": patient, "step": 0, "status": "completed", "step_name": "ลงทะเบียน"}
    answer = await writer.call("step_update", payload)
    assert (answer["status"], answer["step"], answer["step_status"], answer["version"]) == ("ok", 0, "completed", 1)
    for client in (writer, reader):
        body = await client.got("step_updated")
        assert (body["step"], body["status"], body["step_name"]) == (0, "completed", "ลงทะเบียน")
        assert (body["user_id"], body["op"]) == (first, answer["op"])
        steps = await client.got("step_status_updated", lambda steps: len(steps) == 1)
        assert (steps[0]["step_number"], steps[0]["completion_status"]) == (0, "completed")
