"""Fifty people write the same five fields, through two edges: everybody sees what the log holds, in its order."""

import asyncio
import random
from contextlib import AsyncExitStack
from typing import Any

from confer_contracts.ids import patient_room
from confer_kit.testing import System, running_system
from confer_kit.testing.client import Client
from confer_kit.testing.log import LogReader, log_reader

PATIENT = "ผู้ป่วย 50"
GUARD = f"log.sync.room.{patient_room(PATIENT)}.record"
FIELDS = [f"field_{n}" for n in range(5)]
PEOPLE, WRITES = 50, 10
PATIENCE_S = 120.0
UPDATES = ("field_updated", "fields_updated")


class Writer:
    """Somebody who writes at random, some of it on a version that is long overtaken."""

    def __init__(self, client: Client, seed: int) -> None:
        self.client = client
        self.written: list[tuple[str, int]] = []  # (field, version) of each acknowledgement
        self.outcomes: set[str] = set()
        self._dice = random.Random(seed)
        self._seen = dict.fromkeys(FIELDS, 0)

    async def join(self) -> dict[str, Any]:
        return await self.client.call("join_patient_room", patient_id=PATIENT)

    async def write(self) -> None:
        for n in range(WRITES):
            if n % 5 == 4:
                await self._update(n, changes=[self._change(f, n) for f in self._dice.sample(FIELDS, 2)])
            else:
                await self._update(n, **self._change(self._dice.choice(FIELDS), n))

    async def _update(self, n: int, **update: Any) -> None:
        """As a page should: the same operation again while the answer asks for it, as a busy machine's may."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                op = f"{self.client.user}/{n}"
                ack = await self.client.call("field_update", patient_id=PATIENT, op=op, **update)
                if ack["status"] == "ok":
                    self._keep(ack)
                    return
                assert ack["retry"], ack
                await asyncio.sleep(0.2)

    def _change(self, field: str, n: int) -> dict[str, Any]:
        change: dict[str, Any] = {"field": field, "value": f"{self.client.user}/{n}"}
        return change | ({"base_version": self._seen[field]} if self._dice.random() < 0.5 else {})

    def _keep(self, ack: dict[str, Any]) -> None:
        for change in ack["changes"]:
            self._seen[change["field"]] = change["version"]
            self.written.append((change["field"], change["version"]))
            self.outcomes.add(change["outcome"])


async def test_everybody_sees_the_log_in_its_order_and_every_acknowledgement_is_in_it_once() -> None:
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(running_system())
        await system.add_edge("edge2")
        await system.healthy("edge2")
        log = await stack.enter_async_context(log_reader(system.nats.url))
        writers = [Writer(await _person(stack, system, n), n) for n in range(PEOPLE)]
        await asyncio.gather(*(writer.join() for writer in writers))

        async with asyncio.TaskGroup() as group:
            for writer in writers:
                group.create_task(writer.write())
            await writers[0].client.until(lambda: len(writers[0].client.of(*UPDATES)) > PEOPLE * WRITES // 3)
            late = Writer(await _person(stack, system, PEOPLE), PEOPLE)
            snapshot = (await late.join())["sync"]["fields"]
            await late.write()

        facts = await log.facts(GUARD)
        bodies = [(fact.event, fact.body) for fact in facts]
        clients = [writer.client for writer in writers]
        await clients[0].until(lambda: all(len(client.of(*UPDATES)) >= len(facts) for client in clients))
        for client in clients:
            assert [(event.name, event.body) for event in client.of(*UPDATES)] == bodies, client.user
            assert not client.ends
        _check_acknowledgements([*writers, late], [change for fact in facts for change in _changes(fact.json())])
        await _check_late_joiner(late.client, snapshot, log)


def _check_acknowledgements(writers: list[Writer], stored: list[dict[str, Any]]) -> None:
    told = [written for writer in writers for written in writer.written]
    assert sorted(told) == sorted((change["field"], change["version"]) for change in stored)
    assert len(set(told)) == len(told)
    for field in FIELDS:
        versions = [change["version"] for change in stored if change["field"] == field]
        assert versions == list(range(1, len(versions) + 1))
    assert set().union(*(writer.outcomes for writer in writers)) == {"accepted", "overwrote"}


async def _check_late_joiner(client: Client, snapshot: dict[str, Any], log: LogReader) -> None:
    """The snapshot is a prefix of the log, and what came afterwards is exactly the rest."""
    facts = await log.facts(GUARD)
    await client.until(lambda: client.of(*UPDATES) and client.of(*UPDATES)[-1].body == facts[-1].body)
    later = [event.body for event in client.of(*UPDATES)]
    prefix = facts[: len(facts) - len(later)]
    assert prefix, "it joined too early to be late"
    assert [fact.body for fact in facts[len(prefix) :]] == later
    folded = {c["field"]: (c["value"], c["version"]) for fact in prefix for c in _changes(fact.json())}
    assert {name: (field["value"], field["version"]) for name, field in snapshot.items()} == folded


def _changes(body: dict[str, Any]) -> list[dict[str, Any]]:
    return list(body["changes"]) if "changes" in body else [body]


async def _person(stack: AsyncExitStack, system: System, number: int) -> Client:
    """Every third one polls, every second one is on the second edge."""
    client = Client(f"u{number:02}", transport="polling" if number % 3 == 0 else "websocket")
    stack.push_async_callback(client.close)
    return await client.connect(system.url("edge2" if number % 2 else "edge"))
