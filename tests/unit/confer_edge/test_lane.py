"""One client's calls: in order, bounded, and none pays for the failure of another."""

import asyncio

import pytest

from confer_contracts.errors import ErrorCode, Rejection
from confer_edge.lane import Lane
from confer_kit.tasks import Tasks


async def test_work_runs_in_order_and_one_at_a_time() -> None:
    tasks, order = Tasks(), []
    lane = Lane(tasks, 10)

    def work(name: str, turns: int) -> None:
        async def run() -> None:
            order.append(f"{name} begins")
            for _ in range(turns):
                await asyncio.sleep(0)
            order.append(f"{name} ends")

        lane.submit(run)

    work("slow", 5)
    work("quick", 0)
    assert await tasks.finished(5)
    assert order == ["slow begins", "slow ends", "quick begins", "quick ends"]


async def test_a_failure_does_not_stop_what_follows() -> None:
    tasks, done = Tasks(), []
    lane = Lane(tasks, 10)

    async def fails() -> None:
        raise RuntimeError("a defect")

    async def works() -> None:
        done.append(True)

    lane.submit(fails)
    lane.submit(works)
    assert await tasks.finished(5)
    assert done == [True]


async def test_beyond_the_limit_the_client_is_told_but_the_edges_own_work_is_taken() -> None:
    tasks = Tasks()
    lane = Lane(tasks, 2)

    async def nothing() -> None: ...

    lane.submit(nothing)
    lane.submit(nothing)
    with pytest.raises(Rejection) as refusal:
        lane.submit(nothing)
    assert refusal.value.code is ErrorCode.LIMIT_EXCEEDED
    lane.submit(nothing, unbounded=True)
    assert await tasks.finished(5)
