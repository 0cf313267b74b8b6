"""What a command costs does not grow with those who wait, nor with those who were here: counted, in lines of Python
that are run and in facts that a guard covers, for seconds would say more about the machine."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from confer_kit import clock
from confer_kit.event_log import MemoryEventLog, covers
from confer_kit.facts import NewFact
from confer_kit.ledger import Ledger
from confer_kit.tasks import Tasks
from queue_svc.codec import QueueCodec
from queue_svc.domain.commands import (
    AddNote,
    Assign,
    By,
    CallNext,
    Cancel,
    Command,
    Enqueue,
    Hold,
    Move,
    Resume,
    SetPriority,
    UseClaim,
)
from queue_svc.domain.decide import decide
from queue_svc.domain.order import Ordering
from queue_svc.domain.policy import Policy, PolicyDeclared
from queue_svc.domain.queue import Event, Queue, evolve
from queue_svc.domain.ticket import PRIORITIES, Priority
from queue_svc.segments import Segments
from queue_svc.tickets import Tickets

T0, FEW, MANY = 1_700_000_000.0, 40, 4000


class Desk:
    """Somebody who does one thing after the other with a queue; `lines`: of Python, that the last one took, in a day
    whose costs are counted."""

    def __init__(self, ordering: Ordering) -> None:
        self.queue = evolve(Queue(), declared(ordering))
        self._count = self.lines = 0
        self._counts = False

    def by(self) -> By:
        self._count += 1
        return By("ana", "s", f"o{self._count}", T0 + self._count)

    def enqueue(self) -> str:
        number = self._count
        self.do(Enqueue(self.by(), f"t{number}", f"p{number}", PRIORITIES[number % 3]))
        return f"t{number}"

    def call(self) -> tuple[str, str]:
        token = f"c{self._count}"
        self.do(CallNext(self.by(), token, 60.0))
        return next(one.id for one in self.queue.tickets.values() if one.claim and one.claim.token == token), token

    def use(self, action: Any, ticket: str, token: str) -> None:
        self.do(UseClaim(self.by(), action, ticket, token, 60.0))

    def do(self, command: Command) -> None:
        def work() -> None:
            event = decide(command, self.queue)
            assert event is not None
            evolve(self.queue, event)

        if self._counts:
            self.lines = lines_of(work)
        else:
            work()

    def day(self) -> dict[str, int]:
        """What each command costs."""
        costs, self._counts = dict[str, int](), True

        def cost(name: str) -> None:
            costs[name] = self.lines

        ticket = self.enqueue()
        cost("enqueue")
        other: Priority = "low" if self.queue.tickets[ticket].priority == "high" else "high"
        for name, command in (
            ("priority", SetPriority(self.by(), ticket, other)),
            ("move", Move(self.by(), ticket, "urgent", position=len(self.queue.line) // 2)),
            ("assign", Assign(self.by(), ticket, "bob")),
            ("note", AddNote(self.by(), ticket, "n", "text")),
            ("hold", Hold(self.by(), ticket)),
            ("resume", Resume(self.by(), ticket)),
            ("cancel", Cancel(self.by(), ticket)),
        ):
            self.do(command)
            cost(name)
        for last in ("requeue", "no_show", "done"):
            called, token = self.call()
            cost("call_next")
            for action in ("recall", "renew") if last == "no_show" else ("serve",):
                self.use(action, called, token)
                cost(action)
            self.use(last, called, token)
            cost(last)
        return costs


def declared(ordering: Ordering) -> PolicyDeclared:
    return PolicyDeclared(policy=Policy(version=1, ordering=ordering), user="system", op="p", at=T0)


def lines_of(work: Callable[[], None]) -> int:
    count, before = 0, sys.gettrace()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "ordering", [Ordering(), Ordering(ageing_s=60.0), Ordering(shares=(3, 2, 1))], ids=lambda one: one.rule
)
@pytest.mark.parametrize("past", [False, True], ids=["who wait", "who were here"])
def test_a_command_does_not_take_longer_in_a_long_queue(ordering: Ordering, past: bool) -> None:
    def costs(people: int) -> dict[str, int]:
        desk = Desk(ordering)
        for _ in range(people):
            desk.enqueue()
            if past:
                desk.use("done", *desk.call())
        for _ in range(FEW):
            desk.enqueue()
        return desk.day()

    short, long = costs(FEW), costs(MANY)
    assert {name: cost for name, cost in long.items() if cost > 5 * short[name]} == {}  # logarithms, of it or squared


class Guarding(MemoryEventLog):
    """`covered`: how many facts were under the guard of each append."""

    def __init__(self) -> None:
        super().__init__()
        self.covered: list[int] = []

    async def append(self, fact: NewFact, *, guard: str, expected: int, timeout: float) -> int:
        self.covered.append(sum(covers(guard, str(each.subject)) for each in self.facts))
        return await super().append(fact, guard=guard, expected=expected, timeout=timeout)


async def test_the_guard_of_an_append_covers_no_more_facts_than_a_segment_has() -> None:
    log, codec, tasks = Guarding(), QueueCodec(), Tasks()
    ledger: Ledger[Queue, Event] = Ledger(log, codec, segment=codec.segment)
    tickets = Tickets(ledger, Segments(ledger, tasks, most=20))
    for number in range(100):
        by = By("ana", "s", f"o{number}", clock.now())
        await tickets.run("a", Enqueue(by, f"t{number}", f"p{number}"), by.now + 60)
        assert await tasks.finished(60)
    assert max(log.covered) == 20
    assert {fact.subject.segment for fact in log.facts} == set(range(5))
    assert len((await ledger.load("a")).state.tickets) == 100
