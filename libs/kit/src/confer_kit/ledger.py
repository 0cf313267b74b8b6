"""Folds of one stream: load, decide, append (ARCHITECTURE.md, "State").

One in-process lane per aggregate, so that contenders are replicas and not callers; the cache is kept current by the
service's follower and guarded by the append's expected sequence.
"""

import asyncio
import contextlib
import itertools
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.subjects import FactSubject
from confer_kit import clock, telemetry
from confer_kit.event_log import Append, Conflict, EventLog, OutcomeUnknown, Unavailable, as_rejection, covers
from confer_kit.facts import NewFact, StoredFact
from confer_kit.logs import logger

log = logger(__name__)

S = TypeVar("S")
E = TypeVar("E")
T = TypeVar("T")
DecideAll = Callable[[Sequence[S]], Sequence[NewFact | None]]

LANE_WAITERS_MAX = 1000
APPEND_TIMEOUT_S = 2.0
BACKOFF_S, BACKOFF_MAX_S = 0.01, 0.3


class Codec(Protocol[S, E]):
    """How a service's domain meets the log."""

    stream: str
    last_only: bool  # every fact carries the whole state: the last one is enough to load

    def aggregate(self, subject: FactSubject) -> str | None:
        """The key of the aggregate that a fact belongs to; None: not of this codec."""
        ...

    def guard(self, key: str) -> str:
        """The subject, or pattern, that covers exactly this aggregate."""
        ...

    def initial(self, key: str) -> S: ...
    def decode(self, fact: StoredFact) -> E | None: ...
    def evolve(self, state: S, event: E) -> S: ...


def decoded(decode: Callable[[StoredFact], E | None], fact: StoredFact) -> E | None:
    """The event in a fact; None also for what no service wrote and nobody can read."""
    try:
        return decode(fact)
    except Exception:
        if not fact.foreign:  # a defect: no answer is better than one from half a log
            raise
        return None


@dataclass(slots=True)
class Folded(Generic[S]):
    """A state, and the sequence of the last fact in it. It lives on: read what you need before the next await.

    `guarded`: the same, but 0 while nothing is under the guard that the state has now.
    """

    state: S
    seq: int = 0
    guarded: int = 0


@dataclass(slots=True)
class _Loading(Generic[S]):
    """A fold that is being read, for all who ask meanwhile. `arrived`: what the follower brought since it began."""

    done: asyncio.Future[Folded[S]]
    arrived: list[StoredFact]


