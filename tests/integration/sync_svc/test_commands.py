"""`confer activity` and `confer form`, as operators type them, against a real service."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from confer_kit.testing import command

pytestmark = pytest.mark.timeout(600)  # each command is a process of its own, which takes its time to begin
Rig = Any  # of conftest
P = {"patient_id": "p 1"}
FORM = {"x-confer-version": 1, "properties": {"iop": {"type": "number"}}}


async def confer(rig: Rig, *arguments: str) -> tuple[int, str, str]:
    return await command.confer(*arguments, "--nats-url", rig.settings.nats_url, "--actor", "olga")


async def lines_until(rig: Rig, accept: Callable[[list[str]], bool], *arguments: str) -> list[str]:
    """What it prints, once that is accepted."""
    async with asyncio.timeout(300):
        while True:
            code, out, err = await confer(rig, "activity", *arguments)
            assert (code, err) == (0, "")
            if accept(out.splitlines()):
                return out.splitlines()


async def lines(rig: Rig, count: int, *arguments: str) -> list[str]:
    """What it prints, once there are so many lines."""
    return await lines_until(rig, lambda found: len(found) == count, *arguments)


async def test_activity_as_a_table_as_json_lines_and_as_audit_events(rig: Rig) -> None:
    await rig.replica()
    for value in (14, 15):
        await rig.call("field_update", {**P, "field": "iop", "value": value})
    await rig.call("field_update", {**P, "field": "iop", "value": 1, "base_version": 9}, user="bob")
    head, newest, oldest = await lines(rig, 3, "--record", "p 1")
    assert head.split() == ["when", "who", "kind", "where", "what", "outcome", "trace"]
    assert "iop: 14 -> 15" in newest
    assert "iop: null -> 14" in oldest
    rows = [json.loads(line) for line in await lines(rig, 2, "--user", "ann", "--json")]
    assert [row["changes"][0]["new"] for row in rows] == [15, 14]
    (event,) = map(json.loads, await lines(rig, 1, "--record", "p 1", "--format", "fhir", "--limit", "1"))
    assert (event["resourceType"], event["recorded"]) == ("AuditEvent", rows[0]["timestamp"])

    def refusal_and_reader(told: list[str]) -> bool:
        """Operators are told of as well."""
        refused = any("bob" in line and "field_update" in line and "invalid" in line for line in told)
        return refused and any("olga" in line and "activity_log" in line for line in told)

    await lines_until(rig, refusal_and_reader, "--record", "p 1", "--kind", "refusal", "--kind", "read")


async def test_every_page_is_exported(rig: Rig, monkeypatch: Any) -> None:
    monkeypatch.setattr("sync_svc.activity.SEARCHED_MAX", 3)
    await rig.replica()
    for value in range(8):
        await rig.call("field_update", {**P, "field": "a", "value": value})
    rows = [json.loads(line) for line in await lines(rig, 8, "--record", "p 1", "--format", "jsonl")]
    assert [row["detail"]["value"] for row in rows] == list(range(7, -1, -1))
    rows = [json.loads(line) for line in await lines(rig, 5, "--record", "p 1", "--format", "jsonl", "--limit", "5")]
    assert [row["detail"]["value"] for row in rows] == [7, 6, 5, 4, 3]


async def test_a_form_is_registered_listed_and_shown(rig: Rig, tmp_path: Path) -> None:
    await rig.replica()
    assert (await confer(rig, "form", "list"))[1] == "there are no forms: any field takes any value\n"
    file = tmp_path / "patient.json"
    file.write_text(json.dumps(FORM))
    assert (await confer(rig, "form", "register", str(file)))[1] == "version 1 of the form of patient rooms holds\n"
    refused = await rig.call("field_update", {**P, "field": "iop", "value": "high"})
    assert refused["code"] == "invalid"
    (told,) = json.loads((await confer(rig, "form", "list", "--json"))[1])
    assert (told["kind"], told["version"], told["user_id"]) == ("patient", 1, "olga")
    assert json.loads((await confer(rig, "form", "show", "patient"))[1]) == FORM


async def test_what_cannot_be_is_one_sentence(rig: Rig, tmp_path: Path) -> None:
    await rig.replica()
    form = tmp_path / "patient.json"
    form.write_text(json.dumps({"x-confer-version": 1, "properties": {"a": {"type": "nothing"}}}))
    other = tmp_path / "other.json"
    other.write_text("{}")
    for arguments, said in (
        (["activity"], "confer: --record, --session or --user must be given"),
        (["activity", "--record", "p", "--since", "yesterday"], "confer: 'yesterday' is no date"),
        (["form", "register", str(form)], "confer: properties.a"),
        (["form", "register", str(other)], f"confer: {other}: kind: "),
        (["form", "register", str(tmp_path / "none.json")], f"confer: {tmp_path / 'none.json'} cannot be read"),
        (["form", "show", "session"], "confer: no form is registered for session rooms"),
    ):
        code, out, err = await confer(rig, *arguments)
        assert (code, out) == (1, "")
        assert err.startswith(said), err
        assert len(err.splitlines()) == 1
