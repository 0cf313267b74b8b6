"""One line for each message that was handled, with its trace; nothing personal in any line of any process."""

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from confer_kit.testing import System, running_system
from confer_kit.testing.client import Client

PATIENT, FIELD, VALUE, USER, NAME = "patient-secret", "field-secret", "value-secret", "user-secret", "User-Secret"
SAID = {  # of a move to another step
    "edge": ["step_change"],
    "sync-svc": ["call.sync.step_change"],
    "presence-svc": ["react log.sync.room.{id}.{key}"],
}
UPDATE: dict[str, Any] = {"patient_id": PATIENT, "field": FIELD, "value": VALUE}


@pytest.fixture
def levels(tmp_path: Path) -> Path:
    file = tmp_path / "levels"
    file.write_text("# nothing yet\n")
    return file


@pytest.fixture
async def system(levels: Path) -> AsyncIterator[System]:
    settings = {"CONFER_LOG_FORMAT": "json", "CONFER_LOG_LEVELS_FILE": str(levels), "CONFER_SNAPSHOT_FACTS": "10"}
    settings["CONFER_LOG_LINES_MAX"] = "100000"  # one that is left out is not one that is turned off
    async with running_system(**settings) as started:
        yield started


def lines(system: System, process: str) -> list[dict[str, Any]]:
    """What a process has printed: JSON alone."""
    return [json.loads(line) for line in system.processes[process].log.splitlines()]


def of(system: System, process: str, trace: str) -> list[str]:
    """The events of the lines with a trace."""
    return [line["event"] for line in lines(system, process) if line.get("trace") == trace]


def with_outcome(system: System, process: str, outcome: str) -> list[dict[str, Any]]:
    return [line for line in lines(system, process) if line.get("outcome") == outcome]


async def test_each_message_is_one_line_with_its_trace_and_no_line_tells_whose_it_was(system: System) -> None:
    trace = secrets.token_hex(16)
    async with AsyncExitStack() as stack:
        ann = Client(USER)
        stack.push_async_callback(ann.close)
        await ann.connect(system.url())
        await ann.until_ok("join_patient_room", patient_id=PATIENT)
        told = f"00-{trace}-{'1' * 16}-01"
        answer = await ann.call("step_change", patient_id=PATIENT, step=2, step_name=VALUE, traceparent=told)
        assert answer["status"] == "ok", answer
        for name, said in SAID.items():
            await ann.until(lambda n=name, s=said: of(system, n, trace) == s)  # type: ignore[misc]
        await _whatever_may_be_refused(ann)
        assert await system.processes["queue-svc"].stop() == 0
        assert (await ann.call("queue_enqueue", patient_id=PATIENT))["code"] == "unavailable"
        await ann.until(lambda: with_outcome(system, "edge", "unavailable"))
        (failed,) = with_outcome(system, "edge", "unavailable")
        assert (failed["level"], failed["event"], failed["module"]) == ("warning", "queue_enqueue", "handled")
        assert "base_version" in [line.get("field") for line in with_outcome(system, "edge", "invalid")]
    for process in system.processes.values():
        assert await process.stop() == 0
    assert {name: of(system, name, trace) for name in SAID} == SAID
    for name, process in system.processes.items():
        assert len(lines(system, name)) > 3
        assert all(line["trace"] for line in lines(system, name) if line["module"] == "handled")
        for secret in (PATIENT, FIELD, VALUE, USER, NAME):
            assert secret not in process.log, f"{secret} is in the log of {name}"


async def _whatever_may_be_refused(ann: Client) -> None:
    """Each of these quotes what was sent, in its answer."""
    await ann.until_ok("field_update", **UPDATE)
    for event, payload, code in (
        ("field_update", {**UPDATE, "base_version": 9999}, "invalid"),
        ("queue_get", {"queue": PATIENT, VALUE: 1}, "invalid"),
        ("field_update", {**UPDATE, "patient_id": f"{PATIENT}\n"}, "invalid"),
        (VALUE, {}, "invalid"),
        ("queue_complete", {"patient_id": PATIENT, "token": 1}, None),
        ("queue_get", {"queue": PATIENT, "limit": VALUE}, "invalid"),
        ("notification_send", {"to": {"user": USER}, "title": ""}, "invalid"),
        ("join_room", {"room": PATIENT}, None),
        ("field_unlock", {"patient_id": PATIENT, "field": FIELD, "token": 1}, None),
    ):
        answer = await ann.call(event, **payload)
        assert answer["status"] == "error" or code is None, (event, answer)
        assert code in (None, answer.get("code")), (event, answer)
    await ann.until_ok("notification_send", to={"user": USER}, title=VALUE)


async def test_what_is_logged_changes_while_the_processes_run(system: System, levels: Path) -> None:
    async with AsyncExitStack() as stack:
        ann = Client(USER)
        stack.push_async_callback(ann.close)
        await ann.connect(system.url())

        async def shown() -> bool:
            trace = secrets.token_hex(16)
            await ann.until_ok("field_update", **UPDATE, traceparent=f"00-{trace}-{'1' * 16}-01")
            await ann.until_ok("field_update", **UPDATE)  # once this one is answered, the other's line is there
            return bool(of(system, "sync-svc", trace))

        assert await shown()
        levels.write_text("handled = warning\n")
        while await shown():
            pass
        levels.write_text("handled = loud\n")
        await ann.until(lambda: any("log levels" in line["event"] for line in lines(system, "sync-svc")[-1:]))
        assert not await shown(), "a file that cannot be used changed something"
        levels.write_text("")
        while not await shown():
            pass
