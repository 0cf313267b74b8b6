"""Two replicas as processes and a nats-server, killed in any order under staff at work in three queues of a journey: no
ticket is lost, doubled or served twice, and every answer is in the log once."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from confer_contracts.errors import Rejection
from confer_contracts.message import Identity
from confer_kit import clock
from confer_kit.calls import ask
from confer_kit.facts import StoredFact
from confer_kit.jetstream import JetStreamEventLog
from confer_kit.nats_link import Link
from confer_kit.testing import NatsServer, nats_server
from confer_kit.testing.system import Process
from confer_ops.provision import provision
from queue_svc.codec import QueueCodec
from queue_svc.domain.queue import Queue
from queue_svc.domain.ticket import Change, TicketChanged
from queue_svc.settings import Settings

QUEUES, EVERY = ("a", "b", "c"), "log.queue.*.*.*"
POLICIES = """
version = 1
[queues.a]
next = "b"
[queues.b]
requeue = "end"
next = "c"
shares = { high = 3, normal = 2, low = 1 }
[queues.c]
ageing_s = 1
recalls = 1
"""
PATIENCE_S = 240
SNAPSHOT_READ, UP = "it starts from a snapshot", "queue-svc is up"
FINAL = ("done", "no_show", "cancelled")


class Nurse:
    """Does whatever comes up with tickets, and sends what is not answered again, with the same operation."""

    def __init__(self, link: Link, number: int) -> None:
        self._link = link
        self._random = random.Random(number)
        self._who = Identity(user_id=f"u{number}", name=f"u{number}", role="nurse", session=f"s{number}")
        self._patients = 0
        self.acknowledged: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {}
        self.unanswered = 0

    async def work(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            queue = self._random.choice(QUEUES)
            self._patients += 1
            patient = f"{self._who.user_id}-{self._patients}"
            priority = self._random.choice(("high", "normal", "low"))
            await self.ask("queue_enqueue", queue=queue, patient_id=patient, priority=priority)
            called = await self.ask("queue_call_next", queue=queue)
            if called.get("ticket") is not None:
                await self._attend({"queue": queue, "ticket": called["ticket"]["ticket"], "token": called["token"]})

    async def _attend(self, claim: dict[str, Any]) -> None:
        ways = {
            "queue_transfer": {"to": self._random.choice([q for q in QUEUES if q != claim["queue"]])},
            "queue_done": {}, "queue_requeue": {}, "queue_recall": {}, "queue_hold": {}, "queue_no_show": {},
        }  # fmt: skip
        way = self._random.choice(("queue_done", "queue_done", *ways))
        await self.ask("queue_serve", **claim) if way == "queue_done" else None
        await self.ask(way, **claim, **ways[way])
        if way == "queue_hold":
            await self.ask("queue_resume", queue=claim["queue"], ticket=claim["ticket"])

    async def ask(self, event: str, **request: Any) -> dict[str, Any]:
        op = clock.new_id()
        while (answer := await self.send(event, op, request)).get("retry"):
            self.unanswered += 1
            await asyncio.sleep(0.1)
        if answer["status"] == "ok":
            self.acknowledged[op] = (event, request, answer)
        else:
            assert answer["code"] in ("conflict", "not_found"), (event, request, answer)
        return answer

    async def send(self, event: str, op: str, request: dict[str, Any]) -> dict[str, Any]:
        subject, body = f"call.queue.{event}", orjson.dumps(request)
        try:
            return dict(orjson.loads(await ask(self._link.nc, subject, body, self._who, op=op, timeout_s=2.0)))
        except Rejection as refusal:
            return {"status": "error", "code": refusal.code, "retry": refusal.code.retry}


class World:
    def __init__(self, server: NatsServer, link: Link, policies: Path) -> None:
        self.server = server
        self.log = JetStreamEventLog(link.nc)
        environment = {
            **os.environ, "CONFER_NATS_URL": server.url, "CONFER_METRICS_PORT": "0", "CONFER_QUEUE_CLAIM_S": "5",
            "CONFER_QUEUE_POLICIES": str(policies), "CONFER_QUEUE_SNAPSHOT_FACTS": "10",
            "CONFER_QUEUE_SNAPSHOT_CHECK_S": "0.5", "CONFER_LOG_FORMAT": "text", "CONFER_QUEUE_SEGMENT_FACTS": "7",
        }  # fmt: skip
        self.replicas = [Process(f"queue-{name}", "queue_svc", environment, policies.parent) for name in "ab"]
        self.staff = [Nurse(link, number) for number in range(4)]

    async def suffer(self, deaths: list[str]) -> None:
        """Each death comes while the staff are at work, who go on afterwards; NATS dies again until a call was in
        flight, and a replica until it has started from a snapshot, which is never the last thing that happened."""
        await self._more_is_acknowledged(12)
        for death in deaths:
            await self._die(death)
        while not sum(nurse.unanswered for nurse in self.staff):
            await self._die("nats")
        replica = self.replicas[0]
        while not any(SNAPSHOT_READ in each.log for each in self.replicas):
            started = replica.log.count(UP)
            await self._die("0")
            while replica.log.count(UP) == started:  # else it would die before it has read anything
                await asyncio.sleep(0.05)
        await self._more_is_acknowledged(12)

    async def _die(self, death: str) -> None:
        dying = self.server if death == "nats" else self.replicas[int(death)]
        await dying.kill()
        await dying.start()
        await self._more_is_acknowledged(12)

    async def _more_is_acknowledged(self, count: int) -> None:
        before = sum(len(nurse.acknowledged) for nurse in self.staff)
        while sum(len(nurse.acknowledged) for nurse in self.staff) < before + count:
            await asyncio.sleep(0.02)

    async def facts(self) -> list[StoredFact]:
        last = await self.log.last(EVERY)
        assert last
        return list(await self.log.read(EVERY, after=0, upto=last.seq))


@asynccontextmanager
async def world(directory: Path) -> AsyncIterator[World]:
    policies = directory / "policies.toml"
    policies.write_text(POLICIES)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server())
        link = Link()
        await link.connect(Settings(nats_url=server.url), "test")
        stack.push_async_callback(link.nc.close)
        await provision(link.nc)
        made = World(server, link, policies)
        for replica in made.replicas:
            await replica.start()
            stack.push_async_callback(replica.kill)
        yield made


def judge(facts: list[StoredFact], staff: list[Nurse]) -> None:
    codec, queues, served = QueueCodec(), dict[str, Queue](), list[tuple[str, str, int]]()
    made, ended, ops, onward = set[str](), set[str](), Counter[tuple[str, str, str]](), ""
    moves = Counter[str]()  # a ticket may come back to a queue, and is served there once more
    for fact in facts:
        event, key = codec.decode(fact), fact.subject.ident
        assert event is not None
        queue = queues[key] = codec.evolve(queues.get(key, Queue()), event)
        if not isinstance(event, TicketChanged):
            continue
        ops[event.user, event.op, key] += 1
        made.add(event.ticket.id)
        if event.ticket.status in FINAL:
            ended.add(event.ticket.id)
        if event.came_from is not None:
            ended.discard(event.ticket.id)
            moves[event.ticket.id] += 1
            assert onward == event.op, "who comes from another queue left it one fact before"
        if event.change is Change.DONE:
            served.append((key, event.ticket.id, moves[event.ticket.id]))
        onward = event.op if event.went_to is not None else ""
        there = [ticket for queue in queues.values() for ticket in queue.tickets]
        assert len(there) == len(set(there)), "a ticket in two queues"
        assert onward or set(there) | ended == made, "a ticket in none"
        waiting = [queue.tickets[place.ticket] for place in queue.line]
        for priority in ("high", "normal", "low"):
            arrivals = [ticket.arrival for ticket in waiting if ticket.priority == priority]
            assert arrivals == sorted(arrivals)
    assert max(Counter(served).values(), default=1) == 1
    assert set(ops.values()) == {1}
    told = {(user, op) for user, op, _ in ops}
    for nurse in staff:
        for op, (_, _, answer) in nurse.acknowledged.items():
            assert answer["ticket"] is None or (nurse._who.user_id, op) in told


@settings(
    max_examples=2, derandomize=True, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(deaths=st.permutations(["0", "1", "nats"]).map(lambda order: order[:2]))
def test_no_ticket_is_lost_doubled_or_served_twice_whatever_dies(tmp_path: Path, deaths: list[str]) -> None:
    async def run() -> None:
        async with asyncio.timeout(PATIENCE_S), world(tmp_path) as made:
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                for nurse in made.staff:
                    group.create_task(nurse.work(stop))
                await made.suffer(deaths)
                stop.set()
            judge(await made.facts(), made.staff)
            for nurse in made.staff:  # what was answered is answered the same again
                for op, (event, request, answer) in list(nurse.acknowledged.items())[-5:]:
                    while (again := await nurse.send(event, op, request)).get("retry"):
                        await asyncio.sleep(0.1)
                    same = {"status", "op", "ticket", "next"} if answer["ticket"] else {"status"}
                    assert {n: again.get(n) for n in same} == {n: answer.get(n) for n in same}, (event, answer)

    asyncio.run(run())
