"""Reacting to another service's facts: a durable consumer on its log, at least once.

In order as long as nothing fails: what failed comes again after what followed it, so a handler that cares compares
the facts' sequences. The operation id of what a reaction does is source stream + sequence, so that a redelivery
changes nothing.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection, Sequence

from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.subjects import Header
from confer_kit import metrics, telemetry
from confer_kit.facts import StoredFact
from confer_kit.handled import handled
from confer_kit.logs import logger
from confer_kit.nats_link import Link
from confer_kit.pulling import Pull, Pulled, processing, pull_on

log = logger(__name__)

BATCH = 100
GATHERED_S = 0.05  # between fetches: one costs as much as several facts, and takes all that came meanwhile
ACK_WAIT_S = 30
DELIVERIES_MAX = 50
Reaction = Callable[[StoredFact], Awaitable[None]]


def operation(stream: str, fact: StoredFact) -> str:
    """The operation id of what follows from `fact`."""
    return f"{stream}-{fact.seq}"


async def follow_durably(
    link: Link, name: str, stream: str, filters: Sequence[str], handler: Reaction, *, only_new: bool = False,
    events: Collection[str] = (),
) -> None:  # fmt: skip
    """React until cancelled; with `events`, only to facts with these public names. A fact that fails `DELIVERIES_MAX`
    times is logged and left behind. `only_new`: what was stored before this name followed for the first time is passed
    over."""
    config = ConsumerConfig(
        durable_name=name,
        deliver_policy=DeliverPolicy.NEW if only_new else DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACK_WAIT_S,
        max_deliver=DELIVERIES_MAX,
        max_ack_pending=BATCH,
        filter_subjects=list(filters),
    )
    if len(filters) == 1:  # in the request's subject then, where permissions reach it (docs/adr/0038)
        config = config.evolve(name=name, filter_subject=filters[0], filter_subjects=None)

    async def work(pull: Pull) -> None:
        while True:
            for message in await pull.fetch(BATCH, timeout=5):
                if not events or message.headers.get(Header.EVENT) in events:
                    await _react(pull, message, handler, name)
                else:
                    await pull.done(message)
            await asyncio.sleep(GATHERED_S)

    await pull_on(link.nc, stream, config, work, "reaction")


async def _react(pull: Pull, message: Pulled, handler: Reaction, consumer: str) -> None:
    fact = message.fact
    began, route = time.perf_counter(), f"react {fact.subject.template}"

    def done(outcome: str, error: Exception | None = None) -> None:
        telemetry.ended(span, outcome)
        seconds = time.perf_counter() - began
        handled(route, outcome, seconds, error=error, seq=fact.seq, attempt=message.deliveries)

    with processing(message, fact.subject, consumer) as span:
        try:
            await handler(fact)
        except Rejection as refusal:
            done(refusal.code)
            if refusal.retry:
                if message.deliveries >= DELIVERIES_MAX:
                    log.error("a reaction was given up", route=route, seq=fact.seq, reason=refusal.code)
                metrics.REACTIONS.labels("again").inc()
                await pull.again(message, random.uniform(0.5, 2.0))  # noqa: S311 - jitter
                return
            metrics.REACTIONS.labels("refused").inc()
        except Exception as error:
            done(ErrorCode.INTERNAL, error)
            metrics.REACTIONS.labels("failed").inc()
            await pull.again(message, random.uniform(1.0, 3.0))  # noqa: S311 - jitter
            return
        else:
            done("ok")
            metrics.REACTIONS.labels("done").inc()
    await pull.done(message)
