"""What the ledger promises over any log: decided on the truth, appended once, answered honestly."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.subjects import FactSubject, in_segment
from confer_kit import clock
from confer_kit.event_log import Conflict, MemoryEventLog, OutcomeUnknown, Unavailable, covers
from confer_kit.facts import NewFact, StoredFact
from confer_kit.ledger import LANE_WAITERS_MAX, Ledger
from confer_kit.testing.counter import Counter, Counters

COUNTERS = Counters()


class CountingLog(MemoryEventLog):
    """Counts what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.appends = self.lasts = 0

    async def append(self, fact: NewFact, *, guard: str, expected: int, timeout: float) -> int:
        self.appends += 1
        return await super().append(fact, guard=guard, expected=expected, timeout=timeout)

    async def last(self, guard: str) -> StoredFact | None:
        self.lasts += 1
        return await super().last(guard)


class FailingLog(MemoryEventLog):
    """Raises what `failures` says for the next appends; `stored`: after it has stored the fact all the same."""

    def __init__(self, *failures: Exception, stored: bool = False) -> None:
        super().__init__()
        self._failures = list(failures)
        self._stored = stored

    async def append(self, fact: NewFact, *, guard: str, expected: int, timeout: float) -> int:
        failure = self._failures.pop(0) if self._failures else None
        if failure is None or self._stored:
            seq = await super().append(fact, guard=guard, expected=expected, timeout=timeout)
        if failure is not None:
            raise failure
        return seq


