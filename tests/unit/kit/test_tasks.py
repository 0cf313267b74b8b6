"""Background tasks: owned, reported, ended together."""

import asyncio

import pytest

from confer_kit.tasks import Tasks


async def test_a_task_is_held_until_it_is_done() -> None:
    tasks, release = Tasks(), asyncio.Event()

    async def work() -> str:
        await release.wait()
        return "done"

    task = tasks.start(work(), "a name")
    assert (len(tasks), task.get_name()) == (1, "a name")
    release.set()
    assert await task == "done"
    assert await tasks.finished(1)
    assert len(tasks) == 0


async def test_a_failure_is_reported_with_the_tasks_name(capsys: pytest.CaptureFixture[str]) -> None:
    tasks = Tasks()

    async def fail() -> None:
        raise ValueError("seen")

    tasks.start(fail(), "the failing one")
    assert await tasks.finished(1)
    await asyncio.sleep(0)
    printed = capsys.readouterr().out
    assert "the failing one" in printed
    assert "error=ValueError in fail" in printed


async def test_cancel_ends_them_all_and_a_late_one_is_told_apart() -> None:
    tasks, ended = Tasks(), []

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    tasks.start(work("a"))
    tasks.start(work("b"))
    await asyncio.sleep(0)
    assert not await tasks.finished(0.01)
    await tasks.cancel()
    assert sorted(ended) == ["a", "b"]
    assert len(tasks) == 0


async def test_nothing_to_wait_for_is_finished() -> None:
    tasks = Tasks()
    assert await tasks.finished(0)
    await tasks.cancel()
