"""Requests whose answers are handed on as soon as they are read."""

import asyncio
from collections.abc import AsyncIterator

import nats.errors
import pytest
from nats.aio.msg import Msg
from nats.js.api import StreamConfig

from confer_kit.event_log import Conflict, Unavailable
from confer_kit.jetstream import replace, replace_later
from confer_kit.nats_client import nobody_answers
from confer_kit.nats_link import Link
from confer_kit.settings import KitSettings
from confer_kit.testing import nats_server

PATIENCE_S = 30.0
SUBJECT = "test.asking"


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    async with nats_server() as server:
        link = Link()
        await link.connect(KitSettings(nats_url=server.url), "test")
        yield link
        await link.close(PATIENCE_S)


async def test_each_request_gets_its_own_answer_in_whatever_order_they_come(link: Link) -> None:
    held: list[Msg] = []

    async def hold(message: Msg) -> None:
        held.append(message)
        if len(held) == 3:
            for one in reversed(held):
                await one.respond(one.data.upper())

    await link.nc.subscribe(SUBJECT, cb=hold)
    answers = await asyncio.gather(*(link.nc.request(SUBJECT, body, timeout=PATIENCE_S) for body in (b"a", b"b", b"c")))
    assert [answer.data for answer in answers] == [b"A", b"B", b"C"]


async def test_an_answer_has_its_headers(link: Link) -> None:
    async def answer(message: Msg) -> None:
        await link.nc.publish(message.reply, b"x", headers={"Confer-Event": "e"})

    await link.nc.subscribe(SUBJECT, cb=answer)
    found = await link.nc.request(SUBJECT, b"", timeout=PATIENCE_S)
    assert (found.data, found.headers) == (b"x", {"Confer-Event": "e"})


async def test_nobody_serves_the_subject(link: Link) -> None:
    with pytest.raises(nats.errors.NoRespondersError):
        await link.nc.request(SUBJECT, b"", timeout=PATIENCE_S)
    assert nobody_answers(await (await link.nc.ask(SUBJECT, b"", PATIENCE_S)))


async def test_no_answer_in_time_and_one_that_comes_too_late(link: Link) -> None:
    asked: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()

    async def keep(message: Msg) -> None:
        if not asked.done():
            asked.set_result(message)

    await link.nc.subscribe(SUBJECT, cb=keep)
    with pytest.raises(nats.errors.TimeoutError):
        await link.nc.request(SUBJECT, b"", timeout=0.05)
    waiting = await link.nc.ask(SUBJECT, b"", PATIENCE_S)
    await (await asked).respond(b"late")
    await link.nc.flush()
    assert not waiting.done(), "it got the answer to another request"
    waiting.cancel()


async def test_many_records_are_stored_without_waiting_for_each(link: Link) -> None:
    await link.nc.jetstream().add_stream(StreamConfig(name="SESSIONS", subjects=["session.*"]))
    subjects = [f"session.{number}" for number in range(20)]
    under_way = [await replace_later(link.nc, s, b"1", expected=0, timeout=PATIENCE_S) for s in subjects]
    sequences = [await answer() for answer in under_way]
    assert sequences == sorted(set(sequences))
    assert await replace(link.nc, subjects[0], b"2", expected=sequences[0], timeout=PATIENCE_S) > sequences[-1]
    with pytest.raises(Conflict):
        await (await replace_later(link.nc, subjects[1], b"2", expected=0, timeout=PATIENCE_S))()
    with pytest.raises(Unavailable):
        await (await replace_later(link.nc, "no.stream.has.this", b"", expected=0, timeout=PATIENCE_S))()
