"""One suite for every event log: the in-memory one, and JetStream on a real nats-server."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY

from confer_contracts.subjects import FactSubject
from confer_kit import clock
from confer_kit.event_log import Append, Conflict, EventLog, MemoryEventLog, OutcomeUnknown, Unavailable
from confer_kit.facts import NewFact
from confer_kit.jetstream import JetStreamEventLog
from confer_kit.ledger import Ledger
from confer_kit.nats_link import Link
from confer_kit.settings import KitSettings
from confer_kit.testing import NatsServer, nats_server
from confer_kit.testing.counter import Counters
from confer_ops.provision import provision

RECORD = FactSubject("sync", "room", "r1", "record")
OTHER = FactSubject("sync", "room", "r2", "record")
WRITERS, EACH = 20, 5


@pytest.fixture
async def server() -> AsyncIterator[NatsServer]:
    async with nats_server() as running:
        yield running


@pytest.fixture(params=["memory", "jetstream"])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[EventLog]:
    if request.param == "memory":
        yield MemoryEventLog()
        return
    async with nats_server() as server:
        link = await linked(server)
        await provision(link.nc)
        yield JetStreamEventLog(link.nc)
        await link.nc.close()


async def linked(server: NatsServer) -> Link:
    link = Link()
    await link.connect(KitSettings(nats_url=server.url), "test")
    return link


async def append(log: EventLog, subject: FactSubject, body: str, expected: int, guard: str | None = None) -> int:
    fact = NewFact(subject=subject, body=body.encode(), event="field_updated", op=f"op {body}", actor="ann")
    return await log.append(fact, guard=guard or str(subject), expected=expected, timeout=5)


async def bodies(log: EventLog, guard: str, after: int = 0, upto: int = 10**9) -> list[str]:
    return [fact.body.decode() for fact in await log.read(guard, after=after, upto=upto)]


async def test_what_is_appended_is_the_last_and_is_read_back(log: EventLog) -> None:
    seq = await append(log, RECORD, "1", 0)
    last = await log.last(str(RECORD))
    assert last is not None
    assert (last.subject, last.seq, last.body) == (RECORD, seq, b"1")
    assert (last.event, last.op, last.actor, last.origin, last.fold) == ("field_updated", "op 1", "ann", None, None)
    (read,) = await log.read(str(RECORD), after=0, upto=seq)
    assert (read.subject, read.seq, read.body, read.op, read.actor) == (RECORD, seq, b"1", "op 1", "ann")
    assert not last.foreign
    assert not read.foreign


async def test_each_write_is_counted_by_its_outcome() -> None:
    def counted() -> list[float | None]:
        return [REGISTRY.get_sample_value("confer_appends_total", {"outcome": o}) for o in outcomes]

    outcomes = ("stored", "conflict", "unavailable", "outcome_unknown")
    async with nats_server() as server:
        link = await linked(server)
        await provision(link.nc)
        log, before = JetStreamEventLog(link.nc), counted()
        await append(log, RECORD, "1", 0)
        with pytest.raises(Conflict):
            await append(log, RECORD, "2", 0)
        await link.nc.jetstream().delete_stream("SYNC")
        with pytest.raises(Unavailable):
            await append(log, RECORD, "3", 0)
        await server.kill()
        with pytest.raises(OutcomeUnknown):
            await append(log, RECORD, "4", 0)
        await link.close(1)
    assert [(now or 0) - (then or 0) for now, then in zip(counted(), before, strict=True)] == [1, 1, 1, 1]


async def test_nothing_is_there_before_the_first(log: EventLog) -> None:
    assert await log.last(str(RECORD)) is None
    assert await bodies(log, str(RECORD)) == []
    await append(log, OTHER, "elsewhere", 0)
    assert await log.last(str(RECORD)) is None
    assert await bodies(log, str(RECORD)) == []


async def test_the_first_expects_zero(log: EventLog) -> None:
    with pytest.raises(Conflict):
        await append(log, RECORD, "1", 7)
    await append(log, RECORD, "1", 0)
    with pytest.raises(Conflict):
        await append(log, RECORD, "2", 0)
    assert await bodies(log, str(RECORD)) == ["1"]


async def test_the_expected_sequence_is_the_aggregates_and_not_the_streams(log: EventLog) -> None:
    first = await append(log, RECORD, "1", 0)
    await append(log, OTHER, "elsewhere", 0)
    second = await append(log, RECORD, "2", first)
    with pytest.raises(Conflict):
        await append(log, RECORD, "late", first)
    assert second > first + 1
    assert await bodies(log, str(RECORD)) == ["1", "2"]


async def test_a_guard_with_a_wildcard_covers_all_keys_of_one_aggregate(log: EventLog) -> None:
    def ticket(queue: str, key: str) -> FactSubject:
        return FactSubject("queue", "queue", queue, key)

    guard = "log.queue.queue.q1.*"
    first = await append(log, ticket("q1", "p1"), "1", 0, guard)
    await append(log, ticket("q2", "p1"), "other queue", 0, "log.queue.queue.q2.*")
    with pytest.raises(Conflict):
        await append(log, ticket("q1", "p2"), "a new key in a queue that moved on", 0, guard)
    second = await append(log, ticket("q1", "p2"), "2", first, guard)
    last = await log.last(guard)
    assert last is not None
    assert (last.seq, last.subject.key) == (second, "p2")
    assert await bodies(log, guard) == ["1", "2"]


async def test_a_read_has_the_facts_between_its_bounds_in_order(log: EventLog) -> None:
    seqs = [0]
    for number in range(1, 8):
        seqs.append(await append(log, RECORD, str(number), seqs[-1]))
        await append(log, FactSubject("sync", "room", f"other{number}", "record"), "elsewhere", 0)
    assert await bodies(log, str(RECORD), after=seqs[2], upto=seqs[5]) == ["3", "4", "5"]
    assert await bodies(log, str(RECORD), after=seqs[7], upto=seqs[7]) == []
    assert await bodies(log, str(RECORD), after=seqs[6], upto=seqs[6] + 1) == []


async def test_a_read_may_be_longer_than_one_batch(log: EventLog) -> None:
    seq = 0
    for number in range(1, 1204):
        seq = await append(log, RECORD, str(number), seq)
    assert await bodies(log, str(RECORD)) == [str(n) for n in range(1, 1204)]
    assert await bodies(log, str(RECORD), after=499, upto=1001) == [str(n) for n in range(500, 1002)]
    for limit in (1, 500, 700):
        first = await log.read(str(RECORD), after=99, upto=seq, limit=limit)
        assert [fact.body.decode() for fact in first] == [str(n) for n in range(100, 100 + limit)]


@pytest.mark.parametrize("service", ["sync", "queue"])
async def test_of_writers_who_race_each_has_every_effect_once(log: EventLog, service: str) -> None:
    """Each writer is a replica of its own: an own ledger, so that nothing but the log keeps them apart."""
    counters = Counters(service)

    async def write(writer: int) -> None:
        ledger = Ledger(log, counters)
        for number in range(EACH):
            await ledger.transact("r1", counters.increment("r1", f"w{writer}-{number}"), clock.now() + 60)

    await asyncio.gather(*(write(writer) for writer in range(WRITERS)))
    folded = await Ledger(log, counters).load("r1")
    assert sorted(folded.state.seen) == sorted(f"w{w}-{n}" for w in range(WRITERS) for n in range(EACH))
    for writer in range(WRITERS):
        own = [op for op in folded.state.seen if op.startswith(f"w{writer}-")]
        assert own == [f"w{writer}-{n}" for n in range(EACH)]


async def test_a_stream_that_is_missing_is_unavailable(server: NatsServer) -> None:
    link = await linked(server)
    log = JetStreamEventLog(link.nc)
    with pytest.raises(Unavailable):
        await append(log, RECORD, "1", 0)
    with pytest.raises(Unavailable):
        await log.last(str(RECORD))
    await link.nc.close()


async def test_a_server_that_does_not_answer_leaves_the_outcome_open_and_the_state_tells_it(server: NatsServer) -> None:
    link = await linked(server)
    await provision(link.nc)
    log = JetStreamEventLog(link.nc)
    server.freeze()
    try:
        with pytest.raises(OutcomeUnknown):
            fact = NewFact(subject=RECORD, body=b"1", op="one")
            await log.append(fact, guard=str(RECORD), expected=0, timeout=0.3)
    finally:
        server.thaw()
    with pytest.raises(Conflict):  # it was stored after all, and the same append again changes nothing
        await append(log, RECORD, "1", 0)
    last = await log.last(str(RECORD))
    assert last is not None
    assert last.op == "one"
    await link.nc.close()


async def test_facts_of_several_aggregates_are_stored_together_or_not_at_all(log: EventLog) -> None:
    def of(queue: str, expected: int, body: str) -> Append:
        fact = NewFact(subject=FactSubject("queue", "queue", queue, "p1"), body=body.encode(), op=body)
        return Append(fact, f"log.queue.queue.{queue}.*", expected)

    every = "log.queue.queue.*.*"
    one = await log.append_all([of("q1", 0, "left"), of("q2", 0, "came")], timeout=5)
    for late in ([of("q1", 0, "x"), of("q2", one, "x")], [of("q1", one - 1, "x"), of("q2", 0, "x")]):
        with pytest.raises(Conflict):
            await log.append_all(late, timeout=5)
    assert await bodies(log, every) == ["left", "came"]
    two = await log.append_all([of("q2", one, "left again"), of("q1", one - 1, "back")], timeout=5)
    facts = await log.read(every, after=0, upto=two)
    assert [(fact.seq, fact.body) for fact in facts[2:]] == [(two - 1, b"left again"), (two, b"back")]
    assert not any(fact.foreign for fact in facts)
