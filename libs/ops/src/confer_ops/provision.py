"""Makes the streams. Idempotent: what is there is left or added to; LIVE is only ever made when it is missing."""

import asyncio
import secrets
from collections.abc import Callable
from datetime import UTC, datetime

from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import StreamConfig, StreamInfo
from nats.js.errors import NotFoundError

from confer_contracts.subjects import LIVE
from confer_kit import clock
from confer_ops import streams
from confer_ops.trouble import Trouble

SOURCES_READY_S = 15.0
_ADJUSTABLE = ("subjects", "max_age", "max_msgs_per_subject", "num_replicas", "description", "allow_direct")

Say = Callable[[str], None]


def _silent(_: str) -> None: ...


async def provision(nc: Client, replicas: int = 1, say: Say = _silent) -> None:
    """Make what is missing, adjust what may be adjusted, and tell `say` each thing done.

    Returns when LIVE takes from all its sources: a fact appended before that could be passed over.
    """
    js = nc.jetstream()
    for config in (*streams.logs(), streams.ticks(), streams.activity()):
        await _ensure(js, config.evolve(num_replicas=replicas), say)
    if await _find(js, LIVE) is None:
        epoch = secrets.token_hex(4)
        start = datetime.fromtimestamp(clock.now(), UTC)
        await js.add_stream(streams.live(epoch, start).evolve(num_replicas=replicas))
        say(f"made stream {LIVE}, epoch {epoch}")
    await _until_sourced(js, LIVE)


async def existing(nc: Client) -> frozenset[str]:
    """The names of the streams that are there."""
    return frozenset(info.config.name or "" for info in await nc.jetstream().streams_info())


def log_streams() -> frozenset[str]:
    """The streams that nothing else can give back."""
    return frozenset(config.name or "" for config in streams.logs())


async def _find(js: JetStreamContext, name: str) -> StreamInfo | None:
    try:
        return await js.stream_info(name)
    except NotFoundError:
        return None


async def _ensure(js: JetStreamContext, wanted: StreamConfig, say: Say) -> None:
    assert wanted.name is not None
    found = await _find(js, wanted.name)
    if found is None:
        await js.add_stream(wanted)
        say(f"made stream {wanted.name}")
        return
    changes = {
        name: getattr(wanted, name)
        for name in _ADJUSTABLE
        if getattr(wanted, name) is not None and getattr(wanted, name) != getattr(found.config, name)
    }
    if changes:
        await js.update_stream(found.config.evolve(**changes))
        say(f"adjusted stream {wanted.name}: {', '.join(changes)}")


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
