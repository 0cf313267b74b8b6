"""SIGKILL of nats-server under writers: nothing that was acknowledged is lost, nothing is there twice."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import orjson

from confer_contracts.errors import Rejection
from confer_contracts.message import Identity
from confer_kit import clock
from confer_kit.calls import ask
from confer_kit.jetstream import JetStreamEventLog
from confer_kit.nats_link import Link
from confer_kit.process import connected, started
from confer_kit.testing import nats_server
from confer_ops.provision import provision
from sync_svc.app import build
from sync_svc.settings import Settings

WRITERS = 8
GUARD = "log.sync.room.r1.record"


class Writer:
    """Writes one field after another and sends each again, with the same operation, until it is answered."""

    def __init__(self, link: Link, name: str) -> None:
        self._link = link
        self._who = Identity(user_id=name, name=name, role="nurse", session=name)
        self.acknowledged: list[tuple[str, int]] = []
        self.unanswered = 0

    async def write(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            op = clock.new_id()
            answer = await self._send(op)
            while answer.get("status") != "ok":
                assert answer["retry"], answer
                self.unanswered += 1
                await asyncio.sleep(0.1)
                answer = await self._send(op)
            self.acknowledged.append((op, answer["version"]))

    async def _send(self, op: str) -> dict[str, Any]:
        body = orjson.dumps({"patient_id": "r1", "field": "n", "value": op})
        try:
            answer = await ask(self._link.nc, "call.sync.field_update", body, self._who, op=op, timeout_s=1.0)
        except Rejection as refusal:
            return {"status": "error", "retry": refusal.code.retry}
        return dict(orjson.loads(answer))


async def test_acknowledged_updates_survive_the_servers_death_and_none_is_doubled() -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server())
        settings = Settings(nats_url=server.url, metrics_port=0)
        link = Link()
        await link.connect(settings, "test")
        stack.push_async_callback(link.nc.close)
        await provision(link.nc)
        of_service = await stack.enter_async_context(connected(settings, "sync-svc", asyncio.Event()))
        await stack.enter_async_context(started("sync", of_service, settings, build))

        stop = asyncio.Event()
        writers = [Writer(link, f"u{n}") for n in range(WRITERS)]
        async with asyncio.timeout(300), asyncio.TaskGroup() as group:
            for writer in writers:
                group.create_task(writer.write(stop))
            await _acknowledged(writers, 100)
            await server.kill()
            before = sum(len(writer.acknowledged) for writer in writers)
            await server.start()
            await _acknowledged(writers, before + 100)
            stop.set()

        log = JetStreamEventLog(link.nc)
        last = await log.last(GUARD)
        assert last
        stored = [(fact.op, fact.json()["version"]) for fact in await log.read(GUARD, after=0, upto=last.seq)]
    told = [entry for writer in writers for entry in writer.acknowledged]
    assert sum(writer.unanswered for writer in writers), "no call was in flight at the kill"
    assert [version for _, version in stored] == list(range(1, len(stored) + 1))
    assert sorted(told, key=lambda entry: entry[1]) == stored


async def _acknowledged(writers: list[Writer], count: int) -> None:
    while sum(len(writer.acknowledged) for writer in writers) < count:
        await asyncio.sleep(0.02)
