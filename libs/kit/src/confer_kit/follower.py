"""One stream, followed in order and without holes: an ordered consumer of our own (docs/adr/0001).

nats-server numbers what a consumer delivers. A number that does not follow the last one, a heartbeat that stays
away, or a reconnect ends the consumer; a new one begins after the last sequence that was delivered. So nothing is
skipped and nothing comes twice, whatever happened in between.
"""

import asyncio
import contextlib
import functools
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple

import nats.errors
import nats.js.errors
from nats.aio.subscription import Subscription
from nats.js.api import StreamInfo

from confer_kit import metrics, ordered_consumer
from confer_kit.logs import logger
from confer_kit.nats_link import Link
from confer_kit.ordered_consumer import numbers

log = logger(__name__)

HEARTBEAT_S: Final = 2.0
SILENCE_S: Final = 5.0
RETRY_S, RETRY_MAX_S = 0.1, 2.0
EPOCH: Final = "confer-epoch"  # metadata of a stream: made anew with it


class Delivered(NamedTuple):
    """A message of the stream. `headers` is empty, not None, where there are none."""

    subject: str
    seq: int
    at: float
    data: bytes
    headers: Mapping[str, str]


Start = str  # "new" | "all" | "last_per_subject"


async def _no_matter(info: StreamInfo) -> None: ...


