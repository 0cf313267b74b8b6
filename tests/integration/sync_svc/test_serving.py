"""The real service object against a real nats-server: what is answered is what is stored."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import orjson
import pytest

from confer_contracts.ids import patient_room, session_room
from confer_contracts.presence import RoomSnapshotRequest
from confer_contracts.subjects import ACTIVITY, FactSubject
from confer_kit import clock
from confer_kit.facts import NewFact
from confer_kit.process import connected, started
from confer_ops.provision import provision
from sync_svc.app import build

PATIENT = "ผู้ป่วย a.>"
ROOM = patient_room(PATIENT)
Rig = Any  # of conftest


async def eventually(read: Callable[[], Awaitable[Any]], accept: Callable[[Any], bool]) -> Any:
    """What `read` gives once it is accepted; fails after 60 seconds."""
    async with asyncio.timeout(60):
        while not accept(value := await read()):
            await asyncio.sleep(0.02)
    return value


async def test_an_update_is_stored_once_and_answered_the_same_when_it_is_sent_again(rig: Rig) -> None:
    await rig.replica()
    op = clock.new_id()
    request = {"patient_id": PATIENT, "field": "iop", "value": {"left": 14}, "base_version": 0}
    answer = await rig.call("field_update", request, op=op)
    assert answer == {
        "status": "ok",
        "op": op,
        "patient_id": PATIENT,
        "field": "iop",
        "version": 1,
        "changes": [{"field": "iop", "version": 1, "value": {"left": 14}, "outcome": "accepted"}],
    }
    assert await rig.call("field_update", request, op=op) == answer
    (fact,) = await rig.facts()
    assert (fact.event, fact.op, fact.actor, fact.origin) == ("field_updated", op, "ann", "session-of-ann")
    assert fact.json()["value"] == {"left": 14}


async def test_a_form_saves_as_a_whole_and_a_stale_base_is_told(rig: Rig) -> None:
    await rig.replica()
    await rig.call("field_update", {"patient_id": PATIENT, "field": "a", "value": 1})
    changes = [{"field": "a", "value": 2, "base_version": 0}, {"field": "b", "value": None, "base_version": 0}]
    answer = await rig.call("field_update", {"patient_id": PATIENT, "changes": changes}, user="bob")
    assert [(c["field"], c["version"], c["outcome"]) for c in answer["changes"]] == [
        ("a", 2, "overwrote"), ("b", 1, "accepted")
    ]  # fmt: skip
    _, fact = await rig.facts()
    assert fact.event == "fields_updated"
    told = fact.json()["changes"]
    assert told[0].pop("replaced")["version"] == 1
    assert told == answer["changes"]


async def test_both_people_are_told_who_wrote_over_whom_and_what(rig: Rig) -> None:
    await rig.replica()
    await rig.call("field_update", {"patient_id": PATIENT, "field": "a", "value": "old"})
    await rig.call("field_update", {"patient_id": PATIENT, "field": "a", "value": "hers", "base_version": 1})
    await rig.call("field_update", {"patient_id": PATIENT, "field": "a", "value": "his", "base_version": 1}, user="bob")
    *_, fact = await rig.facts()
    assert (fact.event, fact.headers["Confer-Alias"]) == ("field_updated", "field_conflict")
    body = fact.json()
    assert (body["user_id"], body["value"], body["version"], body["outcome"]) == ("bob", "his", 3, "overwrote")
    told = body["replaced"]
    assert (told["user_id"], told["value"], told["version"]) == ("ann", "hers", 2)


async def test_an_operation_id_names_one_value(rig: Rig) -> None:
    for _ in range(2):
        await rig.replica()
    op = clock.new_id()
    request = {"patient_id": PATIENT, "field": "a", "value": 1}
    await rig.call("field_update", request, op=op)
    answers = [await rig.call("field_update", {**request, "value": 2}, op=op) for _ in range(4)]
    assert {(answer["code"], answer["field"]) for answer in answers} == {("invalid", "op")}
    assert len(await rig.facts()) == 1


async def test_what_was_edited_offline_is_committed_as_far_as_it_can_be_and_reported_one_by_one(rig: Rig) -> None:
    for _ in range(2):
        await rig.replica()
    await rig.call("field_update", {"patient_id": PATIENT, "field": "a", "value": 1})
    changes = [
        {"field": "a", "value": 2, "base_version": 1},
        {"field": "b", "value": 3, "base_version": 4},
    ]
    request, op = {"patient_id": PATIENT, "changes": changes, "partial": True}, clock.new_id()
    answer = await rig.call("field_update", request, op=op)
    assert [(c["field"], c["version"]) for c in answer["changes"]] == [("a", 2)]
    (refused,) = answer["refused"]
    assert (refused["field"], refused["code"], refused["current"]) == ("b", "invalid", None)
    assert [await rig.call("field_update", request, op=op) for _ in range(3)] == [answer] * 3
    assert len(await rig.facts()) == 2


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"patient_id": PATIENT, "field": "a", "value": 1, "base_version": 7}, "base_version"),
        ({"patient_id": PATIENT, "field": "a"}, "value"),
        ({"patient_id": PATIENT, "field": "a\x00", "value": 1}, "field"),
        ({"patient_id": "", "field": "a", "value": 1}, "patient_id"),
        ({"patient_id": PATIENT, "field": "a", "value": "x" * 70_000}, "value"),
        ({"patient_id": PATIENT, "changes": []}, "changes"),
    ],
)
async def test_what_is_refused_names_the_field_and_stores_nothing(
    rig: Rig, request_: dict[str, Any], field: str
) -> None:
    await rig.replica()
    answer = await rig.call("field_update", request_)
    assert (answer["status"], answer["code"]) == ("error", "invalid")
    assert field in answer["message"]
    assert await rig.facts() == []


async def test_two_replicas_and_many_writers_leave_no_hole_in_the_versions(rig: Rig) -> None:
    for _ in range(2):
        await rig.replica()
    answers = await asyncio.gather(
        *(
            rig.call("field_update", {"patient_id": PATIENT, "field": "n", "value": n}, user=f"u{n % 5}")
            for n in range(40)
        )
    )
    told = {answer["version"]: answer["changes"][0]["value"] for answer in answers}
    stored = [(fact.json()["version"], fact.json()["value"]) for fact in await rig.facts()]
    assert [version for version, _ in stored] == list(range(1, 41))
    assert dict(stored) == told


async def test_a_new_replica_has_what_the_first_one_stored(rig: Rig) -> None:
    async with AsyncExitStack() as first:
        link = await first.enter_async_context(connected(rig.settings, "sync-svc", asyncio.Event()))
        await first.enter_async_context(started("sync", link, rig.settings, build))
        await link.nc.flush()
        op = clock.new_id()
        request = {"patient_id": PATIENT, "field": "a", "value": 1}
        answer = await rig.call("field_update", request, op=op)
    await rig.replica()
    assert await rig.call("field_update", request, op=op) == answer
    again = await rig.call("field_update", {"patient_id": PATIENT, "field": "a", "value": 2, "base_version": 1})
    assert (again["version"], again["changes"][0]["outcome"]) == (2, "accepted")


async def test_a_snapshot_is_true_where_it_says(rig: Rig) -> None:
    await rig.replica()
    await rig.call("field_update", {"patient_id": PATIENT, "field": "a", "value": 1})
    await rig.call("step_change", {"patient_id": PATIENT, "step": 0, "step_name": "Start"})
    last = (await rig.facts())[-1].seq
    part = await rig.call("snapshot", RoomSnapshotRequest(kind="room", id=ROOM, seen={"SYNC": last}).model_dump())
    assert part["as_of"] == {"SYNC": last}
    assert {name: field["value"] for name, field in part["fields"].items()} == {"a": 1}
    assert [(step["step"], step["status"]) for step in part["steps"]] == [(0, "in_progress")]


async def test_moving_through_the_steps_is_told_and_drawn(rig: Rig) -> None:
    await rig.replica()
    drawn = await rig.link.nc.subscribe(f"view.room.{ROOM}.steps")
    await rig.link.nc.flush()
    for step, name in [(0, "Start"), (0, "Start"), (3, "Acuity")]:
        answer = await rig.call("step_change", {"patient_id": PATIENT, "step": step, "step_name": name})
        assert answer["status"] == "ok"
    answer = await rig.call("step_update", {"patient_id": PATIENT, "step": 3, "status": "blocked"})
    assert (answer["step"], answer["step_status"], answer["version"]) == (3, "blocked", 2)
    facts = await rig.facts()
    assert [fact.event for fact in facts] == [*["step_changed"] * 3, "step_updated"]

    message = await drawn.next_msg(timeout=30)
    while int((message.headers or {})["Confer-As-Of"]) < facts[-1].seq:
        message = await drawn.next_msg(timeout=30)
    assert (message.headers or {})["Confer-Event"] == "step_status_updated"
    rows = orjson.loads(message.data)
    assert [(row["step_number"], row["step_name"], row["status"]) for row in rows] == [
        (0, "Start", "completed"), (3, "Acuity", "blocked")
    ]  # fmt: skip


async def test_a_session_has_a_record_of_its_own(rig: Rig) -> None:
    await rig.replica()
    typed = {"session_id": "7", "step": "2", "field_name": "iop", "final_value": 14, "user_name": "Mallory"}
    assert (await rig.call("field_completed", typed))["status"] == "ok"
    report = {"session_id": "7", "field_name": "iop"}
    assert (await rig.call("field_conflict_detected", report, op="c 1"))["status"] == "ok"
    completed, conflict = await rig.facts(session_room("7"))
    assert (completed.event, completed.headers["Confer-Alias"]) == ("field_updated", "live_field_updated")
    assert (completed.json()["user_name"], completed.json()["new_value"]) == ("Ann", 14)
    assert (conflict.event, conflict.json()["conflict_id"]) == ("collaborative_conflict", "c 1")


async def test_the_activity_of_a_record_is_listed_newest_first_over_all_services(rig: Rig) -> None:
    await rig.replica()
    await rig.call("field_update", {"patient_id": PATIENT, "field": "a", "value": 1}, op="o 1")
    await rig.call("field_update", {"patient_id": "another", "field": "a", "value": 1})
    ticket = NewFact(
        subject=FactSubject("queue", "queue", "screening", ROOM), body=b'{"ticket":"t1"}', event="ticket_called",
        actor="bob", op="o 2",
    )  # fmt: skip
    await rig.log.append(ticket, guard=str(ticket.subject), expected=0, timeout=10)

    async def listed() -> Any:
        return await rig.call("activity_log", {"patient_id": PATIENT})

    answer = await eventually(listed, lambda page: len(page.get("rows", [])) == 2)
    rows = [(row["service"], row["event"], row["user_id"], row["op"]) for row in answer["rows"]]
    assert sorted(rows) == [("queue", "ticket_called", "bob", "o 2"), ("sync", "field_updated", "ann", "o 1")]
    assert answer["rows"][0]["sequence"] > answer["rows"][1]["sequence"]
    assert not answer["more"]

    first = await rig.call("activity_log", {"patient_id": PATIENT, "limit": 1})
    assert first["more"]
    rest = await rig.call("activity_log", {"patient_id": PATIENT, "before": first["rows"][0]["sequence"]})
    assert first["rows"] + rest["rows"] == answer["rows"]


async def test_the_activity_is_indexed_again_when_its_stream_is_made_anew(rig: Rig) -> None:
    await rig.replica()
    await rig.call("field_update", {"patient_id": PATIENT, "field": "a", "value": 1})

    async def listed() -> list[Any]:
        page = await rig.call("activity_log", {"patient_id": PATIENT})
        return [row["detail"]["value"] for row in page.get("rows", [])]

    await eventually(listed, lambda values: values == [1])
    await rig.link.nc.jetstream().delete_stream(ACTIVITY)
    await provision(rig.link.nc)
    await rig.call("field_update", {"patient_id": PATIENT, "field": "a", "value": 2})
    await eventually(listed, lambda values: values == [2, 1])
