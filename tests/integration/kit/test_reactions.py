"""Reactions to another service's log: each fact at least once, and again until it was dealt with."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack

import pytest
from nats.js.api import StreamConfig

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.subjects import FactSubject
from confer_kit.event_log import Conflict, OutcomeUnknown, Unavailable
from confer_kit.facts import NewFact, StoredFact
from confer_kit.jetstream import JetStreamEventLog
from confer_kit.nats_link import Link
from confer_kit.reactions import BATCH, follow_durably, operation
from confer_kit.settings import KitSettings
from confer_kit.tasks import Tasks
from confer_kit.testing import NatsServer, nats_server

STREAM, NAME = "SYNC", "queue-on-sync"
Handler = Callable[[StoredFact], Awaitable[None]]


class Rig:
    def __init__(self, server: NatsServer, link: Link, stack: AsyncExitStack) -> None:
        self.server = server
        self.link = link
        self._stack = stack
        self._log = JetStreamEventLog(link.nc)
        self._count = 0

    async def make_stream(self) -> None:
        config = StreamConfig(name=STREAM, subjects=["log.sync.>"], allow_direct=True)
        await self.link.nc.jetstream().add_stream(config)

    def react(self, handler: Handler, events: Collection[str] = ()) -> Tasks:
        """A replica's reaction, until the returned tasks are cancelled."""
        tasks = Tasks()
        tasks.start(follow_durably(self.link, NAME, STREAM, ["log.sync.room.*.record"], handler, events=events))
        self._stack.push_async_callback(tasks.cancel)
        return tasks

    async def append(self, *bodies: int, kind: str = "room", event: str | None = None) -> None:
        for body in bodies:
            self._count += 1
            subject = FactSubject("sync", kind, f"r{self._count}", "record")
            fact = NewFact(subject=subject, body=str(body).encode(), op=f"op {body}", actor="ann", event=event)
            await self._store(fact)

    async def _store(self, fact: NewFact) -> None:
        """As the ledger does: while the server starts, or is slow, an append may go unanswered."""
        guard = str(fact.subject)
        async with asyncio.timeout(60):
            while True:
                try:
                    await self._log.append(fact, guard=guard, expected=0, timeout=5)
                except Conflict:  # an attempt before this one was stored
                    return
                except (OutcomeUnknown, Unavailable):
                    await asyncio.sleep(0.1)
                else:
                    return

    async def unacknowledged(self) -> int:
        info = await self.link.nc.jetstream().consumer_info(STREAM, NAME)
        return (info.num_ack_pending or 0) + (info.num_pending or 0)

    async def until_done(self) -> None:
        async with asyncio.timeout(30):
            while await self.unacknowledged():
                await asyncio.sleep(0.02)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server())
        link = Link()
        await link.connect(KitSettings(nats_url=server.url), "test")
        stack.push_async_callback(link.nc.close)
        yield Rig(server, link, stack)


class Reaction:
    """Notes each delivery; raises what `failures` says for a body, once per entry."""

    def __init__(self, failures: dict[int, list[Exception]] | None = None) -> None:
        self.got: list[int] = []
        self.facts: list[StoredFact] = []
        self._failures = failures or {}

    async def __call__(self, fact: StoredFact) -> None:
        body = fact.json()
        self.got.append(body)
        self.facts.append(fact)
        if waiting := self._failures.get(body):
            raise waiting.pop(0)

    async def has(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.got) < count:
                await asyncio.sleep(0.01)


async def test_facts_come_in_order_once_and_are_done_with(rig: Rig) -> None:
    await rig.make_stream()
    await rig.append(*range(30))
    reaction = Reaction()
    rig.react(reaction)
    await rig.append(*range(30, 60))
    await rig.append(999, kind="user")  # not in the filter
    await reaction.has(60)
    await rig.until_done()
    assert reaction.got == list(range(60))


