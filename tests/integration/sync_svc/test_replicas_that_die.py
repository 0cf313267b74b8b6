"""Two replicas as processes and a nats-server, killed in any order under writers: the log and the answers agree."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from confer_contracts.errors import Rejection
from confer_contracts.message import Identity
from confer_contracts.presence import RoomSnapshotRequest
from confer_contracts.subjects import Kind
from confer_kit import clock
from confer_kit.calls import ask
from confer_kit.jetstream import JetStreamEventLog
from confer_kit.nats_link import Link
from confer_kit.testing import NatsServer, nats_server
from confer_kit.testing.system import Process
from confer_ops.provision import provision
from sync_svc.settings import Settings

ROOM, GUARD = "r1", "log.sync.room.r1.record"
FORM = {
    "x-confer-version": 1,
    "properties": {"text": {"x-confer-policy": "merge"}, "strict": {"x-confer-policy": "refuse"}, "free": {}},
}
POLICIES = ("text", "strict", "free")
PATIENCE_S = 180


class Writer:
    """Edits three fields, each by its policy, and sends what is not answered again, with the same operation."""

    def __init__(self, link: Link, number: int) -> None:
        self._link, self._number = link, number
        self._who = Identity(user_id=f"u{number}", name=f"u{number}", role="nurse", session=f"s{number}")
        self._seen: dict[str, tuple[int, str]] = dict.fromkeys(POLICIES, (0, ""))
        self.acknowledged: dict[str, tuple[bytes, dict[str, Any]]] = {}
        self.conflicts: set[str] = set()
        self.unanswered = 0

    async def write(self, stop: asyncio.Event) -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            name, op = POLICIES[turn % len(POLICIES)], clock.new_id()
            version, text = self._seen[name]
            lines = text.splitlines(keepends=True) or [f"line {n}\n" for n in range(9)]
            lines[(self._number * 2) % len(lines)] = f"{self._who.user_id} {turn}\n"
            body = orjson.dumps({"patient_id": ROOM, "field": name, "value": "".join(lines), "base_version": version})
            answer = await self.until_answered(body, op)
            if answer["status"] == "ok":
                self.acknowledged[op] = (body, answer)
                self._seen[name] = (answer["version"], answer["changes"][0]["value"])
            else:
                assert answer["code"] == "conflict", answer
                self.conflicts.add(op)
                (refused,) = answer["refused"]
                self._seen[name] = (refused["current"]["version"], refused["current"]["value"])

    async def until_answered(self, body: bytes, op: str) -> dict[str, Any]:
        while (answer := await self.send(body, op)).get("retry"):
            self.unanswered += 1
            await asyncio.sleep(0.1)
        return answer

    async def send(self, body: bytes, op: str) -> dict[str, Any]:
        try:
            answer = await ask(self._link.nc, "call.sync.field_update", body, self._who, op=op, timeout_s=1.0)
        except Rejection as refusal:
            return {"status": "error", "retry": refusal.code.retry}
        return dict(orjson.loads(answer))


class World:
    def __init__(self, server: NatsServer, link: Link, directory: Path) -> None:
        self.server, self.link = server, link
        self.log = JetStreamEventLog(link.nc)
        environment = {**os.environ, "CONFER_NATS_URL": server.url, "CONFER_METRICS_PORT": "0"}
        self.replicas = [Process(f"sync-{name}", "sync_svc", environment, directory) for name in "ab"]
        self.writers = [Writer(link, number) for number in range(4)]

    async def ask(self, event: str, request: dict[str, Any]) -> dict[str, Any]:
        who = Identity(user_id="test", name="test", role="test", session="test")
        subject, body = f"call.sync.{event}", orjson.dumps(request)
        return dict(orjson.loads(await ask(self.link.nc, subject, body, who, op=clock.new_id(), timeout_s=2.0)))

    async def begun(self) -> None:
        await self._more_is_acknowledged(12)

    async def suffer(self, deaths: list[str]) -> None:
        """Each death comes while writers write, and they go on afterwards; NATS dies again
        until a call was in flight."""
        for death in deaths:
            await self._die(death)
        while not sum(writer.unanswered for writer in self.writers):
            await self._die("nats")

    async def _die(self, death: str) -> None:
        dying = self.server if death == "nats" else self.replicas[int(death)]
        await dying.kill()
        await dying.start()
        await self._more_is_acknowledged(12)

    async def _more_is_acknowledged(self, count: int) -> None:
        before = sum(len(writer.acknowledged) for writer in self.writers)
        while sum(len(writer.acknowledged) for writer in self.writers) < before + count:
            await asyncio.sleep(0.02)


async def until(succeeds: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """The first positive answer."""
    while True:
        try:
            if (answer := await succeeds())["status"] == "ok":
                return answer
        except Rejection:
            await asyncio.sleep(0.1)


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server())
        link = Link()
        await link.connect(Settings(nats_url=server.url, metrics_port=0), "test")
        stack.push_async_callback(link.nc.close)
        await provision(link.nc)
        made = World(server, link, Path(stack.enter_context(TemporaryDirectory())))
        for replica in made.replicas:
            await replica.start()
            stack.push_async_callback(replica.kill)
        await until(lambda: made.ask("form_register", {"kind": "patient", "form": FORM}))
        yield made


@given(st.lists(st.sampled_from(["0", "1", "nats"]), min_size=2, max_size=4))
@settings(max_examples=3, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
async def test_whatever_dies_what_was_acknowledged_is_in_the_log_once_and_answered_the_same(deaths: list[str]) -> None:
    async with asyncio.timeout(PATIENCE_S), world() as made:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for writer in made.writers:
                group.create_task(writer.write(stop))
            await made.begun()
            await made.suffer(deaths)
            stop.set()
        last = await made.log.last(GUARD)
        assert last
        facts = await made.log.read(GUARD, after=0, upto=last.seq)
        stored = {fact.op: fact.json() for fact in facts}
        assert Counter(fact.op for fact in facts).most_common(1)[0][1] == 1, "an operation is in the log twice"
        told = {op: answer for writer in made.writers for op, (_, answer) in writer.acknowledged.items()}
        assert stored.keys() == told.keys()
        assert any(body["outcome"] == "merged" for body in stored.values())
        assert any(writer.conflicts for writer in made.writers)
        for op, answer in told.items():
            (change,) = answer["changes"]
            assert {name: stored[op][name] for name in ("field", "value", "version", "outcome")} == change
        by_field = sorted((body["field"], body["version"], body["value"]) for body in stored.values())
        current = {}
        for name, versions in groupby(by_field, key=lambda row: row[0]):
            rows = list(versions)
            assert [version for _, version, _ in rows] == list(range(1, len(rows) + 1))
            current[name] = rows[-1][1:]
        asked = RoomSnapshotRequest(kind=Kind.ROOM, id=ROOM, seen={"SYNC": last.seq}).model_dump(mode="json")
        for _ in range(6):  # of both replicas
            part = await until(lambda: made.ask("snapshot", asked))
            assert {name: (f["version"], f["value"]) for name, f in part["fields"].items()} == current
        for writer in made.writers:
            for op, (body, answer) in list(writer.acknowledged.items())[-10:]:
                assert await writer.until_answered(body, op) == answer
