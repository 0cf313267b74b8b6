"""The ordered follower against a real nats-server: nothing missing, nothing twice, in order, whatever happens."""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, ConsumerInfo, StreamConfig, StreamInfo
from prometheus_client import REGISTRY

from confer_kit import clock
from confer_kit.follower import EPOCH, Delivered, Follower
from confer_kit.nats_link import Link
from confer_kit.settings import KitSettings
from confer_kit.tasks import Tasks
from confer_kit.testing import NatsServer, nats_server
from confer_kit.testing.tcp_proxy import tcp_proxy

STREAM = "SYNC"
CONFIG = StreamConfig(name=STREAM, subjects=["log.sync.>"], allow_direct=True)


class Following:
    """A follower and what it brought."""

    def __init__(self, link: Link, **options: object) -> None:
        self.got: list[Delivered] = []
        self.resets: list[int] = []  # how much had come when the follower was told
        self.caught_up_after: list[int] = []
        self.follower = Follower(
            link, STREAM, self.got.append, on_reset=self._reset,
            on_caught_up=lambda: self.caught_up_after.append(len(self.got)), **options,  # type: ignore[arg-type]
        )  # fmt: skip
        self._tasks = Tasks()

    @property
    def bodies(self) -> list[str]:
        return [message.data.decode() for message in self.got]

    @property
    def seqs(self) -> list[int]:
        return [message.seq for message in self.got]

    async def start(self) -> "Following":
        self._tasks.start(self.follower.run())
        await until(lambda: self.follower.following)
        return self

    async def stop(self) -> None:
        await self._tasks.cancel()

    async def _reset(self, info: StreamInfo) -> None:
        self.resets.append(len(self.got))


