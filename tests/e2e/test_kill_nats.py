"""nats-server dies, or stands still, under traffic: sockets stay open, and everybody ends with exactly the log."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio

from confer_contracts.ids import patient_room
from confer_kit import clock
from confer_kit.testing import System, running_system
from confer_kit.testing.client import Client
from confer_kit.testing.log import LogReader, log_reader

pytestmark = pytest.mark.asyncio(loop_scope="module")

PEOPLE = 6
ATTEMPTS = 5
UPDATES = ("field_updated",)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system() as running:
        await running.add_edge("edge2")
        await running.healthy("edge2")
        yield running


class Writer:
    """Writes without pause and resends with the same operation until each write is acknowledged."""

    def __init__(self, client: Client, patient: str) -> None:
        self.client = client
        self._patient = patient
        self.acknowledged: dict[str, int] = {}  # operation -> version
        self.resent: list[str] = []
        self.refusals: set[str] = set()

    async def write(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            op = clock.new_id()
            while (ack := await self._send(op))["status"] != "ok":
                assert ack["retry"], ack
                self.refusals.add(ack["code"])
                if ack["code"] == "outcome_unknown":
                    self.resent.append(op)
                await asyncio.sleep(0.2)
            self.acknowledged[op] = ack["version"]

    async def _send(self, op: str) -> dict[str, Any]:
        return await self.client.call("field_update", patient_id=self._patient, field="notes", value=op, op=op)


async def _writers(stack: AsyncExitStack, system: System, patient: str) -> list[Writer]:
    """On both edges, over both transports, all in the room."""
    writers = []
    for n in range(PEOPLE):
        client = Client(f"u{n}", transport="polling" if n % 3 == 0 else "websocket")
        stack.push_async_callback(client.close)
        await client.connect(system.url("edge2" if n % 2 else "edge"))
        assert (await client.call("join_patient_room", patient_id=patient))["status"] == "ok"
        writers.append(Writer(client, patient))
    return writers


@pytest.mark.parametrize("failure", ["killed", "frozen"])
async def test_nothing_acknowledged_is_missing_or_doubled_for_anybody(system: System, failure: str) -> None:
    async with AsyncExitStack() as stack:
        writers = await _writers(stack, system, patient=failure)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for writer in writers:
                group.create_task(writer.write(stop))
            for _ in range(ATTEMPTS):  # by chance every writer is between two calls: then once more
                await _everybody_wrote(writers, 10)
                await _fail(system, failure)
                before = max(len(writer.acknowledged) for writer in writers)
                assert before >= 10
                await _everybody_wrote(writers, before + 10)
                if any(writer.resent for writer in writers):
                    break
            stop.set()

        assert any(writer.resent for writer in writers), "no call was in flight at the failure"
        log = await stack.enter_async_context(log_reader(system.nats.url))
        await _compare(writers, log, f"log.sync.room.{patient_room(failure)}.record")


async def _everybody_wrote(writers: list[Writer], count: int) -> None:
    await writers[0].client.until(lambda: all(len(w.acknowledged) >= count for w in writers), within=60)


async def _fail(system: System, failure: str) -> None:
    if failure == "killed":
        await system.nats.kill()
        await asyncio.sleep(1)
        await system.nats.start()
    else:
        system.nats.freeze()
        await asyncio.sleep(7)
        system.nats.thaw()


async def _compare(writers: list[Writer], log: LogReader, guard: str) -> None:
    """Each acknowledgement is in the log once; each client has the log, byte for byte and in its order."""
    facts = await log.facts(guard)
    stored = [(fact.op, fact.json()["version"]) for fact in facts]
    assert [version for _, version in stored] == list(range(1, len(stored) + 1))
    told = [entry for writer in writers for entry in writer.acknowledged.items()]
    assert sorted(told, key=lambda entry: entry[1]) == stored
    clients = [writer.client for writer in writers]
    await clients[0].until(lambda: all(len(client.of(*UPDATES)) >= len(facts) for client in clients))
    for client in clients:
        assert [event.body for event in client.of(*UPDATES)] == [fact.body for fact in facts], client.user
        assert not client.ends


async def test_after_two_deaths_every_service_answers_and_shows_what_it_did(system: System) -> None:
    async with AsyncExitStack() as stack:
        writers = await _writers(stack, system, patient="again")
        ann, bob = writers[0].client, writers[1].client
        for title in ("once", "twice"):
            await system.nats.kill()
            refused = await ann.call("queue_enqueue", patient_id="again")
            assert refused["retry"], refused
            await system.nats.start()
            await ann.until_ok("field_focus", patient_id="again", field=title)
            await ann.until_ok("notification_send", to={"all": True}, title=title)
            await _until_last(bob, "notification", title=title)
            await _until_last(bob, "user_updated", focus=title)
        await ann.until_ok("queue_enqueue", patient_id="again")
        await bob.until(lambda: bob.of("patient_ticket_queued"))
        assert not bob.of("user_left")
        assert not any(writer.client.ends for writer in writers)


async def _until_last(client: Client, name: str, **members: str) -> None:
    """Wait until the latest event of this name has these members."""
    await client.until(lambda: client.of(name) and members.items() <= client.of(name)[-1].json.items())
