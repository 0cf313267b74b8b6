"""Clients that are cut, edges that are killed and a NATS that is killed, under writes: every client of every room gets
every fact once, in the log's order, whatever it was cut off by, and never has to begin anew."""

import asyncio
import itertools
import json
import random
from pathlib import Path

import pytest

from confer_contracts.subjects import Header
from confer_kit.tasks import Tasks
from confer_kit.testing import System, running_system
from confer_kit.testing.javascript import WAYS, JavaScriptClient, Node, node
from confer_kit.testing.log import LogReader, log_reader

pytestmark = pytest.mark.node

ROOMS = ["A", "B", "C"]
WRITES = 120
ROUNDS = 3


async def join(process: Node, system: System, edge: str, number: int) -> JavaScriptClient:
    way = WAYS[number % len(WAYS)]
    options = {
        "transports": way.transports,
        "query": {"user_id": f"u{number}", "user_name": f"u{number}", "user_role": "nurse"},
        "reconnectionDelay": 50,
        "reconnectionDelayMax": 400,
    }
    client = await process.open(way.version, system.url(edge), options, name=f"u{number}")
    await client.is_connected()
    for room in ROOMS:
        assert (await client.call("join_patient_room", {"patient_id": room}))["status"] == "ok"
    return client


async def write(process: Node, system: System) -> None:
    """Writes all numbers, each with one operation id until it is acknowledged; over an edge that nobody kills."""
    options = {"transports": ["websocket"], "query": {"user_id": "writer"}, "reconnectionDelayMax": 400}
    writer = await process.open("4.8", system.url("writers"), options, name="writer")
    for number in range(WRITES):
        update = {"patient_id": ROOMS[number % 3], "field": "f", "value": number, "op": f"op-{number}"}
        while True:
            try:
                answer = await writer.call("field_update", update, timeout=5)
            except TimeoutError:
                continue
            if answer["status"] == "ok":
                break
            assert answer["retry"], answer
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.05)


async def disturb(system: System, clients: list[JavaScriptClient]) -> None:
    rng = random.Random(7)
    for _ in range(ROUNDS):
        for client in rng.sample(clients, 3):
            await client.cut()
        await asyncio.sleep(0.4)
        edge = rng.choice(["edge", "second"])
        await system.processes[edge].kill()
        await asyncio.sleep(0.3)
        await system.restart(edge)
    await system.nats.kill()
    for client in rng.sample(clients, 2):
        await client.cut()
    await asyncio.sleep(0.5)
    await system.nats.start()


async def test_every_client_gets_every_fact_once_and_in_order() -> None:
    tasks = Tasks()
    async with running_system() as system, node(Path(__file__).parent / "js") as process:
        for edge in ("second", "writers"):
            await system.add_edge(edge)
            await system.healthy(edge)
        edges = itertools.cycle(["edge", "second"])
        clients = [await join(process, system, next(edges), number) for number in range(6)]
        writing = tasks.start(write(process, system), "writer")
        await asyncio.sleep(0.3)
        await disturb(system, clients)
        await writing
        async with log_reader(system.nats.url) as log:
            stored = await expected(log)
        assert sorted(stored) == list(range(WRITES))
        for client in clients:
            await all_arrived(client)
            assert [body["value"] for body in client.bodies("field_updated")] == stored
            assert client.recovered[0] is False
            assert all(client.recovered[1:]), client.recovered
        assert sum(len(client.recovered) - 1 for client in clients) >= ROUNDS * 3, "they were really cut"


async def all_arrived(client: JavaScriptClient) -> None:
    """Without the long list of what came: how often it was back, and as whom, says more."""
    try:
        await client.until(lambda: len(client.bodies("field_updated")) >= WRITES, "all updates", timeout=60)
    except AssertionError:
        values = [body["value"] for body in client.bodies("field_updated")]
        raise AssertionError(
            f"{client.name}: {client.recovered} {client.disconnects} {client.connect_errors} {values}"
        ) from None


async def expected(log: LogReader) -> list[int]:
    """The values in the order of LIVE."""
    stored = [fact for room in ROOMS for fact in await log.live(f"room.{room}")]
    updates = [fact for fact in stored if (fact.headers or {}).get(Header.EVENT) == "field_updated"]
    return [json.loads(fact.data or b"")["value"] for fact in sorted(updates, key=lambda fact: fact.seq or 0)]
