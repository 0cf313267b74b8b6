"""Heartbeats (Engine.IO v4): who answers is pinged at its interval, who does not is told of once."""

import asyncio

from confer_edge.wheel import Wheel

PATIENCE_S = 30.0


class Session:
    """Answers each ping, up to a number of them."""

    closed = False
    heard = True

    def __init__(self, answers: int) -> None:
        self.pings = 0
        self.silences = 0
        self._answers = answers
        self.changed = asyncio.Event()

    def ping(self) -> None:
        self.pings += 1
        self.heard = self.pings <= self._answers
        self.changed.set()

    def silent(self) -> None:
        self.silences += 1
        self.changed.set()


async def _until(session: Session, *, pings: int, silences: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (session.pings, session.silences) < (pings, silences):
            session.changed.clear()
            await session.changed.wait()


async def test_an_interval_shorter_than_the_patience_is_kept() -> None:
    wheel, session = Wheel(0.02, 10 * PATIENCE_S), Session(answers=100)
    wheel.add(session)
    await _until(session, pings=5, silences=0)
    wheel.stop()
    assert session.silences == 0


async def test_who_does_not_answer_is_told_of_once_and_not_pinged_again() -> None:
    for interval_s, timeout_s in ((0.02, 0.1), (0.1, 0.02)):
        wheel, session, other = Wheel(interval_s, timeout_s), Session(answers=2), Session(answers=100)
        wheel.add(session)
        await _until(session, pings=3, silences=1)
        wheel.add(other)
        await _until(other, pings=4, silences=0)
        wheel.stop()
        assert (session.pings, session.silences) == (3, 1)
        assert other.silences == 0


async def test_a_closed_session_is_left_out() -> None:
    wheel, gone, other = Wheel(0.02, 0.02), Session(answers=0), Session(answers=100)
    gone.closed = True
    wheel.add(gone)
    wheel.add(other)
    await _until(other, pings=3, silences=0)
    wheel.stop()
    assert (gone.pings, gone.silences) == (0, 0)