class GatedLog(MemoryEventLog):
    """A read of the last fact has its answer at once and hands it over when its gate, or all of them, open."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.gates: list[asyncio.Event] = []

    async def last(self, guard: str) -> StoredFact | None:
        found = await super().last(guard)
        if not self.open.is_set():
            self.gates.append(gate := asyncio.Event())
            await gate.wait()
        return found

    def open_all(self) -> None:
        self.open.set()
        for gate in self.gates:
            gate.set()


def soon(seconds: float = 5.0) -> float:
    return clock.now() + seconds


def ledger_of(
    log: MemoryEventLog, codec: Counters = COUNTERS, capacity: int = 10
) -> Ledger[Counter, dict[str, object]]:
    return Ledger(log, codec, capacity)


async def grow(log: MemoryEventLog, key: str, *ops: str, codec: Counters = COUNTERS) -> Sequence[StoredFact]:
    """Another replica increments; its facts, for a follower to bring."""
    begin = len(log.facts)
    other = ledger_of(log, codec)
    for op in ops:
        await other.transact(key, codec.increment(key, op), soon())
    return log.facts[begin:]


async def test_a_cached_state_is_decided_on_without_reading_the_log() -> None:
    log = CountingLog()
    ledger = ledger_of(log)
    await ledger.transact("a", COUNTERS.increment("a", "1"), soon())
    read_before = log.lasts
    folded = await ledger.transact("a", COUNTERS.increment("a", "2"), soon())
    assert (folded.state, folded.seq) == (Counter(2, ["1", "2"]), 2)
    assert log.lasts == read_before + 1  # the memory log's own check of the expected sequence


async def test_nothing_is_appended_where_nothing_is_to_do() -> None:
    log = CountingLog()
    ledger = ledger_of(log)
    first = (await ledger.transact("a", COUNTERS.increment("a", "1"), soon())).seq
    again = await ledger.transact("a", COUNTERS.increment("a", "1"), soon())
    assert (first, again.seq, again.state.value, log.appends) == (1, 1, 1, 1)


async def test_a_refusal_on_a_stale_state_is_decided_again_on_the_leaders() -> None:
    log = MemoryEventLog()
    ledger = ledger_of(log)
    await ledger.transact("a", COUNTERS.increment("a", "1"), soon())
    await grow(log, "a", "2")

    def only_from_two(state: Counter) -> NewFact | None:
        if state.value < 2:
            raise Rejection(ErrorCode.CONFLICT, "too early")
        return COUNTERS.increment("a", "3")(state)

    folded = await ledger.transact("a", only_from_two, soon())
    assert folded.state.seen == ["1", "2", "3"]


async def test_nothing_to_do_on_a_stale_state_is_decided_again_on_the_leaders() -> None:
    log = MemoryEventLog()
    ledger = ledger_of(log)
    await ledger.transact("a", COUNTERS.increment("a", "1"), soon())
    await grow(log, "a", "2")
    folded = await ledger.transact(
        "a", lambda state: None if state.value == 1 else COUNTERS.increment("a", "3")(state), soon()
    )
    assert folded.state.seen == ["1", "2", "3"]


async def test_an_append_on_a_stale_state_is_refused_by_the_log_and_decided_again() -> None:
    log = MemoryEventLog()
    ledger = ledger_of(log)
    await ledger.transact("a", COUNTERS.increment("a", "1"), soon())
    await grow(log, "a", "2")
    folded = await ledger.transact("a", COUNTERS.increment("a", "3"), soon())
    assert (folded.seq, folded.state.seen) == (3, ["1", "2", "3"])


async def test_a_refusal_on_the_truth_passes_through_and_is_not_remembered() -> None:
    log = MemoryEventLog()
    ledger = ledger_of(log)
    await ledger.transact("a", COUNTERS.increment("a", "1"), soon())
    with pytest.raises(Rejection) as refused:
        await ledger.transact("a", COUNTERS.increment("a", "2", at_most=1), soon())
    assert refused.value.code == ErrorCode.CONFLICT
    assert (await ledger.transact("a", COUNTERS.increment("a", "2"), soon())).state.value == 2


async def test_facts_that_arrive_while_the_log_is_read_are_in_the_state() -> None:
    log = GatedLog()
    ledger = ledger_of(log)
    loading = asyncio.gather(ledger.load("a"))
    await asyncio.sleep(0)
    assert len(log.gates) == 1
    log.open_all()
    for fact in await grow(log, "a", "1", "2"):
        ledger.apply(fact)
    (folded,) = await loading
    assert folded.state.seen == ["1", "2"]


async def test_the_log_is_read_once_for_all_who_ask_at_the_same_time() -> None:
    log = GatedLog()
    ledger = ledger_of(log)
    loads = asyncio.gather(*(ledger.load("a") for _ in range(50)))
    await asyncio.sleep(0)
    (gate,) = log.gates
    log.open.set()  # for the replica that writes meanwhile
    for fact in await grow(log, "a", "1", "2"):
        ledger.apply(fact)
    gate.set()
    assert [folded.state.seen for folded in await loads] == [["1", "2"]] * 50
    assert not ledger._loading


async def test_a_call_that_joins_a_running_read_decides_on_what_was_true_when_it_began() -> None:
    log = GatedLog()
    ledger = ledger_of(log)
    loading = asyncio.gather(ledger.load("a"))
    await asyncio.sleep(0)
    log.open.set()
    await grow(log, "a", "1")  # the follower lags behind
    refused_at_first = COUNTERS.increment("a", "2", at_most=0)
    joining = asyncio.gather(ledger.transact("a", refused_at_first, soon()))
    await asyncio.sleep(0)
    log.open_all()
    await loading
    (folded,) = await joining
    assert folded.state.seen == ["1", "2"]


async def test_who_waits_for_a_read_that_is_cut_short_may_ask_again() -> None:
    log = GatedLog()
    ledger = ledger_of(log)
    reader = asyncio.gather(ledger.load("a"))
    await asyncio.sleep(0)
    waiting = asyncio.gather(ledger.load("a"))
    await asyncio.sleep(0)
    reader.cancel()
    with pytest.raises(Rejection) as refused:
        await waiting
    assert refused.value.code == ErrorCode.UNAVAILABLE
    log.open.set()
    assert (await ledger.load("a")).state == Counter()


async def test_what_was_being_read_when_the_follower_lost_its_place_is_not_kept() -> None:
    log = GatedLog()
    ledger = ledger_of(log)
    loading = asyncio.gather(ledger.load("a"))
    await asyncio.sleep(0)
    ledger.forget_all()
    log.open_all()
    await loading
    await grow(log, "a", "1")
    assert (await ledger.load("a")).state.seen == ["1"]


async def test_the_follower_keeps_the_cache_current_and_may_repeat_itself() -> None:
    log = CountingLog()
    ledger = ledger_of(log)
    await ledger.load("a")
    facts = await grow(log, "a", "1", "2", "3")
    read_before = log.lasts
    for fact in (*facts, *facts):
        ledger.apply(fact)
    folded = await ledger.load("a")
    assert (folded.state.seen, folded.seq, log.lasts) == (["1", "2", "3"], 3, read_before)


async def test_facts_of_others_change_nothing() -> None:
    ledger = ledger_of(MemoryEventLog())
    await ledger.load("a")
    for subject in (FactSubject("presence", "room", "a", "record"), FactSubject("sync", "room", "b", "record")):
        ledger.apply(NewFact(subject=subject, body=b'{"op":"x"}').stored(9, 0.0))
    assert (await ledger.load("a")).state == Counter()


async def test_the_last_fact_is_enough_where_each_carries_the_whole_state() -> None:
    codec = Counters(last_only=True)

    class LastOnly(MemoryEventLog):
        async def read(self, guard: str, *, after: int, upto: int, limit: int | None = None) -> Sequence[StoredFact]:
            raise AssertionError("read more than the last fact")

    log = LastOnly()
    await grow(log, "a", "1", "2", "3", codec=codec)
    ledger = ledger_of(log, codec)
    assert (await ledger.load("a")).state == Counter(3, ["1", "2", "3"])
    assert (await ledger.transact("a", codec.increment("a", "4"), soon())).state.value == 4


@pytest.mark.parametrize("stored", [True, False])
async def test_an_append_without_an_answer_has_one_effect_whether_it_was_stored_or_not(stored: bool) -> None:
    log = FailingLog(OutcomeUnknown("no answer"), stored=stored)
    folded = await ledger_of(log).transact("a", COUNTERS.increment("a", "1"), soon())
    assert folded.state.seen == ["1"]
    assert [fact.op for fact in log.facts] == ["1"]


async def test_an_append_that_was_stored_later_than_it_was_asked_for_has_one_effect() -> None:
    class LateLog(MemoryEventLog):
        """The first append is stored just before the second one arrives."""

        late: NewFact | None = None

        async def append(self, fact: NewFact, *, guard: str, expected: int, timeout: float) -> int:
            if self.late is None:
                self.late = fact
                raise OutcomeUnknown("no answer")
            if not self.facts:
                await super().append(self.late, guard=guard, expected=0, timeout=timeout)
            return await super().append(fact, guard=guard, expected=expected, timeout=timeout)

    log = LateLog()
    folded = await ledger_of(log).transact("a", COUNTERS.increment("a", "1"), soon())
    assert (folded.state.seen, len(log.facts)) == (["1"], 1)


@pytest.mark.parametrize(
    ("failures", "code"),
    [
        ([Unavailable("away")], ErrorCode.UNAVAILABLE),
        ([Conflict("others were quicker")], ErrorCode.UNAVAILABLE),
        ([OutcomeUnknown("no answer")], ErrorCode.OUTCOME_UNKNOWN),
        ([OutcomeUnknown("no answer"), Unavailable("away")], ErrorCode.OUTCOME_UNKNOWN),
        ([Unavailable("away"), OutcomeUnknown("no answer")], ErrorCode.OUTCOME_UNKNOWN),
    ],
    ids=["unavailable", "conflicts", "unknown", "unknown then away", "away then unknown"],
)
async def test_at_the_deadline_the_refusal_says_what_is_known(failures: list[Exception], code: ErrorCode) -> None:
    log = FailingLog(*failures, *[failures[-1]] * 10_000)
    with pytest.raises(Rejection) as refused:
        await ledger_of(log).transact("a", COUNTERS.increment("a", "1"), soon(0.2))
    assert refused.value.code == code
    assert not log.facts


async def test_what_begins_after_its_deadline_is_not_begun() -> None:
    log = CountingLog()
    with pytest.raises(Rejection) as refused:
        await ledger_of(log).transact("a", COUNTERS.increment("a", "1"), soon(-0.001))
    assert (refused.value.code, log.appends, log.lasts) == (ErrorCode.UNAVAILABLE, 0, 0)


async def test_nothing_is_appended_after_the_deadline_however_long_reading_took() -> None:
    class Slow(CountingLog):
        async def last(self, guard: str) -> StoredFact | None:
            await asyncio.sleep(0.2)
            return await super().last(guard)

    log = Slow()
    with pytest.raises(Rejection) as refused:
        await ledger_of(log).transact("a", COUNTERS.increment("a", "1"), soon(0.05))
    assert (refused.value.code, log.appends) == (ErrorCode.UNAVAILABLE, 0)


async def test_a_log_that_is_away_makes_a_load_unavailable() -> None:
    class Away(MemoryEventLog):
        async def last(self, guard: str) -> StoredFact | None:
            raise Unavailable("away")

    ledger = ledger_of(Away())
    with pytest.raises(Rejection) as refused:
        await ledger.load("a")
    assert refused.value.code == ErrorCode.UNAVAILABLE
    assert not ledger._loading


async def test_callers_of_one_aggregate_wait_for_each_other_instead_of_conflicting() -> None:
    log = CountingLog()
    ledger = ledger_of(log)
    await asyncio.gather(*(ledger.transact("a", COUNTERS.increment("a", f"{n}"), soon()) for n in range(50)))
    assert (len(log.facts), log.appends) == (50, 50)
    assert not ledger._lanes


async def test_no_more_callers_wait_for_one_aggregate_than_the_limit() -> None:
    log = GatedLog()
    ledger = ledger_of(log)
    waiting = asyncio.gather(
        *(ledger.transact("a", COUNTERS.increment("a", f"{n}"), soon(60)) for n in range(LANE_WAITERS_MAX))
    )
    await asyncio.sleep(0)
    with pytest.raises(Rejection) as refused:
        await ledger.transact("a", COUNTERS.increment("a", "one too many"), soon())
    assert refused.value.code == ErrorCode.LIMIT_EXCEEDED
    log.open_all()
    await waiting
    assert len(log.facts) == LANE_WAITERS_MAX


async def test_the_least_used_state_is_dropped_and_read_again() -> None:
    log = CountingLog()
    ledger = ledger_of(log, capacity=2)
    for key in ("a", "b", "a", "c"):
        await ledger.transact(key, COUNTERS.increment(key, f"{key}{log.appends}"), soon())
    assert list(ledger._folds) == ["a", "c"]
    assert (await ledger.load("b")).state.value == 1


async def test_nothing_cached_is_trusted_after_the_follower_lost_its_place() -> None:
    log = MemoryEventLog()
    ledger = ledger_of(log)
    await ledger.load("a")
    await grow(log, "a", "1")
    ledger.forget_all()
    assert (await ledger.load("a")).state.value == 1


async def test_who_follows_from_the_first_fact_on_reads_nothing_later() -> None:
    log = CountingLog()
    facts = [*await grow(log, "a", "1", "2"), *await grow(log, "b", "1")]
    ledger = ledger_of(log)
    ledger.begin()
    for fact in facts:
        ledger.apply(fact)
    read_before = log.lasts
    assert (await ledger.load("a")).state == Counter(2, ["1", "2"])
    assert (await ledger.load("b")).state.value == 1
    assert log.lasts == read_before


async def test_a_state_that_was_let_go_is_never_continued_from_its_middle() -> None:
    log = MemoryEventLog()
    facts = [*await grow(log, "a", "1"), *await grow(log, "b", "1"), *await grow(log, "a", "2")]
    ledger = ledger_of(log, capacity=1)
    ledger.begin()
    for fact in facts:
        ledger.apply(fact)
    assert (await ledger.load("a")).state == Counter(2, ["1", "2"])


STEPS = st.lists(
    st.tuples(st.sampled_from(["first", "second"]), st.sampled_from(["increment", "repeat", "follow", "forget"])),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_two_replicas_agree_with_the_log_whatever_their_followers_do(steps: list[tuple[str, str]]) -> None:
    async def play() -> None:
        log = MemoryEventLog()
        ledgers = {"first": ledger_of(log), "second": ledger_of(log)}
        positions = dict.fromkeys(ledgers, 0)
        for number, (name, step) in enumerate(steps):
            if step == "follow" and positions[name] < len(log.facts):
                ledgers[name].apply(log.facts[positions[name]])
                positions[name] += 1
            elif step == "forget":
                ledgers[name].forget_all()
            elif step in ("increment", "repeat"):
                op = "same" if step == "repeat" else str(number)
                folded = await ledgers[name].transact("a", COUNTERS.increment("a", op), soon())
                assert folded.state.seen == [fact.op for fact in log.facts]
        ops = [fact.op for fact in log.facts]
        assert len(ops) == len(set(ops))

    asyncio.run(play())


def both(*ops: str) -> Callable[[Sequence[Counter]], list[NewFact | None]]:
    """Increments "a" by the first operation and "b" by the second."""
    return lambda states: [COUNTERS.increment(key, op)(state) for key, op, state in zip("ab", ops, states, strict=True)]


async def test_two_aggregates_change_together_and_a_loser_decides_both_again() -> None:
    log = MemoryEventLog()
    ledger = ledger_of(log)
    await ledger.transact_all(["a", "b"], both("1", "1"), soon())
    await grow(log, "b", "elsewhere")
    here, there = await ledger.transact_all(["a", "b"], both("2", "2"), soon())
    assert (here.state.seen, there.state.seen) == (["1", "2"], ["1", "elsewhere", "2"])
    assert (here.seq, there.seq, len(log.facts)) == (4, 5, 5)


async def test_of_two_aggregates_the_one_with_nothing_to_do_is_left_alone() -> None:
    log = MemoryEventLog()
    ledger = ledger_of(log)
    await ledger.transact_all(["a", "b"], both("1", "1"), soon())
    here, there = await ledger.transact_all(["a", "b"], both("2", "1"), soon())
    assert (here.state.seen, there.state.seen, len(log.facts)) == (["1", "2"], ["1"], 3)


async def test_pairs_in_both_directions_do_not_wait_for_each_other() -> None:
    log = MemoryEventLog()
    ledger = ledger_of(log)

    def back(op: str) -> Callable[[Sequence[Counter]], list[NewFact | None]]:
        return lambda states: both(op, op)(states[::-1])[::-1]

    async with asyncio.timeout(30):
        await asyncio.gather(
            *(ledger.transact_all(["a", "b"], both(f"x{n}", f"x{n}"), soon(30)) for n in range(20)),
            *(ledger.transact_all(["b", "a"], back(f"y{n}"), soon(30)) for n in range(20)),
        )
    assert [(await ledger.load(key)).state.value for key in "ab"] == [40, 40]


async def test_what_somebody_else_wrote_ends_no_aggregate() -> None:
    """And what we wrote ourselves and cannot read does: no answer is better than one from half a log."""
    log = MemoryEventLog()
    ledger = ledger_of(log)
    await ledger.transact("a", COUNTERS.increment("a", "1"), soon())
    forged = StoredFact(subject=COUNTERS.subject("a"), seq=2, at=0.0, body=b"[]", headers={}, foreign=True)
    log.facts.append(forged)
    ledger.apply(forged)
    assert (await ledger.load("a")).seq == 2
    assert (await ledger.transact("a", COUNTERS.increment("a", "2"), soon())).state.seen == ["1", "2"]
    assert (await ledger_of(log).load("a")).state.seen == ["1", "2"]
    log.facts.append(replace(forged, seq=4, foreign=False))
    with pytest.raises(TypeError):
        await ledger_of(log).load("a")


async def test_the_last_fact_that_can_be_read_is_the_state_where_each_has_it_whole() -> None:
    log, codec = MemoryEventLog(), Counters(last_only=True)
    running = Ledger(log, codec)
    await running.transact("a", codec.increment("a", "1"), soon())
    log.facts.append(StoredFact(subject=codec.subject("a"), seq=2, at=0.0, body=b"[", headers={}, foreign=True))
    for ledger in (running, Ledger(log, codec)):
        assert (await ledger.latest("a")).state.seen == ["1"]
    assert (await Ledger(log, codec).transact("a", codec.increment("a", "2"), soon())).state.seen == ["1", "2"]


async def test_whoever_makes_up_names_fills_no_memory() -> None:
    ledger = ledger_of(MemoryEventLog())
    ledger.begin()
    for number in range(100):
        assert (await ledger.latest(f"nobody-{number}")).seq == 0
    assert ledger.kept == 0
    assert ledger.whole() == []


class InSegments(Counters):
    """Each fact of the queue has a subject of its own; after five the log goes on in the next segment."""

    def __init__(self) -> None:
        super().__init__("queue")

    def guard(self, key: str) -> str:
        return f"log.queue.*.{key}.*"

    def segment(self, key: str, state: Counter) -> str:
        return f"log.queue.{in_segment('queue', state.value // 5)}.{key}.*"

    def increment(self, key: str, op: str, *, at_most: int | None = None) -> Callable[[Counter], NewFact | None]:
        def decide(state: Counter) -> NewFact | None:
            fact = super(InSegments, self).increment(key, op, at_most=at_most)(state)
            return fact and replace(fact, subject=FactSubject("queue", "queue", key, op, state.value // 5))

        return decide


class Guarding(MemoryEventLog):
    """`covered`: how many facts each guard of an append looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.covered: list[int] = []

    async def append(self, fact: NewFact, *, guard: str, expected: int, timeout: float) -> int:
        self.covered.append(sum(covers(guard, str(each.subject)) for each in self.facts))
        assert covers(guard, str(fact.subject))
        return await super().append(fact, guard=guard, expected=expected, timeout=timeout)