class Rig:
    """A server with one stream, and connections to it."""

    def __init__(self, server: NatsServer, stack: AsyncExitStack) -> None:
        self.server = server
        self._stack = stack
        self.link = Link()

    async def open(self) -> None:
        self.link = await self.connected()
        await self.link.nc.jetstream().add_stream(CONFIG)

    async def connected(self) -> Link:
        link = Link()
        await link.connect(KitSettings(nats_url=self.server.url), "test")
        self._stack.push_async_callback(link.nc.close)
        return link

    async def following(self, **options: object) -> Following:
        made = Following(self.link, **options)
        self._stack.push_async_callback(made.stop)
        return await made.start()

    async def publish(self, *bodies: object, room: str = "r") -> None:
        """Store them in this order; returns when they are stored."""
        for body in bodies[:-1]:
            await self.link.nc.publish(f"log.sync.room.{room}.record", str(body).encode())
        await self.link.nc.jetstream().publish(f"log.sync.room.{room}.record", str(bodies[-1]).encode())

    async def info(self) -> StreamInfo:
        return await self.link.nc.jetstream().stream_info(STREAM)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        made = Rig(await stack.enter_async_context(nats_server()), stack)
        await made.open()
        yield made


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is noticed sooner."""
    monkeypatch.setattr("confer_kit.follower.HEARTBEAT_S", 0.2)
    monkeypatch.setattr("confer_kit.follower.SILENCE_S", 0.8)


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not done():
            await asyncio.sleep(0.01)


async def retried(work: Callable[[], Awaitable[object]]) -> None:
    """Until it succeeds: the server is away in between."""
    async with asyncio.timeout(30):
        while True:
            try:
                await work()
            except Exception:
                await asyncio.sleep(0.05)
            else:
                return


async def test_five_thousand_messages_come_in_order(rig: Rig) -> None:
    await rig.publish(*range(2500))
    following = await rig.following(start="all")
    await rig.publish(*range(2500, 5000))
    assert await following.follower.reached(5000, 30)
    assert following.bodies == [str(n) for n in range(5000)]
    assert following.seqs == list(range(1, 5001))
    assert len(following.caught_up_after) == 1
    assert following.caught_up_after[0] >= 2500
    assert all(abs(message.at - clock.now()) < 60 for message in following.got)
    assert not following.resets


async def test_new_begins_with_what_is_stored_after_the_start(rig: Rig) -> None:
    await rig.publish("before")
    following = await rig.following(start="new")
    assert following.follower.position == 1
    assert following.caught_up_after == [0]
    await rig.publish("after")
    assert await following.follower.reached(2, 30)
    assert following.bodies == ["after"]


async def test_new_on_an_empty_stream_brings_the_first_message(rig: Rig) -> None:
    following = await rig.following(start="new")
    await rig.publish("first")
    assert await following.follower.reached(1, 30)
    assert following.bodies == ["first"]


async def test_last_per_subject_begins_with_the_latest_of_each_and_goes_on_live(rig: Rig) -> None:
    for room in ("a", "b", "c"):
        await rig.publish(f"{room}1", f"{room}2", room=room)
    following = await rig.following(start="last_per_subject")
    await until(lambda: bool(following.caught_up_after))
    assert following.bodies == ["a2", "b2", "c2"]
    await rig.publish("b3", "b4", room="b")
    assert await following.follower.reached(8, 30)
    assert following.bodies == ["a2", "b2", "c2", "b3", "b4"]


async def test_filters_choose_subjects(rig: Rig) -> None:
    following = await rig.following(start="all", filters=["log.sync.room.a.*", "log.sync.room.b.*"])
    for room in ("a", "b", "c", "a"):
        await rig.publish(f"in {room}", room=room)
    assert await following.follower.reached(4, 30)
    assert following.bodies == ["in a", "in b", "in a"]


async def test_headers_only_brings_no_body(rig: Rig) -> None:
    following = await rig.following(start="all", headers_only=True)
    await rig.link.nc.jetstream().publish("log.sync.room.r.record", b"body", headers={"Confer-Event": "field_updated"})
    assert await following.follower.reached(1, 30)
    (message,) = following.got
    assert message.data == b""
    assert message.headers["Confer-Event"] == "field_updated"


async def test_what_is_awaited_too_long_is_not_reached(rig: Rig) -> None:
    following = await rig.following()
    assert not await following.follower.reached(1, 0.05)
    waiting = asyncio.gather(following.follower.reached(2, 30))
    await rig.publish("1", "2")
    (reached,) = await waiting
    assert reached


async def test_a_server_killed_in_the_middle_costs_nothing_and_repeats_nothing(rig: Rig) -> None:
    following = await rig.following(start="all")
    publisher = await rig.connected()
    js = publisher.nc.jetstream(timeout=1)
    midway = asyncio.Event()

    async def publish() -> None:
        for number in range(900):
            await retried(functools.partial(js.publish, "log.sync.room.r.record", str(number).encode()))
            if number == 300:
                midway.set()

    tasks = Tasks()
    publishing = tasks.start(publish())
    await midway.wait()
    await rig.server.kill()
    came_before = len(following.got)
    await rig.server.start()
    await publishing
    last = (await rig.info()).state.last_seq
    assert await following.follower.reached(last, 60)
    assert 0 < came_before < last
    assert following.seqs == list(range(1, last + 1))
    direct = [await rig.link.nc.jetstream().get_msg(STREAM, seq=seq, direct=True) for seq in following.seqs]
    assert [message.data for message in direct] == [message.data for message in following.got]
    assert set(following.bodies) == {str(n) for n in range(900)}
    assert not following.resets


def holes() -> float:
    return REGISTRY.get_sample_value("confer_follower_breaks_total", {"stream": STREAM, "reason": "hole"}) or 0.0


async def test_what_is_still_to_come_is_known(rig: Rig) -> None:
    await rig.publish(*range(20))
    pending: list[int] = []
    follower = Follower(rig.link, STREAM, lambda message: pending.append(follower.pending), start="all")
    tasks = Tasks()
    tasks.start(follower.run())
    assert await follower.reached(20, 30)
    await tasks.cancel()
    assert pending == list(range(19, -1, -1))
    assert REGISTRY.get_sample_value("confer_follower_position", {"stream": STREAM}) == 20
    assert REGISTRY.get_sample_value("confer_follower_pending", {"stream": STREAM}) == 0


async def test_a_message_lost_on_the_way_is_read_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    receive = Follower._receive
    lost: list[int] = []

    def lossy(self: Follower, life: int, subject: str, *message: Any) -> Awaitable[None] | None:
        """Of each life's messages the one after these."""
        heeded = life == self._life and not self._broken.is_set() and subject.startswith("log.")
        if heeded and self.position in (10, 11, 50) and self.position not in lost:
            lost.append(self.position)
            return None
        return receive(self, life, subject, *message)

    monkeypatch.setattr(Follower, "_receive", lossy)
    following = await rig.following(start="all")
    before = holes()
    await rig.publish(*range(100))
    assert await following.follower.reached(100, 30)
    assert lost == [10, 11, 50]
    assert following.seqs == list(range(1, 101))
    assert holes() - before == 3


