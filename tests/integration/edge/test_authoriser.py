"""Asking the installation's authoriser on a real NATS server: remembered, asked once, bounded, and no in doubt."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from confer_contracts.access import JOIN, AccessAnswer, AccessQuestion
from confer_contracts.errors import ErrorCode, Rejection
from confer_edge.authoriser import Authoriser
from confer_edge.identity import Claim
from confer_edge.settings import EdgeSettings
from confer_kit.nats_link import Link
from confer_kit.testing import NatsServer, nats_server
from confer_kit.testing.authoriser import Authoriser as Sample
from confer_kit.testing.authoriser import authoriser

ANNA = Claim.of("anna", "Anna Berg", "nurse")


@pytest.fixture
async def server() -> AsyncIterator[NatsServer]:
    async with nats_server() as running:
        yield running


@pytest.fixture
async def link(server: NatsServer) -> AsyncIterator[Link]:
    made = Link()
    await made.connect(EdgeSettings(nats_url=server.url), "test")
    yield made
    await made.close(2)


@pytest.fixture
async def sample(server: NatsServer) -> AsyncIterator[Sample]:
    async with authoriser(server.url) as running:
        yield running


def asking(link: Link, **settings: Any) -> Authoriser:
    return Authoriser(link, EdgeSettings(access_check=True, **settings))


async def refusal(of: Authoriser, claim: Claim = ANNA, audience: str = "queue.eyes", **more: Any) -> Rejection | None:
    try:
        await of.ask(claim, "sid", JOIN, audience, **more)
    except Rejection as refused:
        return refused
    return None


async def test_the_question_says_all_and_the_answer_decides(link: Link, sample: Sample) -> None:
    edge = asking(link)
    assert await refusal(edge, audience="room.P=2E1") is None
    assert sample.asked == [
        AccessQuestion(
            user_id="anna", role="nurse", name="Anna Berg", session="sid", action="join", audience="room.P=2E1",
            shown="room.screening_P.1",
        )
    ]  # fmt: skip
    sample.decide = lambda question: AccessAnswer(allowed=False, reason=f"not {question.shown}")
    refused = await refusal(edge, audience="topic.x")
    assert refused is not None
    assert (refused.code, refused.retry, refused.message) == (ErrorCode.FORBIDDEN, False, "not topic.x")


async def test_an_answer_is_remembered_by_user_role_action_and_audience(link: Link, sample: Sample) -> None:
    edge = asking(link, access_cache_s=60, access_cache_max=4)
    for _ in range(3):
        for claim in (ANNA, Claim.of("anna", None, "doctor"), Claim.of("bob", None, "nurse")):
            assert await refusal(edge, claim) is None
    assert len(sample.asked) == 3
    sample.decide = lambda _: AccessAnswer(allowed=False)
    assert await refusal(edge) is None
    assert await refusal(edge, anew=True) is not None
    assert await refusal(edge) is not None  # what was asked anew counts
    edge.forget("anna")
    asked = len(sample.asked)
    assert await refusal(edge, Claim.of("bob", None, "nurse")) is None
    assert len(sample.asked) == asked
    for n in range(5):  # more than are remembered
        await refusal(edge, audience=f"queue.{n}")
    await refusal(edge, audience="queue.4")
    assert len(sample.asked) == asked + 5
    await refusal(edge, audience="queue.0")
    assert len(sample.asked) == asked + 6


async def test_an_answer_may_count_for_less_but_not_for_longer(link: Link, sample: Sample) -> None:
    edge = asking(link, access_cache_s=0.2)
    sample.decide = lambda _: AccessAnswer(allowed=True, ttl_s=0)
    await refusal(edge)
    await refusal(edge)
    assert len(sample.asked) == 2
    sample.decide = lambda _: AccessAnswer(allowed=True, ttl_s=3600)
    await refusal(edge)
    await asyncio.sleep(0.25)
    await refusal(edge)
    assert len(sample.asked) == 4


async def test_what_is_asked_already_is_not_asked_twice(link: Link, sample: Sample) -> None:
    edge = asking(link)
    assert set(await asyncio.gather(*(refusal(edge) for _ in range(50)))) == {None}
    assert len(sample.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"null", b"{}", b'{"allowed": "true"}', b'{"allowed": 1}', b'{"allowed": true, "ttl_s": -1}', b"\xff",
        b'{"status": "error", "code": "internal"}', b'{"allowed": true, "ttl_s": NaN}', None,
    ],
)  # fmt: skip
async def test_in_doubt_it_is_no_for_the_moment(link: Link, sample: Sample, answer: bytes | None) -> None:
    edge = asking(link, access_timeout_s=3)
    sample.decide = lambda _: answer
    refused = await refusal(edge)
    assert refused is not None
    assert (refused.code, refused.retry) == (ErrorCode.UNAVAILABLE, True)
    sample.decide = lambda _: AccessAnswer(allowed=True)
    assert await refusal(edge) is None  # doubt is not remembered


async def test_nobody_answers(link: Link) -> None:
    refused = await refusal(asking(link))
    assert refused is not None
    assert (refused.code, refused.retry) == (ErrorCode.UNAVAILABLE, True)


async def test_questions_under_way_are_bounded(link: Link, sample: Sample) -> None:
    edge = asking(link, access_in_flight_max=3, access_timeout_s=3)
    sample.decide = lambda _: None
    codes = [r.code for r in await asyncio.gather(*(refusal(edge, audience=f"queue.{n}") for n in range(10))) if r]
    assert sorted(codes) == [*[ErrorCode.LIMIT_EXCEEDED] * 7, *[ErrorCode.UNAVAILABLE] * 3]
    sample.decide = lambda _: AccessAnswer(allowed=True)
    assert await refusal(edge) is None


async def test_an_answer_that_was_overtaken_by_a_change_of_rights_counts_for_nobody(link: Link, sample: Sample) -> None:
    edge = asking(link)

    def decide(question: AccessQuestion) -> AccessAnswer:
        if len(sample.asked) == 1:
            edge.forget("anna")
            return AccessAnswer(allowed=True)
        return AccessAnswer(allowed=False)

    sample.decide = decide
    refused = await refusal(edge)
    assert refused is not None
    assert refused.code is ErrorCode.FORBIDDEN
    assert len(sample.asked) == 2
