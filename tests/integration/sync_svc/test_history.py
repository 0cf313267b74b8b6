"""History and restore on real replicas: what the log says, told by any of them."""

import asyncio
from typing import Any

from confer_kit import clock

PATIENT = {"patient_id": "P1"}
Rig = Any  # of conftest


async def write(rig: Rig, value: Any, *, user: str = "ann", field: str = "notes") -> Any:
    return await rig.call("field_update", {**PATIENT, "field": field, "value": value}, user=user)


async def test_a_history_tells_who_wrote_what_instead_of_what(rig: Rig) -> None:
    for _ in range(2):
        await rig.replica()
    await write(rig, "left eye red")
    await rig.call("step_change", {**PATIENT, "step": 3, "step_name": "Acuity"})
    await write(rig, 14, field="iop")
    await write(rig, "left eye very red", user="bob")
    answer = await rig.call("field_history", {**PATIENT, "field": "notes"})
    newest, oldest = answer["rows"]
    assert (newest["version"], newest["value"], newest["user_id"]) == (2, "left eye very red", "bob")
    assert (newest["previous"]["value"], newest["previous"]["user_id"]) == ("left eye red", "ann")
    assert newest["diff"] == [{"at": 9, "removed": "", "added": "very "}]
    assert (oldest["version"], oldest["previous"], answer["before"]) == (1, None, None)

    everything = await rig.call("field_history", PATIENT)
    assert [(row["field"], row["version"]) for row in everything["rows"]] == [("notes", 2), ("iop", 1), ("notes", 1)]
    first = await rig.call("field_history", {**PATIENT, "limit": 2})
    rest = await rig.call("field_history", {**PATIENT, "before": first["before"]})
    assert first["rows"] + rest["rows"] == everything["rows"]


async def test_a_restore_is_an_update_that_says_so(rig: Rig) -> None:
    for _ in range(2):
        await rig.replica()
    for value in ("one", "two", "three"):
        await write(rig, value)
    op = clock.new_id()
    request = {**PATIENT, "field": "notes", "version": 1, "base_version": 3}
    answer = await rig.call("field_restore", request, op=op)
    change = {"field": "notes", "version": 4, "value": "one", "outcome": "accepted", "restored": 1}
    assert (answer["version"], answer["changes"]) == (4, [change])
    assert [await rig.call("field_restore", request, op=op) for _ in range(4)] == [answer] * 4
    *_, fact = await rig.facts("P1")
    assert (fact.event, fact.json()["restored"], fact.json()["value"]) == ("field_updated", 1, "one")
    newest = (await rig.call("field_history", {**PATIENT, "field": "notes"}))["rows"][0]
    assert (newest["version"], newest["restored"]) == (4, 1)


async def test_a_restore_from_a_stale_base_is_decided_by_the_policy(rig: Rig) -> None:
    await rig.replica()
    form = {"x-confer-version": 1, "properties": {"dose": {"type": "integer", "x-confer-policy": "refuse"}}}
    await rig.call("form_register", {"kind": "patient", "form": form})
    for value in (1, 2, 3):
        await write(rig, value, field="dose")
    request = {**PATIENT, "field": "dose", "version": 1}
    assert (await rig.call("field_restore", {**request, "base_version": 2}))["code"] == "conflict"
    assert (await rig.call("field_restore", {**request, "base_version": 3}))["version"] == 4


async def test_what_cannot_be_restored_is_refused_by_name(rig: Rig) -> None:
    await rig.replica()
    await write(rig, "one")
    future = await rig.call("field_restore", {**PATIENT, "field": "notes", "version": 2})
    assert (future["code"], future["field"], future["current_version"]) == ("invalid", "version", 1)
    assert (await rig.call("field_restore", {**PATIENT, "field": "x", "version": 1}))["field"] == "version"


async def test_a_version_that_is_only_in_the_log_is_restored_between_other_records(rig: Rig) -> None:
    await rig.replica()
    await write(rig, "the first")
    long = "x" * 30_000
    for number in range(4):
        await write(rig, f"{long}{number}")
        await asyncio.gather(
            *(rig.call("field_update", {"patient_id": f"Q{n}", "field": "a", "value": n}) for n in range(100))
        )
    answer = await rig.call("field_restore", {**PATIENT, "field": "notes", "version": 1})
    assert answer["changes"][0]["value"] == "the first"
    rows = (await rig.call("field_history", {**PATIENT, "field": "notes"}))["rows"]
    assert [row["version"] for row in rows] == [6, 5, 4, 3, 2, 1]