@dataclass(slots=True)
class _Lane:
    """One at a time; `users`: at work or waiting."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class Ledger(Generic[S, E]):
    """All aggregates of one codec in this replica.

    `segment`: of a log that is in segments (docs/adr/0043), the subjects of the one that is written to, in place of the
    codec's guard. What leads to the next one is the last fact in it, so that whoever has missed it has a conflict.
    What somebody else wrote into one that has ended, or is yet to come, counts for nobody.
    """

    def __init__(
        self, log: EventLog, codec: Codec[S, E], capacity: int = 10_000, segment: Callable[[str, S], str] | None = None
    ) -> None:
        self._log = log
        self._codec = codec
        self._capacity = capacity
        self._segment = segment
        self._folds: OrderedDict[str, Folded[S]] = OrderedDict()
        self._loading: dict[str, _Loading[S]] = {}
        self._lanes: dict[str, _Lane] = {}
        self._complete = False  # no fold was ever left out or let go: whoever is not here has no facts

    @property
    def kept(self) -> int:
        """Folds that are in memory."""
        return len(self._folds)

    async def transact(self, key: str, decide: Callable[[S], NewFact | None], deadline: float) -> Folded[S]:
        """Decide on the current state, append what comes of it, answer the state after.

        A refusal, and "nothing to do", count only on a state read from the leader. Whether an append whose answer
        never came was stored is seen by deciding again: the operation is in the state, or is not. Rejection
        `unavailable` or `outcome_unknown` at the deadline (Unix seconds), whichever is true.
        """
        return (await self.transact_all([key], lambda states: [decide(states[0])], deadline))[0]

    async def transact_all(self, keys: Sequence[str], decide: DecideAll[S], deadline: float) -> list[Folded[S]]:
        """As `transact`, on several aggregates of the same stream: what comes of it is stored together or not at all,
        and one after the other (docs/adr/0026). `keys` are distinct; `decide` answers a fact or None for each."""
        return await self._in_lanes(sorted(keys), lambda: self._run(keys, decide, deadline))

    async def load(self, key: str, deadline: float | None = None) -> Folded[S]:
        """The current fold: from the cache that the follower keeps, or from the leader."""
        try:
            return await self._current(key)
        except Unavailable as error:
            raise as_rejection(error) from error

    async def latest(self, key: str) -> Folded[S]:
        """The fold, with all that the leader has of it. Rejection(unavailable) when it cannot be asked."""
        try:
            folded = await self._current(key)
            await self._catch_up(key, folded)
        except (Conflict, Unavailable) as error:
            raise as_rejection(error) from error
        return folded

    def apply(self, fact: StoredFact) -> None:
        """The follower brings a fact of the stream."""
        key = self._codec.aggregate(fact.subject)
        if key is None:
            return
        if (loading := self._loading.get(key)) is not None:
            loading.arrived.append(fact)
        folded = self._folds.get(key)
        if folded is None and self._complete and key not in self._loading:
            folded = Folded(self._codec.initial(key))
            self._keep(key, folded)
        if folded is not None:
            self._advance(key, folded, fact)

    def begin(self) -> None:
        """The follower brings every fact from the first on: folds are made as they come, and none is read later."""
        self._complete = True

    def whole(self) -> list[tuple[str, Folded[S]]] | None:
        """All folds by key; None: some were let go, or one is being read."""
        return list(self._folds.items()) if self._complete and not self._loading else None

    def restore(self, key: str, folded: Folded[S]) -> None:
        """After `begin`: a fold as of its sequence, from which the follower goes on."""
        self._keep(key, folded)

    def forget_all(self) -> None:
        """The follower lost its place: nothing cached, nor what is being read, can be trusted."""
        self._folds.clear()
        self._loading.clear()

    async def _in_lanes(self, keys: Sequence[str], work: Callable[[], Awaitable[T]]) -> T:
        """Whoever needs several lanes takes them in the same order as everybody else."""
        if not keys:
            return await work()
        key = keys[0]
        if (lane := self._lanes.get(key)) is None:
            lane = self._lanes[key] = _Lane()
        if lane.users >= LANE_WAITERS_MAX:
            raise Rejection(ErrorCode.LIMIT_EXCEEDED, f"more than {LANE_WAITERS_MAX} requests wait for the same record")
        lane.users += 1
        try:
            async with lane.lock:
                return await self._in_lanes(keys[1:], work)
        finally:
            lane.users -= 1
            if not lane.users:
                del self._lanes[key]

    async def _run(self, keys: Sequence[str], decide: DecideAll[S], deadline: float) -> list[Folded[S]]:
        """In the aggregates' lanes."""
        failure: Exception = Unavailable()
        if clock.now() >= deadline:
            raise Rejection(ErrorCode.UNAVAILABLE, "the deadline passed before this began: nothing was done")
        for attempt in itertools.count():
            if attempt:
                await self._pause(attempt, deadline, failure)
                telemetry.note({telemetry.ATTEMPT: attempt + 1})
            try:
                folds, facts = await self._decided(keys, decide, optimistic=attempt == 0)
                if not any(facts):
                    return folds
                if (left := deadline - clock.now()) <= 0:  # reading took too long: nobody waits for it any more
                    raise as_rejection(failure)
                await self._store(keys, folds, facts, min(APPEND_TIMEOUT_S, max(0.05, left)))
            except (Conflict, OutcomeUnknown, Unavailable) as error:
                if not isinstance(failure, OutcomeUnknown):  # once unknown, it stays so until it is seen
                    failure = error
            else:
                return folds
        raise AssertionError("unreachable: _pause gives up at the deadline")

    async def _store(
        self, keys: Sequence[str], folds: list[Folded[S]], facts: Sequence[NewFact | None], timeout: float
    ) -> None:
        new = [(key, folded, fact) for key, folded, fact in zip(keys, folds, facts, strict=True) if fact is not None]
        appends = [Append(fact, self._guard(key, folded.state), folded.guarded) for key, folded, fact in new]
        if len(appends) == 1:
            fact, guard, expected = appends[0]
            last = await self._log.append(fact, guard=guard, expected=expected, timeout=timeout)
        else:
            last = await self._log.append_all(appends, timeout=timeout)
        for seq, (key, folded, fact) in enumerate(new, last - len(new) + 1):
            self._advance(key, folded, fact.stored(seq, clock.now()))

    async def _decided(
        self, keys: Sequence[str], decide: DecideAll[S], *, optimistic: bool
    ) -> tuple[list[Folded[S]], Sequence[NewFact | None]]:
        """Try on the cached folds first; only facts to append may come of it, for the append checks each."""
        # a read that began before us is no newer than a cache
        cached = [key for key in keys if key in self._folds or key in self._loading]
        folds = [await self._current(key) for key in keys]
        if cached and optimistic:
            with contextlib.suppress(Rejection):
                facts = decide([folded.state for folded in folds])
                if all(facts):
                    return folds, facts
        for key, folded in zip(keys, folds, strict=True):
            if key in cached:
                await self._catch_up(key, folded)
        return folds, decide([folded.state for folded in folds])

    async def _current(self, key: str) -> Folded[S]:
        if (folded := self._folds.get(key)) is not None:
            self._folds.move_to_end(key)
            return folded
        if (loading := self._loading.get(key)) is None:
            return await self._load(key)
        return await asyncio.shield(loading.done)

    async def _load(self, key: str) -> Folded[S]:
        """Read the log once for everybody: after a restart a whole room asks for the same record."""
        folded = Folded(self._codec.initial(key))
        loading = self._loading[key] = _Loading(asyncio.get_running_loop().create_future(), [])
        try:
            await self._catch_up(key, folded)
        except BaseException as error:
            loading.done.set_exception(error if isinstance(error, Exception) else Unavailable("reading was cut short"))
            loading.done.exception()  # it may be that nobody waits
            raise
        else:
            for fact in loading.arrived:
                self._advance(key, folded, fact)
            # nothing is kept of what is not there while the follower would bring it: whoever asks can make up names
            if self._loading.get(key) is loading and (folded.seq or not self._complete):
                self._keep(key, folded)
            loading.done.set_result(folded)
            return folded
        finally:
            if self._loading.get(key) is loading:
                del self._loading[key]

    def _keep(self, key: str, folded: Folded[S]) -> None:
        self._folds[key] = folded
        while len(self._folds) > self._capacity:
            self._folds.popitem(last=False)
            self._complete = False

    async def _catch_up(self, key: str, folded: Folded[S]) -> None:
        while True:
            guard = self._guard(key, folded.state)
            await self._catch_up_under(guard, key, folded)
            if self._guard(key, folded.state) == guard:
                return  # else its log goes on in another segment

    async def _catch_up_under(self, guard: str, key: str, folded: Folded[S]) -> None:
        known = folded.guarded  # the follower may bring more while we wait
        last = await self._log.last(guard)
        if known > (last.seq if last else 0) and not self._codec.last_only:  # its last fact was erased: read it anew
            if self._folds.get(key) is folded:
                del self._folds[key]
                await self._load(key)  # at once: what the follower brings meanwhile is kept for it
            raise Conflict(guard)
        if last is None or last.seq <= folded.guarded:
            return
        if self._codec.last_only and (not last.foreign or decoded(self._codec.decode, last) is not None):
            facts = [last]
        else:
            facts = list(await self._log.read(guard, after=folded.guarded, upto=last.seq))
            if not facts or facts[-1].seq < last.seq:
                raise Unavailable("a replica that lags behind answered")
        for fact in facts:
            self._advance(key, folded, fact)

    def _advance(self, key: str, folded: Folded[S], fact: StoredFact) -> None:
        """What somebody else wrote counts if it can be read; it must not end the aggregate for everybody."""
        guard = self._guard(key, folded.state)
        if self._segment is not None and not covers(guard, str(fact.subject)):
            return
        if fact.seq <= folded.seq:  # known, or written before its segment began: the server counts it all the same
            folded.guarded = max(folded.guarded, fact.seq)
            return
        try:
            event = self._codec.decode(fact)
            if event is not None:
                folded.state = self._codec.evolve(folded.state, event)
        except Exception as error:
            if not fact.foreign:  # a defect: no answer is better than one from half a log
                raise
            log.error(
                "a fact that no service wrote cannot be read: left out",
                seq=fact.seq,
                stream=self._codec.stream,
                error=type(error).__name__,
            )
        folded.seq = fact.seq
        folded.guarded = fact.seq if self._guard(key, folded.state) == guard else 0

    def _guard(self, key: str, state: S) -> str:
        return self._codec.guard(key) if self._segment is None else self._segment(key, state)

    @staticmethod
    async def _pause(attempt: int, deadline: float, failure: Exception) -> None:
        """Back off with jitter, or give up when the next attempt would begin after the deadline."""
        wait = random.uniform(0, min(BACKOFF_MAX_S, BACKOFF_S * 2**attempt))  # noqa: S311 - jitter
        if clock.now() + wait >= deadline:
            raise as_rejection(failure)
        await asyncio.sleep(wait)
