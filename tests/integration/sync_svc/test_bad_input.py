"""Bad input to a record: a refusal that says why, nothing stored, and the record lives on."""

from datetime import datetime
from typing import Any

import pytest

from confer_contracts.ids import patient_room
from confer_contracts.presence import RoomSnapshotRequest
from confer_kit import clock
from sync_svc.domain.fields import FIELDS_MAX

PATIENT = "P1"
FORM: dict[str, Any] = {
    "x-confer-version": 1,
    "properties": {
        "notes": {"type": "string", "x-confer-policy": "merge"},
        "dose": {"type": "integer", "x-confer-policy": "refuse"},
        "iop": {"type": "number"},
        "more": {},
    },
    "additionalProperties": False,
}
Rig = Any  # of conftest
PATIENT_ROOM = patient_room(PATIENT)


async def update(rig: Rig, **members: Any) -> Any:
    return await rig.call("field_update", {"patient_id": PATIENT, **members})


async def with_a_form(rig: Rig) -> None:
    """A replica, the form, and a record of which `dose` is at version 3 and `notes` at 1."""
    await rig.replica()
    assert (await rig.call("form_register", {"kind": "patient", "form": FORM}))["status"] == "ok"
    for dose in (1, 2, 3):
        assert (await update(rig, field="dose", value=dose))["status"] == "ok"
    assert (await update(rig, field="notes", value="calm"))["status"] == "ok"


@pytest.mark.parametrize(
    ("members", "code", "said"),
    [
        ({"field": "iop", "value": "high"}, "invalid", "iop: "),
        ({"field": "dose", "value": 1.5}, "invalid", "dose: "),
        ({"field": "colour", "value": "red"}, "invalid", "colour: is no field of this form"),
        (
            {"field": "dose", "value": 1, "base_version": 4},
            "invalid",
            "base_version: is 4, but field 'dose'",
        ),
        ({"field": "notes", "value": "x", "base_version": 3}, "invalid", "base_version: is 3, but field"),
        (
            {"field": "dose", "value": 1, "base_version": 1},
            "conflict",
            "dose: must be updated from",
        ),
        ({"field": "more", "value": "x" * 1_000_000}, "invalid", "value: must not be larger than 65536 bytes"),
        ({"field": "notes", "value": "x" * 1_000_000, "base_version": 0}, "invalid", "value: must not be larger than"),
        ({"field": "more", "value": 1e19}, "invalid", "value: must not hold a number"),
        ({"changes": [{"field": f"f{n}", "value": n} for n in range(10_000)]}, "invalid", "changes: "),
        ({"changes": [{"field": "iop", "value": 1}, {"field": "colour", "value": 1}]}, "invalid", "colour: "),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_it_is_refused_by_name_and_the_record_lives_on(
    rig: Rig, members: dict[str, Any], code: str, said: str
) -> None:
    """Among them versions of another field: where they are above this one's."""
    await with_a_form(rig)
    before = await rig.facts(PATIENT_ROOM)
    answer = await update(rig, **members)
    assert (answer["status"], answer["code"], answer["retry"]) == ("error", code, False)
    assert answer["message"].startswith(said)
    assert await rig.facts(PATIENT_ROOM) == before
    assert (await update(rig, field="dose", value=4, base_version=3))["version"] == 4


async def test_texts_that_are_too_long_to_merge_are_a_conflict(rig: Rig) -> None:
    """The longest values there can be, changed in two places."""
    await with_a_form(rig)
    text = "word " * 13_000
    assert (await update(rig, field="notes", value=text))["version"] == 2
    assert (await update(rig, field="notes", value=f"first {text}", base_version=2))["version"] == 3
    answer = await update(rig, field="notes", value=f"{text} last", base_version=2)
    assert (answer["code"], "too much to merge" in answer["message"]) == ("conflict", True)
    (refused,) = answer["refused"]
    assert (refused["current"]["version"], refused["current"]["value"]) == (3, f"first {text}")
    assert len(await rig.facts(PATIENT_ROOM)) == 6


async def test_ten_thousand_fields_stop_at_the_limit_and_the_record_still_fits_into_a_snapshot(rig: Rig) -> None:
    await rig.replica()
    codes = []
    for start in range(0, 10_000, 500):
        changes = [{"field": f"f{n}", "value": n} for n in range(start, start + 500)]
        answer = await update(rig, changes=changes)
        codes.append(answer.get("code"))
    assert codes == [None] * (FIELDS_MAX // 500) + ["limit_exceeded"] * (20 - FIELDS_MAX // 500)
    asked = RoomSnapshotRequest(kind="room", id=PATIENT_ROOM).model_dump()
    assert len((await rig.call("snapshot", asked))["fields"]) == FIELDS_MAX
    assert (await update(rig, field="f0", value="again"))["version"] == 2


async def test_times_are_the_services_own_whatever_a_client_says(rig: Rig) -> None:
    await rig.replica()
    began = clock.now()
    wrong = {"timestamp": "1999-01-01T00:00:00.000Z"}
    await rig.call("field_update", {"patient_id": PATIENT, "field": "a", "value": 1, **wrong})
    await rig.call("step_change", {"patient_id": PATIENT, "step": 1, "step_name": "One", **wrong})
    typed = {"session_id": PATIENT, "step": "1", "field_name": "a", "final_value": 1, **wrong}
    await rig.call("field_completed", typed)
    facts = [*await rig.facts(PATIENT_ROOM), *await rig.facts(f"session_{PATIENT}")]
    assert len(facts) == 3
    for fact in facts:
        told = datetime.fromisoformat(fact.json()["timestamp"]).timestamp()
        assert began - 1 <= told <= clock.now()


async def test_edits_made_offline_are_decided_by_each_fields_policy_and_reported_one_by_one(rig: Rig) -> None:
    """Meanwhile others wrote every one of these fields."""
    await with_a_form(rig)
    assert (await update(rig, field="iop", value=14))["version"] == 1
    theirs = [
        {"field": "notes", "value": "calm and\nwell", "base_version": 1},
        {"field": "dose", "value": 4, "base_version": 3}, {"field": "iop", "value": 15, "base_version": 1},
    ]  # fmt: skip
    assert (await rig.call("field_update", {"patient_id": PATIENT, "changes": theirs}, user="bob"))["status"] == "ok"
    mine = [
        {"field": "notes", "value": "very calm", "base_version": 1}, {"field": "dose", "value": 9, "base_version": 3},
        {"field": "iop", "value": 16, "base_version": 1}, {"field": "more", "value": "new", "base_version": 0},
        {"field": "iop2", "value": 1},
    ]  # fmt: skip
    answer = await update(rig, changes=mine, partial=True)
    assert [(c["field"], c["value"], c["outcome"]) for c in answer["changes"]] == [
        ("notes", "very calm and\nwell", "merged"), ("iop", 16, "overwrote"), ("more", "new", "accepted"),
    ]  # fmt: skip
    told = {refused["field"]: (refused["code"], refused["current"]) for refused in answer["refused"]}
    assert told.keys() == {"dose", "iop2"}
    assert (told["dose"][0], told["dose"][1]["value"], told["iop2"]) == ("conflict", 4, ("invalid", None))
