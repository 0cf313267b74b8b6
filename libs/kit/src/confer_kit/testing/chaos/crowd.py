"""People in several rooms and somebody who writes for each, on and on; then what each saw is compared with the log."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar

from confer_kit import clock
from confer_kit.event_log import Unavailable
from confer_kit.tasks import Tasks
from confer_kit.testing.chaos.judge import Judge
from confer_kit.testing.chaos.member import Member
from confer_kit.testing.chaos.page import open_page
from confer_kit.testing.chaos.person import Person
from confer_kit.testing.chaos.sightings import Offset, Sighting
from confer_kit.testing.chaos.truth import Recorder
from confer_kit.testing.chaos.writer import Writer
from confer_kit.testing.javascript import WAYS, Node

PATIENTS: Final = ["A", "B", "ผู้ป่วย 1"]
SETTLED_WITHIN_S: Final = 180.0
VERDICT_WITHIN_S: Final = 60.0
VERDICTS_MIN: Final = 3  # each may take longer than that

T = TypeVar("T")


@dataclass
class Verdict:
    """`problems` empty: every acknowledged write is in the log once, and every member got what the log says."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


class Crowd:
    """`recorder` reads the log. `serving` returns when all edges are healthy."""

    def __init__(self, recorder: Recorder, serving: Callable[[], Awaitable[None]], dice: random.Random) -> None:
        self.dice = dice
        self.members: list[Member] = []
        self.writers: list[Writer] = []
        self.recorder = recorder
        self._serving = serving
        self._tasks = Tasks()
        self._hung = 0
        self._wandering: list[asyncio.Task[None]] = []

    async def begin(self, stack: AsyncExitStack, urls: Sequence[str], people: int, node: Node | None = None) -> None:
        """At these edges, until the stack is closed; everybody is in."""
        await self.recorder.start()
        stack.push_async_callback(self.recorder.close)
        self._tasks.start(self.recorder.run(), "recorder")
        stack.push_async_callback(self._tasks.cancel)
        for number in range(people):
            person = Person(f"u{number}", urls, PATIENTS, random.Random(self.dice.random()))  # noqa: S311
            self.members.append(person)
            self._tasks.start(person.run(), person.name)
            writer = Writer(person, PATIENTS, random.Random(self.dice.random()))  # noqa: S311
            self.writers.append(writer)
            self._tasks.start(writer.run(), f"{person.name} writes")
            if number % 3 == 2:
                dice = random.Random(self.dice.random())  # noqa: S311
                self._wandering.append(self._tasks.start(person.wander(dice), f"{person.name} wanders"))
        for number, way in enumerate(WAYS if node is not None else []):
            assert node is not None
            self.members.append(await open_page(node, way, urls[number % len(urls)], f"p{number}", PATIENTS))
        await self.settle()

    async def until_calls_hang(self) -> None:
        """Wait until acknowledged writes are behind us and calls under way that a frozen part does not answer. A fault
        that meets none shows nothing."""
        await asyncio.sleep(0.3)
        asking = {writer.member.name: writer.asking for writer in self.writers if writer.asking}
        async with asyncio.timeout(30):
            while not any(w.asking and w.asking == asking.get(w.member.name) for w in self.writers):
                await asyncio.sleep(0.1)
                asking = {writer.member.name: writer.asking for writer in self.writers if writer.asking}
                await asyncio.sleep(0.3)
        assert any(writer.acknowledged for writer in self.writers)
        self._hung += 1

    async def rest(self) -> None:
        async with asyncio.timeout(SETTLED_WITHIN_S):
            await asyncio.gather(*(writer.rest() for writer in self.writers))

    async def hush(self) -> None:
        """Nobody calls, and LIVE stands still and is recorded to its end."""
        for writer in self.writers:
            writer.hush()
        await self.recorder.catch_up_to_its_end()

    def go_on(self) -> None:
        for writer in self.writers:
            writer.go_on()

    def state(self) -> str:
        written = sum(len(writer.acknowledged) for writer in self.writers)
        came = sum(len(member.saw) for member in self.members)
        back = sum(member.recoveries for member in self.members)
        return f"{written} writes, {came} events, {back} recoveries"

    async def settle(self) -> None:
        """All edges healthy, everybody back, writing, and hearing of it."""
        before = [len(writer.acknowledged) for writer in self.writers]
        heard = [member.latest for member in self.members]
        try:
            async with asyncio.timeout(SETTLED_WITHIN_S):
                await self._serving()
                while not (self._all_are_back() and self._all_wrote(before) and self._all_hear(heard)):  # noqa: ASYNC110 - others' doing
                    await asyncio.sleep(0.1)
        except TimeoutError:
            away = [f"{member.name} {member.lost_by}" for member in self.members if not member.connected]
            stuck = [w.member.name for w, b in zip(self.writers, before, strict=True) if len(w.acknowledged) <= b]
            refusals = sum((writer.refusals for writer in self.writers), Counter[str]())
            told = f"away {away}, not writing {stuck}, refused {refusals}, heard {[m.latest for m in self.members]}"
            raise AssertionError(f"it does not settle: {told}") from None

    def _all_are_back(self) -> bool:
        return all(member.connected for member in self.members)

    def _all_wrote(self, before: list[int]) -> bool:
        return all(len(w.acknowledged) > b for w, b in zip(self.writers, before, strict=True))

    def _all_hear(self, before: Sequence[Offset | None]) -> bool:
        """Of the LIVE that there is now."""
        epoch, heard = self.recorder.truth.end.epoch, [member.latest for member in self.members]
        return all(now != then and now and now.epoch == epoch for now, then in zip(heard, before, strict=True))

    async def verdict(self) -> Verdict:
        """After the last word has come to everybody, which is waited for."""
        await self.rest()
        for wandering in self._wandering:
            wandering.cancel()
        for member in self.members:  # the last snapshot holds every value
            await member.enter()
        wrong_rosters = await self._repeated(self._wrong_rosters, lambda wrong: not wrong)
        verdict = await self._repeated(self._compared, lambda compared: not compared.problems)
        verdict.problems += wrong_rosters
        return verdict

    async def _repeated(self, work: Callable[[], Awaitable[T]], good: Callable[[T], bool]) -> T:
        """Until the result is good, or for so long, but more than once: the last one. Raises Unavailable."""
        deadline, times = clock.now() + VERDICT_WITHIN_S, 0
        while True:
            times += 1
            last = clock.now() > deadline and times >= VERDICTS_MIN
            try:
                result = await work()
                if good(result) or last:
                    return result
            except Unavailable:
                if last:
                    raise
            await asyncio.sleep(1)

    async def _wrong_rosters(self) -> list[str]:
        """Presence is the set of live connections: everybody is in every room by now."""
        everybody, first = {member.name for member in self.members}, self.members[0]
        await first.enter()
        return [
            f"a roster lacks {sorted(everybody - roster)} and names {sorted(roster - everybody)}"
            for roster in first.present
            if roster != everybody
        ]

    async def _compared(self) -> Verdict:
        """What was seen until now with what the log says then. It may take a while, in which pings are answered."""
        seen = [(member.name, tuple(member.saw)) for member in self.members]
        async with self.recorder.still():
            return await asyncio.to_thread(self._judged, seen)

    def _judged(self, seen: Sequence[tuple[str, Sequence[Sighting]]]) -> Verdict:
        verdict, truth = Verdict(), self.recorder.truth
        for name, sightings in seen:
            judge = Judge(name, truth).hear(sightings).close()
            verdict.counts.update(judge.counts)
            verdict.problems += judge.problems
        verdict.problems += self.recorder.problems
        for writer in self.writers:
            verdict.problems += writer.problems
            verdict.counts["writes acknowledged"] += len(writer.acknowledged)
            verdict.counts["calls without an answer"] += writer.unanswered
            wrong = [op for op in writer.acknowledged if truth.operations[op] != 1]
            verdict.counts["acknowledged, not in the log once"] += len(wrong)
            verdict.problems += [
                f"{writer.member.name}: {op} is in the log {truth.operations[op]} times" for op in wrong
            ]
        verdict.counts["kills amid calls"] = self._hung
        return verdict


@asynccontextmanager
async def crowd(
    recorder: Recorder, url: str, serving: Callable[[], Awaitable[None]], *, people: int, node: Node | None = None
) -> AsyncIterator[Crowd]:
    """In it; at the end AssertionError with all that was lost, came twice or is wrong."""
    async with AsyncExitStack() as stack:
        made = Crowd(recorder, serving, random.Random(people))  # noqa: S311 - repeatable
        await made.begin(stack, [url], people, node)
        yield made
        verdict = await made.verdict()
        print(dict(verdict.counts))
        assert not verdict.problems, "\n".join(verdict.problems)
