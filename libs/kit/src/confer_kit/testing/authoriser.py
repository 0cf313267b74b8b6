"""A small authoriser, as an installation might have one: it answers `call.access.check`."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import nats
from nats.aio.msg import Msg

from confer_contracts.access import CHECK, AccessAnswer, AccessQuestion
from confer_kit.nats_link import settled


class Authoriser:
    """`decide` answers each question: an answer, other bytes, or None for silence. `asked` keeps them all."""

    def __init__(self) -> None:
        self.decide: Callable[[AccessQuestion], AccessAnswer | bytes | None] = lambda _: AccessAnswer(allowed=True)
        self.asked: list[AccessQuestion] = []

    async def receive(self, message: Msg) -> None:
        question = AccessQuestion.model_validate_json(message.data)
        self.asked.append(question)
        answer = self.decide(question)
        if answer is not None:
            await message.respond(answer if isinstance(answer, bytes) else answer.model_dump_json().encode())


@asynccontextmanager
async def authoriser(url: str) -> AsyncIterator[Authoriser]:
    """Answering; gone at the end."""
    running = Authoriser()
    nc = await nats.connect(url)
    try:
        await nc.subscribe(CHECK.subject, queue="access", cb=running.receive)
        await settled(nc)
        yield running
    finally:
        await nc.close()
