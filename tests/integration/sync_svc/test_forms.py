"""Forms over NATS and from files, on real replicas: the newest holds everywhere, and fields keep to it."""

import asyncio
import json
from pathlib import Path
from typing import Any

from confer_kit import clock

FORM: dict[str, Any] = {
    "x-confer-version": 1,
    "properties": {
        "notes": {"type": "string", "maxLength": 100, "x-confer-policy": "merge"},
        "dose": {"type": "integer", "x-confer-policy": "refuse"},
        "iop": {"type": "number"},
    },
    "additionalProperties": False,
}
PATIENT = {"patient_id": "P1"}
Rig = Any  # of conftest


async def update(rig: Rig, field: str, value: Any, base: int | None = None, *, user: str = "ann", op: str = "") -> Any:
    request = {**PATIENT, "field": field, "value": value, "base_version": base}
    return await rig.call("field_update", request, user=user, op=op or clock.new_id())


async def registered(rig: Rig, form: dict[str, Any] = FORM) -> None:
    answer = await rig.call("form_register", {"kind": "patient", "form": form})
    assert (answer["status"], answer["version"]) == ("ok", form["x-confer-version"])


async def test_a_registered_form_holds_on_every_replica_and_after_a_restart(rig: Rig) -> None:
    for _ in range(2):
        await rig.replica()
    assert (await update(rig, "anything", {"a": 1}))["status"] == "ok"
    await registered(rig)

    async def refused() -> list[str]:
        return [(await update(rig, "iop", "high")).get("code", "") for _ in range(8)]

    async with asyncio.timeout(60):  # the other replica has it a moment later
        while await refused() != ["invalid"] * 8:
            await asyncio.sleep(0.05)
    await rig.replica()
    answers = [await update(rig, "colour", "red") for _ in range(8)]
    assert {(answer["code"], answer["field"]) for answer in answers} == {("invalid", "colour")}
    assert {answer["message"] for answer in answers} == {"colour: is no field of this form"}


async def test_what_is_no_newer_form_is_refused_and_the_old_one_holds(rig: Rig) -> None:
    await rig.replica()
    await registered(rig)
    await registered(rig)
    bad = [
        {**FORM, "title": "other"},
        {**FORM, "x-confer-version": 2, "properties": {}},
        {**FORM, "x-confer-version": 2, "required": ["iop"]},
    ]
    answers = [await rig.call("form_register", {"kind": "patient", "form": form}) for form in bad]
    assert [answer["code"] for answer in answers] == ["conflict", "invalid", "invalid"]
    assert (await update(rig, "iop", "high"))["code"] == "invalid"
    assert (await rig.call("form_register", {"kind": "robot", "form": FORM}))["field"] == "kind"
    huge = {**FORM, "description": "x" * 70_000}
    assert (await rig.call("form_register", {"kind": "patient", "form": huge}))["field"] == "form"


async def test_texts_are_merged_and_the_same_operation_gets_the_merged_value_again(rig: Rig) -> None:
    for _ in range(2):
        await rig.replica()
    await registered(rig)
    await update(rig, "notes", "left eye red", 0)
    await update(rig, "notes", "the left eye red", 1)
    op = clock.new_id()
    answer = await update(rig, "notes", "left eye very red", 1, user="bob", op=op)
    (change,) = answer["changes"]
    assert (change["value"], change["version"], change["outcome"]) == ("the left eye very red", 3, "merged")
    await update(rig, "notes", "gone", 3)
    again = [await update(rig, "notes", "left eye very red", 1, user="bob", op=op) for _ in range(4)]
    assert again == [answer] * 4
    assert [fact.json()["value"] for fact in await rig.facts("P1")][2] == "the left eye very red"


async def test_a_conflict_tells_the_current_value_and_stores_nothing(rig: Rig) -> None:
    await rig.replica()
    await registered(rig)
    await update(rig, "dose", 1)
    await update(rig, "dose", 2, 1, user="bob")
    changes = [{"field": "iop", "value": 14}, {"field": "dose", "value": 3, "base_version": 1}]
    answer = await rig.call("field_update", {**PATIENT, "changes": changes})
    assert (answer["code"], answer["field"], answer["retry"]) == ("conflict", "dose", False)
    (refused,) = answer["refused"]
    current = refused["current"]
    assert (current["value"], current["version"], current["user_id"]) == (2, 2, "bob")
    assert len(await rig.facts("P1")) == 2
    answer = await rig.call("field_update", {**PATIENT, "changes": changes, "partial": True})
    assert ([c["field"] for c in answer["changes"]], answer["refused"]) == (["iop"], [refused])


async def test_a_base_that_is_no_longer_in_memory_is_read_from_the_log(rig: Rig) -> None:
    await rig.replica()
    await registered(rig, {**FORM, "properties": {"notes": {"type": "string", "x-confer-policy": "merge"}}})
    await update(rig, "notes", "left", 0)
    for version in range(1, 8):
        await update(rig, "notes", f"{'x' * 15_000}\n{version}", version)
    await update(rig, "notes", "left eye", 8)
    answer = await update(rig, "notes", "the left", 1, user="bob")
    assert (answer["changes"][0]["value"], answer["version"]) == ("the left eye", 10)


async def test_forms_from_files_hold_and_what_is_not_newer_leaves_the_registered_one(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "patient.json").write_text(json.dumps(FORM))
    for _ in range(2):
        await rig.replica(sync_schemas=tmp_path)

    async def refused() -> bool:
        return "code" in await update(rig, "colour", "red")

    async with asyncio.timeout(60):
        while not await refused():
            await asyncio.sleep(0.05)
    await registered(rig, {**FORM, "x-confer-version": 2})
    await rig.replica(sync_schemas=tmp_path)
    assert await rig.link.nc.jetstream().stream_info("SYNC", subjects_filter="log.sync.topic.form.>")
    answer = await rig.call("form_register", {"kind": "patient", "form": FORM})
    assert answer["current_version"] == 2


async def test_a_session_has_the_form_of_sessions(rig: Rig) -> None:
    await rig.replica()
    await registered(rig)
    typed = {"session_id": "7", "step": "2", "field_name": "colour", "final_value": 14}
    assert (await rig.call("field_completed", typed))["status"] == "ok"
    await rig.call("form_register", {"kind": "session", "form": FORM})
    assert (await rig.call("field_completed", typed))["field"] == "colour"
