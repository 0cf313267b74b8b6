"""The contracts only grow: nobody who was built on the last release loses anything (docs/adr/0040)."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from confer_contracts.asyncapi import document
from confer_contracts.compatibility import breaks

RELEASES = Path(__file__).parents[2] / "docs" / "contracts"
NOW: dict[str, Any] = json.loads(json.dumps(document()))
Change = Callable[[dict[str, Any], dict[str, Any]], object]  # of the channels and the models


def version(file: Path) -> tuple[int, ...]:
    return tuple(map(int, file.stem.split(".")))


def test_nothing_is_taken_away_that_the_last_release_had() -> None:
    released = max(RELEASES.glob("*.json"), key=version)
    found = breaks(json.loads(released.read_text()), NOW)
    assert not found, "\n".join([f"this breaks who was built on {released.stem}:", *found])


def test_a_release_is_named_after_its_version() -> None:
    files = list(RELEASES.glob("*.json"))
    assert files
    assert [json.loads(file.read_text())["info"]["version"] for file in files] == [file.stem for file in files]


def member(model: str, name: str, schema: Any) -> Change:
    """A member with another schema; None: without it."""

    def change(_: Any, models: dict[str, Any]) -> None:
        del models[model]["properties"][name]
        if schema is not None:
            models[model]["properties"][name] = schema

    return change


def needed(model: str, name: str) -> Change:
    """A further member, which nobody may leave out."""

    def change(_: Any, models: dict[str, Any]) -> None:
        models[model]["properties"][name] = {"type": "string"}
        models[model]["required"] = [*models[model].get("required", ()), name]

    return change


TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
OFFERED: list[tuple[Change, str]] = [
    (lambda c, _: c.pop("emit_field_update"), "emit_field_update is gone. Keep it, and add"),
    (lambda c, _: c.pop("on_user_left"), "on_user_left is gone. Keep it, and add"),
    (lambda c, _: c.pop("call_sync_field_update"), "call_sync_field_update is gone. Keep"),
    (lambda c, _: c["log_sync_room"]["messages"].pop("field_updated"), "the message field_updated is gone. Keep"),
    (lambda c, _: c["call_sync_form_list"].update(address="call.x.y"), "call_sync_form_list: its address is call.x.y"),
]
ASKED: list[tuple[Change, str]] = [
    (member("FieldUpdate", "base_version", None), "emit_field_update request.base_version is gone. Keep"),
    (needed("FieldUpdate", "must"), "emit_field_update request.must is needed. Give it a default"),
    (member("PatientRoom", "patient_id", NUMBER), "request.patient_id is integer, was string. Take all that was"),
    (member("PatientRoom", "patient_id", TEXT | {"maxLength": 5}), "patient_id: maxLength is 5, was not there. Take"),
    (member("PatientRoom", "patient_id", TEXT | {"pattern": "^P"}), "patient_id: pattern is ^P, was not there. Take"),
    (member("PatientRoom", "patient_id", TEXT | {"enum": ["P-1"]}), "request.patient_id takes 'P-1' alone. Take all"),
    (member("PatientRoom", "step", NUMBER | {"minimum": 0, "maximum": 10}), "step: maximum is 10, was 1000. Take all"),
    (lambda _, m: m["NotificationSend"]["properties"]["type"]["enum"].remove("info"), "request.type: 'info' is gone."),
    (lambda _, m: m["PatientRoom"].update(additionalProperties=False), "request takes no further members. Take all"),
]
TOLD: list[tuple[Change, str]] = [
    (member("RoomJoined", "offset", None), "emit_join_patient_room ack.offset is gone. Keep"),
    (member("FieldUpdated", "version", None), "on_field_updated event.version is gone. Keep"),
    (lambda _, m: m["FieldUpdated"]["required"].remove("field"), "on_field_updated event.field may be missing. Keep"),
    (member("FieldUpdated", "version", TEXT), "on_field_updated event.version is string, was integer. Keep its type"),
    (member("FieldUpdated", "version", {}), "event.version may be anything, was integer."),
    (
        member("FieldUpdated", "version", {"anyOf": [NUMBER, {"type": "null"}]}),
        "event.version may be null, was integer",
    ),
    (member("RoomJoined", "presence", {"type": "null"}), "ack.presence is null, was object. Keep its type"),
]
KEPT: list[tuple[Change, str]] = [(needed("FieldUpdated", "extra"), "log_sync_room field_updated.extra is needed.")]
BREAKS = [*OFFERED, *ASKED, *TOLD, *KEPT]


@pytest.mark.parametrize(("change", "said"), BREAKS, ids=[said for _, said in BREAKS])
def test_each_kind_of_break_is_found_and_named(change: Change, said: str) -> None:
    then = copy.deepcopy(NOW)
    change(then["channels"], then["components"]["schemas"])
    found = breaks(NOW, then)
    assert any(said in sentence for sentence in found), found


GROWTH: list[tuple[Change, str]] = [
    (lambda c, _: c.update(emit_new=c["emit_field_update"]), "a new event"),
    (lambda _, m: m["FieldUpdate"]["properties"].update(more=TEXT), "an optional member of a request"),
    (lambda _, m: m["FieldUpdated"]["properties"].update(more=TEXT), "a member of an event"),
    (lambda _, m: m["NotificationSend"]["properties"]["type"]["enum"].append("hint"), "one more value"),
    (member("PatientRoom", "patient_id", {}), "a request that takes anything"),
    (member("PatientRoom", "step", {"anyOf": [NUMBER | {"maximum": 2000}, {"type": "null"}]}), "a wider limit"),
    (lambda _, m: m["Counts"].update(description="Other words."), "other words"),
]


@pytest.mark.parametrize(("change", "said"), GROWTH, ids=[said for _, said in GROWTH])
def test_what_only_adds_is_no_break(change: Change, said: str) -> None:
    then = copy.deepcopy(NOW)
    change(then["channels"], then["components"]["schemas"])
    assert then != NOW, said
    assert breaks(NOW, then) == []
