"""Equal deadlines of many on one timer."""

import asyncio

from confer_edge.deadlines import Deadlines

PATIENCE_S = 30.0


async def test_whoever_is_not_stopped_is_late_once_and_in_order() -> None:
    late: list[str] = []
    passed = asyncio.Event()

    def note(member: str) -> None:
        late.append(member)
        if member == "last":
            passed.set()

    deadlines = Deadlines(0.02, note)
    for member in ("first", "stopped", "second"):
        deadlines.start(member)
    deadlines.stop("stopped")
    deadlines.start("first")  # runs already
    deadlines.start("last")
    assert "stopped" not in deadlines
    async with asyncio.timeout(PATIENCE_S):
        await passed.wait()
    assert late == ["first", "second", "last"]
    assert "first" not in deadlines


async def test_one_that_is_late_may_start_again() -> None:
    turns: list[str] = []
    done = asyncio.Event()

    def again(member: str) -> None:
        turns.append(member)
        if len(turns) == 3:
            done.set()
        else:
            deadlines.start(member)

    deadlines = Deadlines(0.001, again)
    deadlines.start("a")
    async with asyncio.timeout(PATIENCE_S):
        await done.wait()
    assert turns == ["a", "a", "a"]


async def test_one_timer_serves_all() -> None:
    deadlines: Deadlines[int] = Deadlines(60, lambda _: None)
    before = len(asyncio.get_running_loop()._scheduled)  # type: ignore[attr-defined]
    for member in range(1000):
        deadlines.start(member)
    assert len(asyncio.get_running_loop()._scheduled) == before + 1  # type: ignore[attr-defined]
