"""Makes the streams. Idempotent: what is there stays or is added to; LIVE is made when it or its feed is missing."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import StreamConfig, StreamInfo
from nats.js.errors import NotFoundError

from confer_kit import clock
from confer_kit.follower import EPOCH
from confer_ops import streams
from confer_ops.streams import Sourced
from confer_ops.trouble import Trouble

SOURCES_READY_S = 15.0
PATIENCE_S = 30.0
ADJUSTABLE = (
    "subjects",
    "max_age",
    "max_msgs_per_subject",
    "num_replicas",
    "description",
    "allow_direct",
    "allow_atomic",
)

Say = Callable[[str], None]


def _silent(_: str) -> None: ...


@dataclass(frozen=True)
class Ages:
    """For how many days the activity log is kept, and what was told to AUDIT. None: as it is; 90 for a new stream."""

    activity_days: float | None = None
    audit_days: float | None = None


async def provision(nc: Client, replicas: int | None = None, say: Say = _silent, ages: Ages = Ages()) -> None:
    """Make what is missing, adjust what may be adjusted, and tell `say` each thing done. `replicas`: copies of each
    stream; None: as it is, 1 at first."""
    js = nc.jetstream()
    replicas = replicas or await _replicas(js)
    audit = await _aged(js, streams.audit(), ages.audit_days)
    if await _find(js, streams.SNAPSHOTS_OF_ALL) is not None:
        await js.delete_stream(streams.SNAPSHOTS_OF_ALL)
        say(f"removed stream {streams.SNAPSHOTS_OF_ALL}: each service has its own, and makes what it needs anew")
    for config in (*streams.logs(), streams.access(), audit, streams.ticks(), streams.sessions(), *streams.snapshots()):
        await _ensure(js, config.evolve(num_replicas=replicas), say)
    activity = (await _aged(js, streams.activity(), ages.activity_days)).evolve(num_replicas=replicas)
    await _add_sources(js, activity, streams.activity_sources(), say)
    await _ensure_sourced(js, activity, streams.activity_sources(), say, may_take_more=True)
    epoch = secrets.token_hex(4)
    await _ensure_sourced(js, streams.live(epoch).evolve(num_replicas=replicas), streams.live_sources(), say)


async def provision_patiently(nc: Client, replicas: int | None = None, say: Say = _silent, ages: Ages = Ages()) -> None:
    """In a cluster a stream may be without a leader at this moment: tried again, for nothing is done twice. Trouble
    after `PATIENCE_S`."""
    deadline = clock.now() + PATIENCE_S
    while True:
        try:
            await provision(nc, replicas, say, ages)
        except (TimeoutError, nats.errors.Error, nats.js.errors.ServiceUnavailableError) as error:
            if clock.now() > deadline:
                text = f"The NATS server does not do what it is asked ({type(error).__name__}: {error}). Try again."
                raise Trouble(text) from None
            await asyncio.sleep(0.5)
        else:
            return


async def existing(nc: Client) -> frozenset[str]:
    """The names of the streams that are there."""
    return frozenset(info.config.name or "" for info in await nc.jetstream().streams_info())


def log_streams() -> frozenset[str]:
    """The streams that nothing else can give back."""
    return frozenset(config.name or "" for config in (*streams.logs(), streams.access()))


async def _replicas(js: JetStreamContext) -> int:
    """Of the streams that are there: who does not ask for another number keeps it."""
    found = await _find(js, streams.logs()[0].name or "")
    return 1 if found is None else found.config.num_replicas or 1


async def _find(js: JetStreamContext, name: str) -> StreamInfo | None:
    try:
        return await js.stream_info(name)
    except NotFoundError:
        return None


async def _aged(js: JetStreamContext, config: StreamConfig, days: float | None) -> StreamConfig:
    """With the age that is asked for; else with the one that the stream has, for what is cut off is gone."""
    if days is not None:
        return config.evolve(max_age=days * streams.DAY)
    found = await _find(js, config.name or "")
    return config if found is None else config.evolve(max_age=found.config.max_age)


async def _ensure(js: JetStreamContext, wanted: StreamConfig, say: Say) -> None:
    assert wanted.name is not None
    found = await _find(js, wanted.name)
    if found is None:
        await js.add_stream(wanted)
        say(f"made stream {wanted.name}")
        return
    changes = {
        name: getattr(wanted, name)
        for name in ADJUSTABLE
        if getattr(wanted, name) is not None and getattr(wanted, name) != getattr(found.config, name)
    }
    if changes:
        await js.update_stream(found.config.evolve(**changes))
        say(f"adjusted stream {wanted.name}: {', '.join(changes)}")


async def _ensure_sourced(
    js: JetStreamContext, wanted: StreamConfig, sources: Sequence[Sourced], say: Say, *, may_take_more: bool = False
) -> None:
    """A stream fed by others. Without one of its consumers it has missed facts, and where it takes them from, or as
    what, may change between versions: then it is made anew, with a new epoch. `may_take_more`: from what this version
    does not know, too; for ACTIVITY has what its sources have let go."""
    assert wanted.name is not None
    there = [await _consumed(js, sourced) for sourced in sources]
    found = await _find(js, wanted.name)
    if found is not None:
        all_consumed = there == [sourced.subjects for sourced in sources]
        taken, asked = _taken(found.config), _taken(wanted)
        if all_consumed and (taken >= asked if may_take_more else taken == asked):
            await _ensure(js, wanted, say)
            return
        await js.delete_stream(wanted.name)
        say(f"removed stream {wanted.name}: it no longer gets everything")
    for sourced, subjects in zip(sources, there, strict=True):
        if subjects is not None:  # it remembers a place from before; a new stream begins now
            await js.delete_consumer(sourced.stream, sourced.name)
        await js.add_consumer(sourced.stream, sourced.consumer())
    await js.add_stream(wanted)
    epoch = (wanted.metadata or {}).get(EPOCH)
    say(f"made stream {wanted.name}" + (f", epoch {epoch}" if epoch else ""))
    await _until_sourced(js, wanted.name)


async def _add_sources(js: JetStreamContext, wanted: StreamConfig, sources: Sequence[Sourced], say: Say) -> None:
    """A stream that takes everything from the beginning can also take from one that it never knew."""
    assert wanted.name is not None
    found = await _find(js, wanted.name)
    if found is None:
        return
    known = {source.name for source in found.config.sources or []}
    new = [sourced for sourced in sources if sourced.stream not in known]
    for sourced in new:
        await js.add_consumer(sourced.stream, sourced.consumer())
    if new:
        await js.update_stream(found.config.evolve(sources=wanted.sources))
        say(f"stream {wanted.name} takes from {', '.join(sourced.stream for sourced in new)} as well")


async def _consumed(js: JetStreamContext, sourced: Sourced) -> str | None:
    """What its consumer hands on; None: there is none."""
    try:
        found = await js.consumer_info(sourced.stream, sourced.name)
    except NotFoundError:
        return None
    return found.config.filter_subject or ""


def _taken(config: StreamConfig) -> frozenset[tuple[str, tuple[tuple[str, str], ...]]]:
    """From which streams, and as what."""
    return frozenset(
        (source.name, tuple((one.src, one.dest) for one in source.subject_transforms or []))
        for source in config.sources or []
    )


async def _until_sourced(js: JetStreamContext, name: str) -> None:
    """Wait until each source has been heard of: the server sets them up one by one, after a pause."""
    silent: list[str] = []
    try:
        async with asyncio.timeout(SOURCES_READY_S):
            while True:
                info = await js.stream_info(name)
                silent = [s.name for s in info.sources or [] if s.active is None or s.active < 0]
                if not silent:
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise Trouble(f"Stream {name} takes nothing from {', '.join(silent)}: see the NATS server's log.") from None
