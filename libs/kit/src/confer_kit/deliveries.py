"""Handing facts to the world outside: a durable consumer whose every fact is tried until somebody says it is done.

How often a fact was tried is counted by the server, so that neither a restart nor another replica begins anew; several
are on their way at a time, so that one that waits for its next attempt holds up none behind it. At least once, and not
in order.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from confer_contracts.errors import ErrorCode
from confer_kit import telemetry
from confer_kit.facts import StoredFact
from confer_kit.handled import handled
from confer_kit.nats_link import Link
from confer_kit.pulling import Pull, Pulled, processing, pull_on

AT_ONCE: Final = 4
PENDING_MAX: Final = 1000  # that wait for their next attempt; those behind them wait in the log
FAILED_S: Final = 5.0
Delivering = Callable[[StoredFact, int], Awaitable[float | None]]
"""Try, for the n-th time from 1 on: the seconds until the next time, or None when that was the last one."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """`ack_wait_s`: longer than an attempt takes."""

    name: str
    filters: Sequence[str]
    handler: Delivering
    ack_wait_s: float


async def deliver_durably(link: Link, stream: str, delivery: Delivery) -> None:
    """Deliver what is stored from now on, until cancelled."""
    config = ConsumerConfig(
        durable_name=delivery.name,
        deliver_policy=DeliverPolicy.NEW,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=delivery.ack_wait_s,
        max_deliver=-1,
        max_ack_pending=PENDING_MAX,
        filter_subjects=list(delivery.filters),
    )

    async def work(pull: Pull) -> None:
        while True:
            messages = await pull.fetch(AT_ONCE, timeout=5)
            await asyncio.gather(*(_attempt(pull, message, delivery) for message in messages))

    await pull_on(link.nc, stream, config, work, "delivery")


async def _attempt(pull: Pull, message: Pulled, delivery: Delivery) -> None:
    began, fact = time.perf_counter(), message.fact
    failure: Exception | None = None
    with processing(message, fact.subject, delivery.name) as span:
        try:
            again = await delivery.handler(fact, message.deliveries)
            outcome = "ok" if again is None else "again"
        except Exception as error:
            failure, again, outcome = error, FAILED_S, ErrorCode.INTERNAL.value
        telemetry.ended(span, outcome)
        seconds, route = time.perf_counter() - began, f"deliver {fact.subject.template}"
        handled(route, outcome, seconds, error=failure, seq=fact.seq, attempt=message.deliveries)
    if again is None:
        await pull.done(message)
    else:
        await pull.again(message, again)
