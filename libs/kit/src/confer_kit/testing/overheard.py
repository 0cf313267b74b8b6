"""Calls as they pass, heard beside whoever answers them: for tests that need one to be under way."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from nats.aio.client import Client
from nats.aio.msg import Msg

from confer_contracts.ids import untoken
from confer_contracts.subjects import Header
from confer_kit.nats_link import settled
from confer_kit.testing.received import WAIT_S


class Overheard:
    """`ops`: the operations of the calls so far, in order."""

    def __init__(self) -> None:
        self.ops: list[str] = []
        self._more = asyncio.Event()

    async def take(self, message: Msg) -> None:
        self.ops.append(untoken((message.headers or {})[Header.OP]))
        self._more.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def overheard(nc: Client, subject: str) -> AsyncIterator[Overheard]:
    """The calls on a subject until the block ends. NATS takes the listener for somebody who may answer: meanwhile
    nobody is told that no service is there."""
    hearing = Overheard()
    subscription = await nc.subscribe(subject, cb=hearing.take)
    await settled(nc)
    try:
        yield hearing
    finally:
        await subscription.unsubscribe()
        await settled(nc)
