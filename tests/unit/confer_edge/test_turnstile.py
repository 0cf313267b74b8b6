"""So many at once, in order, and nobody waits for ever or takes a turn along."""

import asyncio
from contextlib import suppress

import pytest

from confer_contracts.errors import ErrorCode, Rejection
from confer_edge.turnstile import Turnstile
from confer_kit.tasks import Tasks


async def test_so_many_at_once_and_the_others_in_their_order() -> None:
    turnstile, tasks, order, inside, most = Turnstile("joins", 3), Tasks(), [], 0, 0

    async def pass_through(number: int) -> None:
        nonlocal inside, most
        async with turnstile.turn(10):
            order.append(number)
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    for number in range(20):
        tasks.start(pass_through(number))
    assert await tasks.finished(10)
    assert (order, most) == (list(range(20)), 3)


async def test_who_waits_too_long_is_told_and_has_taken_nothing() -> None:
    turnstile = Turnstile("joins", 1)
    async with turnstile.turn(None):
        with pytest.raises(Rejection, match=r"joins: 1 at a time, and this one has waited 0\.01 s$") as refusal:
            async with turnstile.turn(0.01):
                raise AssertionError
        assert (refusal.value.code, refusal.value.retry) == (ErrorCode.UNAVAILABLE, True)
    async with turnstile.turn(1):
        pass


async def test_a_failure_or_a_cancellation_gives_the_turn_back() -> None:
    turnstile, tasks = Turnstile("joins", 1), Tasks()
    with suppress(ZeroDivisionError):
        async with turnstile.turn(1):
            raise ZeroDivisionError

    async def stay() -> None:
        async with turnstile.turn(None):
            await asyncio.Event().wait()

    for _ in range(2):  # one is inside, one waits
        tasks.start(stay())
    await asyncio.sleep(0)
    await tasks.cancel()
    async with turnstile.turn(1):
        pass
