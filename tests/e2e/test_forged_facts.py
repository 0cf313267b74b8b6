"""What somebody writes into the services' streams past the services ends no room, no queue, no page and no command."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import nats
import pytest
import pytest_asyncio

from confer_kit.testing import System, running_system
from confer_kit.testing.command import confer
from confer_kit.testing.javascript import Node, node

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.node]

RECORD, TICKETS = "log.sync.room.P-1.record", "log.queue.queue.eyes.P-1"
HEADERS = {"Confer-Event": "field_updated", "Confer-Actor": "Mallory M.", "Confer-Op": "no token."}
FORGED: list[tuple[str, bytes]] = [
    (RECORD, b"no JSON"),
    (RECORD, b"{}"),
    (RECORD, b"[1]"),
    ("log.sync.room.P$1.record", b"{}"),  # such an id has no part of ours
    ("log.sync.room.P-1", b"{}"),
    (TICKETS, b"no JSON"),
    (TICKETS, b"{}"),
    ("log.queue.queue-7.eyes.P-1", b"{}"),  # a segment to come
]
TICKET = {"queue": "eyes", "patient_id": "P-1"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process() -> AsyncIterator[Node]:
    async with node(Path(__file__).parent / "js") as running:
        yield running


async def test_they_end_nothing(system: System, process: Node) -> None:
    options = {"transports": ["websocket"], "query": {"user_id": "anna", "user_name": "anna"}}
    ann = await process.open("4.8", system.url(), options, name="anna")
    await ann.is_connected()

    async def ok(event: str, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = await ann.call(event, request)
        assert answer["status"] == "ok", (event, answer)
        return answer

    def update(value: str) -> dict[str, Any]:
        return {"patient_id": "P-1", "field": "a", "value": value}

    await ok("join_patient_room", patient_id="P-1")
    await ok("queue_open", queue="eyes")
    await ok("field_update", **update("before"))
    ticket = (await ok("queue_enqueue", **TICKET))["ticket"]["ticket"]

    nc = await nats.connect(system.nats.url)
    for subject, body in FORGED:
        stored = await nc.jetstream(timeout=10).publish(subject, body, headers=HEADERS)
        code, said, complaint = await confer("fact", stored.stream, str(stored.seq), f"--nats-url={system.nats.url}")
        assert (code, complaint) == (0, ""), complaint
        assert "no service wrote it" in said
    await nc.close()

    await ok("field_update", **update("after"))
    await ann.got("field_updated", lambda body: isinstance(body, dict) and body.get("value") == "after")
    assert (await ok("field_history", patient_id="P-1", field="a"))["rows"]
    assert (await ok("queue_ticket", queue="eyes", ticket=ticket))["history"]
    async with asyncio.timeout(60):
        while (answer := await ann.call("activity_log", {"patient_id": "P-1"}))["status"] != "ok":
            assert answer["retry"], answer
            await asyncio.sleep(0.1)
    outcomes = [(row["outcome"], row["user_id"]) for row in answer["rows"] if row["service"] == "sync"]
    assert ("unreadable", "Mallory M.") in outcomes
    assert outcomes[0] == ("ok", "anna")
    code, said, complaint = await confer(
        "tail", "--since=5m", "--no-follow", "--user=Mallory M.", f"--nats-url={system.nats.url}"
    )
    shown = 4 + 2 * 3  # tickets' are the queue's and the patient's; the one with a subject too short is nobody's
    assert (code, complaint, said.count("Mallory M.")) == (0, "", shown), (said, complaint)

    for name in ("sync-svc", "queue-svc"):  # nor for who reads it all anew
        assert await system.processes[name].stop() == 0
        await system.processes[name].start()
    async with asyncio.timeout(60):
        while (answer := await ann.call("queue_get", {"queue": "eyes"}))["status"] != "ok":
            assert answer["retry"], answer
            await asyncio.sleep(0.1)
    assert [row["ticket"] for row in answer["rows"]] == [ticket]
    await ok("queue_call_next", queue="eyes")
    await ok("field_update", **update("at last"))
    assert not ann.disconnects
    await process.close_all()