async def test_facts_under_other_names_are_passed_over(rig: Rig) -> None:
    await rig.make_stream()
    for body in range(0, 30, 3):
        await rig.append(body, event="field_updated")
        await rig.append(body + 1, event="step_changed")
        await rig.append(body + 2)
    reaction = Reaction()
    rig.react(reaction, events=["step_changed"])
    await reaction.has(10)
    await rig.until_done()
    assert reaction.got == list(range(1, 30, 3))


async def test_more_than_one_batch_is_worked_off(rig: Rig) -> None:
    await rig.make_stream()
    await rig.append(*range(2 * BATCH + 1))
    reaction = Reaction()
    rig.react(reaction)
    await reaction.has(2 * BATCH + 1)
    await rig.until_done()
    assert reaction.got == list(range(2 * BATCH + 1))


async def test_a_fact_tells_who_what_and_under_which_operation(rig: Rig) -> None:
    await rig.make_stream()
    await rig.append(7)
    reaction = Reaction()
    rig.react(reaction)
    await reaction.has(1)
    (fact,) = reaction.facts
    assert (fact.subject, fact.seq, fact.op, fact.actor) == (
        FactSubject("sync", "room", "r1", "record"),
        1,
        "op 7",
        "ann",
    )
    assert operation(STREAM, fact) == "SYNC-1"


async def test_what_failed_comes_again(rig: Rig) -> None:
    await rig.make_stream()
    reaction = Reaction({2: [ValueError("a defect"), Rejection(ErrorCode.UNAVAILABLE, "the log is away")]})
    await rig.append(1, 2, 3)
    rig.react(reaction)
    await reaction.has(5)
    await rig.until_done()
    assert reaction.got == [1, 2, 3, 2, 2]


async def test_what_is_refused_for_good_does_not_come_again(rig: Rig) -> None:
    await rig.make_stream()
    reaction = Reaction({1: [Rejection(ErrorCode.CONFLICT, "never")]})
    rig.react(reaction)
    await rig.append(1, 2)
    await reaction.has(2)
    await rig.until_done()
    assert reaction.got == [1, 2]


async def test_what_is_given_up_is_logged(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("confer_kit.reactions.DELIVERIES_MAX", 2)
    await rig.make_stream()
    reaction = Reaction({1: [Rejection(ErrorCode.UNAVAILABLE, "still away")] * 2})
    rig.react(reaction)
    await rig.append(1)
    await reaction.has(2)
    async with asyncio.timeout(30):
        out = ""
        while "given up" not in out:
            await asyncio.sleep(0.01)
            out += capsys.readouterr().out
    assert "reason=unavailable" in out


async def test_what_was_in_hand_when_a_replica_ended_comes_to_the_next(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("confer_kit.reactions.ACK_WAIT_S", 1)
    await rig.make_stream()
    in_hand = asyncio.Event()

    async def hang(fact: StoredFact) -> None:
        in_hand.set()
        await asyncio.Event().wait()

    first = rig.react(hang)
    await rig.append(1, 2)
    await in_hand.wait()
    await first.cancel()
    second = Reaction()
    rig.react(second)
    await second.has(2)
    await rig.until_done()
    assert set(second.got) == {1, 2}  # on a slow machine once more: they have a second each


async def test_two_replicas_share_the_work(rig: Rig) -> None:
    await rig.make_stream()
    one, two = Reaction(), Reaction()
    rig.react(one)
    rig.react(two)
    await rig.append(*range(20))
    await rig.until_done()
    assert sorted(one.got + two.got) == list(range(20))


async def test_a_reaction_waits_for_its_stream_and_outlives_the_server(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("confer_kit.reactions.ACK_WAIT_S", 1)
    reaction = Reaction()
    rig.react(reaction)
    await asyncio.sleep(0.2)
    await rig.make_stream()
    await rig.append(1)
    await reaction.has(1)
    await rig.server.kill()
    await rig.server.start()
    async with asyncio.timeout(30):
        while not rig.link.nc.is_connected:
            await asyncio.sleep(0.05)
    await rig.append(2)
    await reaction.has(2)
    await rig.until_done()
    assert set(reaction.got) == {1, 2}  # the first may come again: the server may not have had its ack
