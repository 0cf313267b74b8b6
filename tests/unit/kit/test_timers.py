"""Deadlines fire once, soon after their time, and the newest one of a name counts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from confer_contracts.errors import ErrorCode, Rejection
from confer_kit import clock, telemetry
from confer_kit.tasks import Tasks
from confer_kit.timers import SPARE, Timers


class Fired:
    """What fired, in order."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._more = asyncio.Event()

    def note(self, name: str) -> Callable[[], Awaitable[None]]:
        async def fire() -> None:
            self.names.append(name)
            self._more.set()

        return fire

    async def until(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.names) < count:
                self._more.clear()
                await self._more.wait()


@pytest.fixture
async def timers(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Timers]:
    monkeypatch.setattr("confer_kit.timers.JITTER_S", 0.0)
    made, tasks = Timers(), Tasks()
    tasks.start(made.run())
    yield made
    await tasks.cancel()


async def test_deadlines_fire_in_the_order_of_their_times(timers: Timers) -> None:
    fired, now = Fired(), clock.now()
    for name, after in (("third", 0.12), ("first", -5.0), ("second", 0.06)):
        timers.set(name, now + after, fired.note(name))
    assert len(timers) == 3
    await fired.until(3)
    assert fired.names == ["first", "second", "third"]
    assert len(timers) == 0


async def test_none_fires_before_its_time(timers: Timers) -> None:
    fired, due = Fired(), clock.now() + 0.2
    timers.set("a", due, fired.note("a"))
    await fired.until(1)
    assert clock.now() >= due


async def test_a_deadline_that_is_set_again_is_replaced(timers: Timers) -> None:
    fired, now = Fired(), clock.now()
    timers.set("a", now + 0.05, fired.note("old"))
    timers.set("a", now + 0.1, fired.note("new"))
    timers.set("b", now + 0.15, fired.note("b"))
    assert len(timers) == 2
    await fired.until(2)
    assert fired.names == ["new", "b"]


async def test_a_deadline_may_be_brought_forward(timers: Timers) -> None:
    fired = Fired()
    timers.set("a", clock.now() + 3600, fired.note("far"))
    await asyncio.sleep(0)
    timers.set("a", clock.now(), fired.note("near"))
    await fired.until(1)
    assert fired.names == ["near"]


async def test_a_cancelled_deadline_does_not_fire(timers: Timers) -> None:
    fired, now = Fired(), clock.now()
    timers.set("a", now + 0.02, fired.note("a"))
    timers.set("b", now + 0.05, fired.note("b"))
    timers.cancel("a")
    timers.cancel("never set")
    await fired.until(1)
    assert fired.names == ["b"]


async def test_one_that_fails_is_tried_again_and_holds_up_no_other(
    timers: Timers, monkeypatch: pytest.MonkeyPatch
) -> None:
    fired, failures = Fired(), [ValueError("the log is away")]

    async def fails_once() -> None:
        if failures:
            raise failures.pop()
        await fired.note("again")()

    timers.set("a", clock.now(), fails_once)
    timers.set("b", clock.now(), fired.note("b"))
    await fired.until(2)
    assert fired.names == ["b", "again"]


async def test_one_that_sets_itself_again_goes_on(timers: Timers) -> None:
    fired = Fired()

    async def again() -> None:
        await fired.note("tick")()
        if len(fired.names) < 3:
            timers.set("tick", clock.now(), again)

    timers.set("tick", clock.now(), again)
    await fired.until(3)
    assert len(timers) == 0


async def test_replicas_fire_apart() -> None:
    timers = Timers()
    for number in range(50):
        timers.set(str(number), 100.0, Fired().note("x"))
    due = {at for at, *_ in timers._due.values()}
    assert len(due) > 40
    assert all(100.0 <= at <= 100.15 for at in due)


async def test_what_is_set_anew_or_cancelled_leaves_nothing_behind(timers: Timers) -> None:
    """However far away its deadline was."""
    fired, year = Fired(), clock.now() + 365 * 86400
    for number in range(5 * SPARE):
        timers.set("moved", year + number, fired.note("moved"))
        timers.set(f"cancelled {number}", year, fired.note("cancelled"))
        timers.cancel(f"cancelled {number}")
    assert len(timers._heap) <= 2 * len(timers) + SPARE + 1
    timers.set("moved", clock.now(), fired.note("moved"))
    await fired.until(1)
    assert fired.names == ["moved"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (None, ["outcome=ok"]),
        (Rejection(ErrorCode.UNAVAILABLE, "P-1"), ["! ", "outcome=unavailable"]),
        (TimeoutError("P-1"), ["! ", "outcome=unavailable"]),
        (KeyError("P-1"), ["!! ", "outcome=internal", "error=KeyError in fire"]),
    ],
)
async def test_each_is_a_line_with_a_trace_and_nobody_is_named(
    timers: Timers, capsys: pytest.CaptureFixture[str], error: Exception | None, told: list[str]
) -> None:
    fired, traces = Fired(), list[str | None]()

    async def fire() -> None:
        traces.append(telemetry.trace_id())
        timers.cancel("grace room.P-1")
        timers.set("next", clock.now(), fired.note("next"))
        if error is not None:
            raise error

    timers.set("grace room.P-1", clock.now(), fire)
    await fired.until(1)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "timer grace" in line]
    assert all(each in line for each in [*told, f"trace={traces[0]}"]), line
    assert "P-1" not in line