async def test_what_comes_by_itself_after_a_cut_does_not_come_past_before(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library renews the subscription, and the server still has the consumer, which goes on at once."""
    monkeypatch.setattr("confer_kit.follower.SILENCE_S", 3600)
    arrived: list[str] = []
    receive = Follower._receive

    def seen(self: Follower, life: int, subject: str, *message: Any) -> Awaitable[None] | None:
        arrived.append(subject)
        return receive(self, life, subject, *message)

    monkeypatch.setattr(Follower, "_receive", seen)
    opened = asyncio.Event()
    opened.set()
    async with tcp_proxy(rig.server.port) as line, AsyncExitStack() as stack:
        link = Link()
        await link.connect(KitSettings(nats_url=f"nats://127.0.0.1:{line.port}"), "cut")
        stack.push_async_callback(link.nc.close)
        following = Following(link, start="all", before=opened.wait)
        stack.push_async_callback(following.stop)
        await following.start()
        reconnected, link.on_reconnect[:] = tuple(link.on_reconnect), []  # told later than the messages come
        opened.clear()
        line.cut()
        await until(lambda: not link.nc.is_connected)
        await rig.publish(1, 2, 3)
        line.mend()
        await until(lambda: sum(subject.startswith("log.") for subject in arrived) == 3)
        assert following.bodies == []
        assert not following.follower.current
        for told in reconnected:
            told()
        await until(lambda: not following.follower.following)
        assert following.bodies == []
        opened.set()
        assert await following.follower.reached(3, 30)
        assert following.bodies == ["1", "2", "3"]


async def test_a_delivery_that_raises_does_not_stop_the_feed(rig: Rig) -> None:
    following = await rig.following(start="all")

    def poisonous(message: Delivered) -> None:
        following.got.append(message)
        if message.data == b"2":
            raise ValueError("poison")

    following.follower._deliver = poisonous
    await rig.publish(1, 2, 3)
    assert await following.follower.reached(3, 30)
    assert following.bodies == ["1", "2", "3"]


@pytest.mark.usefixtures("quick")
async def test_a_quiet_stream_is_not_taken_for_a_broken_one(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    silence_s = 4.0  # a slow machine is late with its heartbeats
    monkeypatch.setattr("confer_kit.follower.SILENCE_S", silence_s)
    following = await rig.following()
    first = following.follower._life
    await asyncio.sleep(silence_s + 1)
    assert following.follower._life == first


@pytest.mark.usefixtures("quick")
async def test_a_consumer_that_is_deleted_is_replaced_without_a_gap(rig: Rig) -> None:
    following = await rig.following(start="all")
    await rig.publish(1, 2)
    assert await following.follower.reached(2, 30)
    js = rig.link.nc.jetstream()
    (consumer,) = await js.consumers_info(STREAM)
    await js.delete_consumer(STREAM, consumer.name)
    await rig.publish(3, 4)
    assert await following.follower.reached(4, 30)
    assert following.bodies == ["1", "2", "3", "4"]
    assert not following.resets


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("epoch", [None, "the metadata"])
@pytest.mark.parametrize(
    ("start", "seen"), [("all", ["n1", "n2", "n3", "n4"]), ("last_per_subject", ["n4"]), ("new", [])]
)
async def test_a_stream_made_anew_is_told_even_if_it_is_longer_than_the_old_one(
    rig: Rig, start: str, seen: list[str], epoch: str | None
) -> None:
    following = await rig.following(start=start)
    await rig.publish("o1", "o2")
    assert await following.follower.reached(2, 30)
    js = rig.link.nc.jetstream()
    await js.delete_stream(STREAM)
    await js.add_stream(CONFIG.evolve(metadata={EPOCH: epoch} if epoch else None))
    await rig.publish("n1", "n2", "n3", "n4")
    await until(lambda: bool(following.resets) and following.follower.following)
    await rig.publish("n5")
    assert await following.follower.reached(5, 30)
    assert following.resets == [2]
    assert following.bodies == ["o1", "o2", *seen, "n5"]
    assert epoch is None or following.follower.epoch == epoch


@pytest.mark.parametrize(("start", "seen"), [("all", ["5", "6"]), ("new", [])])
async def test_messages_trimmed_before_they_were_seen_are_told(rig: Rig, start: str, seen: list[str]) -> None:
    following = await rig.following(start=start)
    await rig.publish(1, 2)
    assert await following.follower.reached(2, 30)
    await following.stop()
    await rig.publish(3, 4, 5, 6)
    await rig.link.nc.jetstream().purge_stream(STREAM, seq=5)
    await following.start()
    await until(lambda: following.follower.position == 6)
    await rig.publish(7)
    assert await following.follower.reached(7, 30)
    assert following.resets == [2]
    assert following.bodies == ["1", "2", *seen, "7"]


async def test_what_the_server_passes_over_in_the_middle_was_lost_where_nothing_may_be_missing(rig: Rig) -> None:
    """A consumer that is far behind when the stream is trimmed goes on after the hole without a word."""
    await rig.publish(*range(1, 7))
    for seq in (3, 4):
        await rig.link.nc.jetstream().delete_msg(STREAM, seq)
    patient, strict = [await rig.following(start="all", contiguous=whole) for whole in (False, True)]
    assert await patient.follower.reached(6, 30)
    assert (patient.bodies, patient.resets) == (["1", "2", "5", "6"], [])
    await until(lambda: bool(strict.resets))
    assert (strict.bodies[:2], strict.resets[0]) == (["1", "2"], 2)


async def test_a_stream_made_anew_while_the_follower_begins_is_noticed(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the stream and the consumer on it: the sequence to start at is of the old one."""
    remade: list[str] = []

    async def add_to_another(js: JetStreamContext, stream: str, wanted: ConsumerConfig) -> ConsumerInfo:
        if not remade:
            remade.append(stream)
            await js.delete_stream(STREAM)
            await js.add_stream(CONFIG)
            await rig.publish("n1", "n2", "n3", "n4")
        return await add(js, stream, wanted)

    following = await rig.following(start="all")
    await rig.publish("o1", "o2")
    assert await following.follower.reached(2, 30)
    await following.stop()
    add = JetStreamContext.add_consumer
    monkeypatch.setattr(JetStreamContext, "add_consumer", add_to_another)
    await following.start()
    assert await following.follower.reached(4, 30)
    assert following.resets == [2]
    assert following.bodies == ["o1", "o2", "n1", "n2", "n3", "n4"]


async def test_messages_trimmed_after_they_were_seen_are_no_reset(rig: Rig) -> None:
    following = await rig.following(start="all")
    await rig.publish(1, 2)
    assert await following.follower.reached(2, 30)
    await following.stop()
    await rig.link.nc.jetstream().purge_stream(STREAM)
    await rig.publish(3)
    await following.start()
    assert await following.follower.reached(3, 30)
    assert following.bodies == ["1", "2", "3"]
    assert not following.resets


async def test_a_defect_of_ours_does_not_end_the_following(rig: Rig) -> None:
    failures = [ValueError("ours")]

    def fail_once() -> None:
        if failures:
            raise failures.pop()

    got: list[Delivered] = []
    follower = Follower(rig.link, STREAM, got.append, on_caught_up=fail_once)
    tasks = Tasks()
    tasks.start(follower.run())
    await until(lambda: follower.following and not failures)
    await rig.link.nc.jetstream().publish("log.sync.room.a.record", b"1")
    await until(lambda: len(got) == 1)
    await tasks.cancel()


async def test_the_end_of_a_stream_is_reached_even_if_its_last_messages_were_deleted(rig: Rig) -> None:
    """Who waits for it must not wait for what nobody will send."""
    await rig.publish(1, 2, 3, 4)
    for seq in (3, 4):
        await rig.link.nc.jetstream().delete_msg(STREAM, seq)
    following = await rig.following(start="all")
    assert await following.follower.reached(4, 30)
    assert following.bodies == ["1", "2"]
    await rig.publish(5)
    assert await following.follower.reached(5, 30)
    assert following.bodies == ["1", "2", "5"]


async def test_catching_up_is_told_again_after_a_reset(rig: Rig) -> None:
    following = await rig.following(start="all")
    await rig.publish(1, 2)
    assert await following.follower.reached(2, 30)
    await following.stop()
    js = rig.link.nc.jetstream()
    await js.delete_stream(STREAM)
    await js.add_stream(CONFIG)
    await rig.publish("n1")
    await following.start()
    await until(lambda: len(following.caught_up_after) == 2)
    assert following.caught_up_after == [0, 3]