@settings(max_examples=50)
@given(st.lists(st.sampled_from(["a", "b", "b follows", "new"]), min_size=12, max_size=60))
def test_replicas_agree_on_a_log_in_segments_and_no_append_looks_at_more_than_one(steps: list[str]) -> None:
    async def run() -> None:
        log, codec = Guarding(), InSegments()

        def replica() -> Ledger[Counter, dict[str, object]]:
            return Ledger(log, codec, segment=codec.segment)

        replicas, told = {"a": replica(), "b": replica()}, 0
        for number, step in enumerate(steps):
            if step == "b follows":
                for fact in log.facts[told:]:
                    replicas["b"].apply(fact)
                told = len(log.facts)
                continue
            if step == "new":
                replicas["a"] = replica()
            who = replicas["b" if step == "b" else "a"]
            assert "o" + str(number) in (await who.transact("q", codec.increment("q", f"o{number}"), soon())).state.seen
        ops = [fact.op for fact in log.facts]
        assert ops == [f"o{number}" for number, step in enumerate(steps) if step != "b follows"]
        assert max(log.covered, default=0) <= 5
        for each in (*replicas.values(), replica()):
            folded = await each.latest("q")
            assert (folded.state.seen, folded.seq) == (ops, len(ops))

    asyncio.run(run())