class Follower:
    """Calls `deliver` for each message, in order. `position` is the last sequence that was delivered.

    on_reset(info)   the stream was made anew, or lost messages that this follower had not seen: what was built from
                     it is void; following begins as at the start: at the end ("new"), or with what is there
                     When it raises it is called again
    on_caught_up()   when everything that was there at the start, or at a reset, has been delivered
    most             of what is there at the start no more than so many of the last sequences are delivered; `floor`:
                     the one before them
    contiguous       every sequence is expected: one that the server passes over was lost (with filters, or where
                     messages may be deleted one by one, that says nothing)
    before()         awaited each time before following begins, also after a cut
    """

    def __init__(
        self,
        link: Link,
        stream: str,
        deliver: Callable[[Delivered], None],
        *,
        start: Start = "new",
        filters: Sequence[str] = (),
        headers_only: bool = False,
        most: int | None = None,
        contiguous: bool = False,
        on_reset: Callable[[StreamInfo], Awaitable[None]] = _no_matter,
        on_caught_up: Callable[[], None] = lambda: None,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._link = link
        self._stream = stream
        self._deliver = deliver
        self._start = start
        self._filters = list(filters)
        self._headers_only = headers_only
        self._most = most
        self._contiguous = contiguous
        self._on_reset = on_reset
        self._on_caught_up = on_caught_up
        self._before = before
        self.position = self.floor = 0
        self.pending = 0  # what was still to come when the last message was delivered
        self.epoch = ""
        self.following = False
        self._begun = False
        self._caught_up = False
        self._passed_over = False  # the server went on without something that had not been delivered
        self._life = 0
        self._upto = 0  # the stream's last sequence when this life began
        self._consumer_seq = 0
        self._last_heard = 0.0
        self._broken = asyncio.Event()
        self._current = asyncio.Event()
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        link.on_disconnect.append(self._cut)
        link.on_reconnect.append(functools.partial(self._break, "reconnect"))
        metrics.of_follower(stream, self)

    def resume(self, position: int, epoch: str) -> None:
        """Before it runs: what was stored up to this position of the stream's epoch is known already."""
        self.position, self.epoch, self._begun = position, epoch, True

    async def run(self) -> None:
        """Follow until cancelled."""
        failures = 0
        while True:
            try:
                await self._once()
                failures = 0
            except (TimeoutError, nats.errors.Error, nats.js.errors.Error) as error:
                failures += 1
                self._count_break("error")
                if failures == 3:
                    log.warning("cannot follow", stream=self._stream, error=f"{type(error).__name__}: {error}")
            except Exception:  # a defect must not end it for good: the process would answer from what it was
                failures += 1
                self._count_break("error")
                log.exception("following was interrupted", stream=self._stream)
            self.following = False
            pause = min(RETRY_MAX_S, RETRY_S * 2 ** min(failures, 6))
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - jitter

    async def reached(self, seq: int, timeout: float) -> bool:
        """Wait until `seq` was delivered; False when that took longer than `timeout` seconds."""
        if self.position >= seq:
            return True
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((seq, waiter))
        try:
            await asyncio.wait_for(waiter, timeout)
        except TimeoutError:
            return False
        finally:
            self._waiters = [w for w in self._waiters if w[1] is not waiter]
        return True

    @property
    def current(self) -> bool:
        """Whether everything that was there when following began, or began again, has been delivered."""
        return self._current.is_set()

    async def until_current(self, timeout: float) -> bool:
        """Wait for that; False when it took longer than `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._current.wait(), timeout)
        return self.current

    async def _once(self) -> None:
        """One consumer's life."""
        nc = self._link.nc
        if self._before is not None:
            await self._before()
        self._broken.clear()
        js = nc.jetstream(timeout=2)
        info = await js.stream_info(self._stream)
        await self._check_continuity(info)
        self._upto = info.state.last_seq
        inbox = nc.new_inbox()
        self._consumer_seq = 0
        self._life += 1
        receive = functools.partial(self._receive, self._life)
        wanted = ordered_consumer.config(
            inbox, after=self.position, latest=self._start == "last_per_subject", filters=self._filters,
            headers_only=self._headers_only, heartbeat_s=HEARTBEAT_S,
        )  # fmt: skip
        created = await js.add_consumer(self._stream, wanted)
        subscription: Subscription | None = None
        try:
            if epoch_of(await js.stream_info(self._stream)) != self.epoch:
                return  # made anew a moment ago: our sequence means nothing in it
            # nothing was sent yet: the server waits for somebody who listens
            subscription = await nc.subscribe_direct(inbox, receive)
            self._heard()
            self.following = True
            if not created.num_pending:
                self._now_caught_up()
            await self._watch()
        finally:
            self._current.clear()
            await self._end(subscription, created.name)

    async def _check_continuity(self, info: StreamInfo) -> None:
        epoch, last, first = epoch_of(info), info.state.last_seq, info.state.first_seq
        lost = last < self.position or first > self.position + 1 or self._passed_over
        if self._begun and (epoch != self.epoch or lost):
            log.warning("the stream was reset or trimmed", stream=self._stream, position=self.position, first=first)
            metrics.FOLLOWER_RESETS.labels(self._stream).inc()
            await self._on_reset(info)
            self._begun = self._passed_over = self._caught_up = False
        if not self._begun:
            most = 0 if self._start == "new" else self._most
            self.position = self.floor = 0 if most is None else max(0, last - most)
        self.epoch = epoch
        self._begun = True

    async def _watch(self) -> None:
        while not self._broken.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._broken.wait(), HEARTBEAT_S)
            if time.monotonic() - self._last_heard > SILENCE_S:
                log.warning("nothing heard from the stream", stream=self._stream)
                self._count_break("silence")
                return

    def _cut(self) -> None:
        """The client library renews subscriptions before it tells of the reconnect: what the consumer from before the
        cut sends then would come past `before`."""
        self._life += 1
        self._current.clear()

    def _break(self, reason: str) -> None:
        """End this consumer's life."""
        if not self._broken.is_set():
            self._count_break(reason)
            self._broken.set()

    def _count_break(self, reason: str) -> None:
        metrics.FOLLOWER_BREAKS.labels(self._stream, reason).inc()

    async def _end(self, subscription: Subscription | None, consumer: str) -> None:
        with contextlib.suppress(nats.errors.Error, nats.js.errors.Error, TimeoutError):
            if subscription is not None:
                await subscription.unsubscribe()
            if self._link.nc.is_connected:
                await self._link.nc.jetstream(timeout=1).delete_consumer(self._stream, consumer)

    def _heard(self) -> None:
        self._last_heard = time.monotonic()

    def _receive(
        self, life: int, subject: str, reply: str, data: bytes, headers: Mapping[str, str]
    ) -> Awaitable[None] | None:
        """What to send before the next message is read, if anything."""
        if life != self._life or self._broken.is_set():
            return None  # of a consumer that was given up
        self._heard()
        if headers.get("Status") == "100":
            return self._control(reply, headers)
        stream_seq, consumer_seq, stamp, self.pending = numbers(reply)
        if consumer_seq != self._consumer_seq + 1:
            log.info("a hole in the feed: reading it again", stream=self._stream, after=self.position)
            self._break("hole")
            return None
        if self._contiguous and stream_seq != self.position + 1:
            self._passed_over = True
            self._break("hole")
            return None
        self._consumer_seq = consumer_seq
        try:
            self._deliver(Delivered(subject, stream_seq, stamp, data, headers))
        except Exception:  # one poisonous message must not stop the feed
            log.exception("a message could not be delivered", stream=self._stream, seq=stream_seq)
        self._moved_to(stream_seq)
        if not self.pending:
            self._now_caught_up()
        return None

    async def _control(self, reply: str, headers: Mapping[str, str]) -> None:
        if stalled := headers.get("Nats-Consumer-Stalled"):
            await self._link.nc.publish(stalled)
        elif reply:
            await self._link.nc.publish(reply)
        if (last := headers.get("Nats-Last-Consumer")) and int(last) != self._consumer_seq:
            self._break("hole")

    def _moved_to(self, seq: int) -> None:
        self.position = seq
        for wanted, waiter in self._waiters:
            if wanted <= seq and not waiter.done():
                waiter.set_result(None)

    def _now_caught_up(self) -> None:
        if not self._contiguous and self.position < self._upto:
            self._moved_to(self._upto)  # the last ones were deleted, or are not for us
        if self._link.nc.is_connected:
            self._current.set()
        if not self._caught_up:
            self._caught_up = True
            self._on_caught_up()


def epoch_of(info: StreamInfo) -> str:
    """It changes when the stream is made anew."""
    return (info.config.metadata or {}).get(EPOCH) or str(info.created)
