"""Messages of a durable consumer by the batch, past the library's queue (nats-server ADR-13).

`JetStreamContext.pull_subscribe` wakes a task for each message of a batch; here one future tells that it has come.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple

import nats.errors
import nats.js.errors
import orjson
from nats.aio.subscription import Subscription
from nats.js.api import ConsumerConfig
from opentelemetry.trace import Span

from confer_contracts.subjects import FactSubject
from confer_kit import telemetry
from confer_kit.facts import StoredFact
from confer_kit.logs import logger
from confer_kit.nats_client import DirectClient

log = logger(__name__)

API_S: Final = 2.0
LATE_S: Final = 1.0  # an answer later than that will not come: NATS is, or was, away
_NANOSECONDS: Final = 1_000_000_000
_NOTHING, _TIMEOUT = "404", "408"  # of a request: nothing is there, nothing more came


class Pulled(NamedTuple):
    """A message, until it was acknowledged. `at`: Unix seconds; `deliveries`: 1 is the first."""

    subject: str
    seq: int
    at: float
    data: bytes
    headers: Mapping[str, str]
    deliveries: int
    reply: str

    @property
    def fact(self) -> StoredFact:
        subject = FactSubject.parse(self.subject)
        return StoredFact(subject=subject, seq=self.seq, at=self.at, body=self.data, headers=self.headers)


class Pull:
    """The batches of one replica; the consumer is made if it is not there. nats.errors.Error, or nats.js', where it, or
    JetStream, is away."""

    def __init__(self, nc: DirectClient, stream: str, consumer: ConsumerConfig) -> None:
        self._nc = nc
        self._stream, self._consumer = stream, consumer
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer.durable_name}"
        self._inbox = nc.new_inbox()
        self._subscription: Subscription | None = None
        self._arrived: list[Pulled] = []
        self._wanted = 0
        self._ended: asyncio.Future[None] | None = None

    async def __aenter__(self) -> "Pull":
        await self._nc.jetstream(timeout=API_S).add_consumer(self._stream, self._consumer)
        self._subscription = await self._nc.subscribe_direct(self._inbox, self._receive)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._subscription is not None
        with contextlib.suppress(nats.errors.Error):
            await self._subscription.unsubscribe()

    async def fetch(self, most: int, timeout: float) -> list[Pulled]:
        """What is there, up to `most`; where nothing is, the first one that comes within `timeout` seconds, or none."""
        return await self._ask(most, no_wait=True) or await self._ask(1, expires=int(timeout * _NANOSECONDS))

    async def done(self, message: Pulled) -> None:
        await self._nc.publish(message.reply, b"+ACK")

    async def again(self, message: Pulled, delay: float) -> None:
        """Not done: it is to come again, in `delay` seconds."""
        await self._nc.publish(message.reply, b'-NAK {"delay":%d}' % int(delay * _NANOSECONDS))

    async def _ask(self, most: int, **how: Any) -> list[Pulled]:
        self._wanted, self._ended = most, asyncio.get_running_loop().create_future()
        await self._nc.publish(self._subject, orjson.dumps({"batch": most, **how}), reply=self._inbox)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(how.get("expires", 0) / _NANOSECONDS + LATE_S):
                await self._ended
        arrived, self._arrived = self._arrived, []
        return arrived

    def _receive(self, subject: str, reply: str, data: bytes, headers: Mapping[str, str]) -> None:
        status = headers.get("Status")
        if status is None:
            self._arrived.append(_pulled(subject, reply, data, headers))
        ended = self._ended
        if ended is None or ended.done() or (status is None and len(self._arrived) < self._wanted):
            return
        if status in (None, _NOTHING, _TIMEOUT):
            ended.set_result(None)
        else:
            ended.set_exception(nats.errors.Error(f"status {status}"))


def processing(message: Pulled, subject: FactSubject, consumer: str) -> AbstractContextManager[Span]:
    """The work on a message of this durable consumer, in the trace of the fact that it is."""
    parent, route = telemetry.incoming(message.headers), subject.template
    about: telemetry.Attributes | None = None
    if telemetry.is_recorded(parent):
        about = {
            **telemetry.messaging("process", route, group=consumer),
            telemetry.AUDIENCE_KIND: subject.kind,
            telemetry.SEQUENCE: message.seq,
            telemetry.ATTEMPT: message.deliveries,
            **telemetry.ids({"messaging.destination.name": message.subject}),
        }
    return telemetry.span(f"process {route}", telemetry.Kind.CONSUMER, parent, links=[parent], attributes=about)


async def pull_on(
    nc: DirectClient, stream: str, consumer: ConsumerConfig, work: Callable[[Pull], Awaitable[None]], what: str
) -> None:
    """Do `work` until cancelled: again, after a moment, whenever NATS was away. `what` it is, for the log."""
    while True:
        try:
            async with Pull(nc, stream, consumer) as pull:
                await work(pull)
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
            reason = f"{type(error).__name__}: {error}"
            log.debug(f"{what} paused", stream=stream, name=consumer.durable_name, error=reason)
        except Exception:  # a defect must not end it for good while the rest of the process lives on
            log.exception(f"{what} interrupted", stream=stream, name=consumer.durable_name)
        await asyncio.sleep(random.uniform(0.5, 1.0))  # noqa: S311 - jitter


def _pulled(subject: str, reply: str, data: bytes, headers: Mapping[str, str]) -> Pulled:
    """`$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<consumer's>.<nanoseconds>.<pending>`; with a domain two
    tokens more, and one at the end."""
    tokens = reply.split(".")
    deliveries, seq, _, nanoseconds = tokens[-5:-1] if len(tokens) == 9 else tokens[6:10]
    return Pulled(subject, int(seq), int(nanoseconds) / 1e9, data, headers, int(deliveries), reply)