@settings(max_examples=100)
@given(st.lists(st.sampled_from(["a", "b", "a follows", "b follows", "new", -1, 0, 1]), min_size=6, max_size=60))
def test_replicas_agree_whatever_somebody_writes_into_any_segment(steps: list[str | int]) -> None:
    """Into one before, the one that is written to, or one after it."""

    async def run() -> None:
        log, codec = MemoryEventLog(), InSegments()

        def replica() -> Ledger[Counter, dict[str, object]]:
            return Ledger(log, codec, segment=codec.segment)

        replicas, told = {"a": replica(), "b": replica()}, {"a": 0, "b": 0}
        for number, step in enumerate(steps):
            if isinstance(step, int):
                segment = max(0, step + (await replica().latest("q")).state.value // 5)
                log.facts.append(
                    StoredFact(
                        subject=FactSubject("queue", "queue", "q", f"x{number}", segment), seq=len(log.facts) + 1,
                        at=0.0, body=b'{"op": "x"}' if number % 2 else b"[", headers={}, foreign=True,
                    )
                )  # fmt: skip
            elif step.endswith("follows"):
                who = step[0]
                for fact in log.facts[told[who] :]:
                    replicas[who].apply(fact)
                told[who] = len(log.facts)
            elif step == "new":
                replicas["a"], told["a"] = replica(), len(log.facts)
            else:
                await replicas[step].transact("q", codec.increment("q", f"o{number}"), soon())
        wrote = [fact.op for fact in log.facts if not fact.foreign]
        fresh = (await replica().latest("q")).state.seen
        assert [op for op in fresh if op != "x"] == wrote
        for each in replicas.values():
            assert (await each.latest("q")).state.seen == fresh

    asyncio.run(run())


async def test_who_has_missed_the_end_of_a_segment_appends_nothing_in_it() -> None:
    log, codec = MemoryEventLog(), InSegments()
    early, late = (Ledger(log, codec, segment=codec.segment) for _ in range(2))
    for ledger, op in ((early, "1"), (early, "2"), (late, "3"), (early, "4"), (early, "5"), (early, "6"), (late, "7")):
        await ledger.transact("q", codec.increment("q", op), soon())
    assert [fact.subject.segment for fact in log.facts] == [0] * 5 + [1] * 2
    assert [fact.op for fact in log.facts] == list("1234567")
