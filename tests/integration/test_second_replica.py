"""Two replicas of a service under load on the same aggregates: one history without holes, one winner each."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import orjson
import pytest

from confer_contracts import queue, sync
from confer_contracts.message import Identity, Payload
from confer_contracts.route import Call
from confer_kit import clock
from confer_kit.calls import ask
from confer_kit.facts import StoredFact
from confer_kit.jetstream import JetStreamEventLog
from confer_kit.nats_link import Link
from confer_kit.process import connected, started
from confer_kit.service import Service
from confer_kit.settings import KitSettings
from confer_kit.testing import nats_server
from confer_ops.provision import provision
from queue_svc.app import build as build_queue
from queue_svc.settings import Settings as QueueSettings
from sync_svc.app import build as build_sync
from sync_svc.settings import Settings as SyncSettings

CALLERS, CALLS_EACH = 12, 8
Body = dict[str, Any]


class World:
    """A server with the streams, two replicas of a service, and somebody who asks."""

    def __init__(self, url: str, link: Link, stack: AsyncExitStack) -> None:
        self._url = url
        self._link = link
        self._stack = stack
        self._log = JetStreamEventLog(link.nc)

    async def replicas(self, name: str, settings: type[KitSettings], build: Callable[[Service, Any], None]) -> None:
        for _ in range(2):
            own = settings(nats_url=self._url, metrics_port=0)
            link = await self._stack.enter_async_context(connected(own, f"{name}-svc", asyncio.Event()))
            await self._stack.enter_async_context(started(name, link, own, build))

    async def shares(self, name: str) -> list[int]:
        """How many requests each replica answered. NATS chooses one for each: with one at work nothing is proved."""
        nc, inbox = self._link.nc, self._link.nc.new_inbox()
        replies = await nc.subscribe(inbox)
        await nc.publish(f"$SRV.STATS.{name}-svc", reply=inbox)
        told = [orjson.loads((await replies.next_msg(timeout=30)).data) for _ in range(2)]
        return [sum(endpoint["num_requests"] for endpoint in replica["endpoints"]) for replica in told]

    async def ask(self, call: Call[Any, Any], request: Payload, user: str, op: str | None = None) -> Body:
        who = Identity(user_id=user, name=user, role="nurse", session=f"session-of-{user}")
        body = request.model_dump_json(exclude_unset=True).encode()
        return dict(
            orjson.loads(await ask(self._link.nc, call.subject, body, who, op=op or clock.new_id(), timeout_s=30))
        )

    async def facts(self, guard: str) -> list[StoredFact]:
        last = await self._log.last(guard)
        return list(await self._log.read(guard, after=0, upto=last.seq)) if last else []


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server())
        link = Link()
        await link.connect(KitSettings(nats_url=server.url), "test")
        stack.push_async_callback(link.nc.close)
        await provision(link.nc)
        yield World(server.url, link, stack)


async def _by_everybody(work: Callable[[str], Any]) -> list[Body]:
    """What `work(user)` answers, called by all users side by side, again and again."""

    async def one(user: str) -> list[Body]:
        return [await work(user) for _ in range(CALLS_EACH)]

    found = await asyncio.gather(*(one(f"u{n}") for n in range(CALLERS)))
    return [answer for answers in found for answer in answers]


async def test_versions_of_a_field_are_contiguous_and_each_is_acknowledged_once(world: World) -> None:
    await world.replicas("sync", SyncSettings, build_sync)

    async def write(user: str) -> Body:
        changes = [sync.Change(field="shared", value=user), sync.Change(field=f"of-{user}", value=user)]
        return await world.ask(sync.FIELD_UPDATE, sync.FieldUpdate(patient_id="p", changes=changes), user)

    answers = await _by_everybody(write)
    assert all(await world.shares("sync"))
    facts = await world.facts("log.sync.room.p.record")
    told = sorted(change["version"] for a in answers for change in a["changes"] if change["field"] == "shared")
    assert told == list(range(1, CALLERS * CALLS_EACH + 1))
    stored = [change for fact in facts for change in fact.json()["changes"]]
    assert [change["version"] for change in stored if change["field"] == "shared"] == told
    for n in range(CALLERS):
        assert [c["version"] for c in stored if c["field"] == f"of-u{n}"] == list(range(1, CALLS_EACH + 1))


async def test_the_same_operation_at_both_replicas_at_once_has_one_effect_and_one_answer(world: World) -> None:
    await world.replicas("sync", SyncSettings, build_sync)
    for round_ in range(10):
        op, update = clock.new_id(), sync.FieldUpdate(patient_id="p", field="notes", value=round_)
        answers = await asyncio.gather(*(world.ask(sync.FIELD_UPDATE, update, "ann", op) for _ in range(6)))
        assert answers == [answers[0]] * 6
        assert answers[0]["version"] == round_ + 1
    assert len(await world.facts("log.sync.room.p.record")) == 10


async def test_every_ticket_is_called_by_one_person_in_the_order_of_arrival(world: World) -> None:
    await world.replicas("queue", QueueSettings, build_queue)

    async def enqueue(user: str) -> Body:
        request = queue.Enqueue(patient_id=f"patient {clock.new_id()}")
        return await world.ask(queue.ENQUEUE, request, user)

    async def call_next(user: str) -> Body:
        return await world.ask(queue.CALL_NEXT, queue.CallNext(), user)

    queued = await _by_everybody(enqueue)
    called = await _by_everybody(call_next)
    assert all(await world.shares("queue"))
    tickets = [answer["ticket"]["ticket"] for answer in called]
    assert sorted(tickets) == sorted(answer["ticket"]["ticket"] for answer in queued)
    assert len(set(tickets)) == len(tickets) == CALLERS * CALLS_EACH
    assert (await call_next("late"))["ticket"] is None

    facts = await world.facts("log.queue.*.screening.*")
    arrived = [fact.json()["ticket"] for fact in facts if fact.event == "ticket_queued"]
    assert [fact.json()["ticket"] for fact in facts if fact.event == "ticket_called"] == arrived
    holders = {fact.json()["ticket"]: fact.json()["called_by"] for fact in facts if fact.event == "ticket_called"}
    assert holders == {answer["ticket"]["ticket"]: answer["ticket"]["called_by"] for answer in called}
    assert len({answer["token"] for answer in called}) == len(called)


async def test_enqueueing_one_patient_at_both_replicas_at_once_makes_one_ticket(world: World) -> None:
    await world.replicas("queue", QueueSettings, build_queue)
    answers = await _by_everybody(lambda user: world.ask(queue.ENQUEUE, queue.Enqueue(patient_id="p"), user))
    assert len({answer["ticket"]["ticket"] for answer in answers}) == 1
    assert len(await world.facts("log.queue.*.screening.*")) == 1
