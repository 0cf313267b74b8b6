"""What the log of an installation says: every fact of every stream, and of each LIVE there ever was."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import nats.js.errors
import orjson

from confer_contracts.catalogue import SERVICES
from confer_contracts.subjects import LIVE, FactSubject, Header, Kind, stream_of
from confer_kit.direct import read, reading
from confer_kit.event_log import Unavailable
from confer_kit.follower import Delivered, epoch_of
from confer_kit.nats_link import Link
from confer_kit.settings import KitSettings
from confer_kit.testing.chaos.sightings import Offset

SWEEP_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class LiveFact:
    """A message of LIVE. `source`: the stream and sequence that it came from."""

    seq: int
    audience: str
    name: str
    body: bytes
    source: tuple[str, int]
    origin: str | None

    @property
    def version(self) -> tuple[str, int] | None:
        """The field that it updates, and to which version."""
        if self.name != "field_updated":
            return None
        body = orjson.loads(self.body)
        return body["field"], body["version"]


@dataclass
class Truth:
    """`epochs`: each LIVE in the order in which they were, as facts by sequence. `log`: of each audience, the source
    stream and sequence of every fact that members are told. `operations`: how often each is in the log. `appended`:
    when each fact was, in Unix seconds."""

    epochs: dict[str, dict[int, LiveFact]] = field(default_factory=lambda: defaultdict(dict))
    log: dict[str, list[tuple[str, int]]] = field(default_factory=lambda: defaultdict(list))
    operations: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    appended: dict[tuple[str, int], float] = field(default_factory=dict)

    def order(self, offset: Offset) -> tuple[int, int]:
        """Comparable over epochs. ValueError for one that never was."""
        return list(self.epochs).index(offset.epoch), offset.seq

    def until(self, offset: Offset, audience: str) -> list[LiveFact]:
        """What LIVE, this one and those before, had of an audience up to here."""
        found: list[LiveFact] = []
        for epoch, facts in self.epochs.items():
            here = epoch == offset.epoch
            found += [f for f in facts.values() if f.audience == audience and (not here or f.seq <= offset.seq)]
            if here:
                break
        return found

    def before(self, offset: Offset, audience: str) -> set[tuple[str, int]]:
        """The facts of the log that a snapshot of an audience, taken here, must contain: also those that were in no
        LIVE, because there was none."""
        first: dict[str, int] = {}
        for fact in self.epochs[offset.epoch].values():
            stream, seq = fact.source
            first[stream] = min(seq, first.get(stream, seq))
        unsourced = {(stream, seq) for stream, seq in self.log[audience] if seq < first.get(stream, 0)}
        return unsourced | {fact.source for fact in self.until(offset, audience)}

    @property
    def end(self) -> Offset:
        epoch = list(self.epochs)[-1]
        return Offset(epoch, max(self.epochs[epoch], default=0))


class Recorder:
    """Copies LIVE while it runs, by sequence and without a hole, for it is trimmed and may be made anew. It logs in as
    `user`."""

    def __init__(self, settings: KitSettings, user: str) -> None:
        self.truth = Truth()
        self.problems: list[str] = []
        self._settings, self._user = settings, user
        self.link = Link()
        self._last: dict[str, int] = {}
        self._reading = asyncio.Lock()

    async def start(self) -> None:
        await self.link.connect(self._settings, self._user)
        await self.catch_up()

    async def close(self) -> None:
        await self.link.close(2)

    async def run(self) -> None:
        """Until cancelled. While NATS is away nothing is missed: the next sweep begins where the last one ended."""
        while True:
            with contextlib.suppress(Unavailable):
                await self.catch_up()
            await asyncio.sleep(SWEEP_S)

    async def catch_up(self) -> None:
        """Up to the present end of LIVE. Raises Unavailable."""
        async with self._reading:
            await self._catch_up()

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """The truth about everything up to now, and it does not change. Raises Unavailable."""
        async with self._reading:
            await self._catch_up()
            await self._read_logs()
            yield

    async def _catch_up(self) -> None:
        with reading():
            info = await self.link.nc.jetstream(timeout=3).stream_info(LIVE)
        epoch, last = epoch_of(info), info.state.last_seq
        after = self._last.get(epoch, info.state.first_seq - 1 if info.state.first_seq else 0)
        self._last.setdefault(epoch, after)
        self.truth.epochs[epoch]
        for message in await read(self.link.nc, LIVE, ">", after=after, upto=last):
            if message.seq != self._last[epoch] + 1:
                first = (await self._first())[1]
                if first <= self._last[epoch] + 1:
                    return  # a replica that lags behind: read again
                self.problems.append(f"LIVE was trimmed before it was recorded: {self._last[epoch]}..{first}")
            self._last[epoch] = message.seq
            self._keep(epoch, message)

    async def catch_up_to_its_end(self) -> None:
        """When nothing is added any more."""
        before, here = -1, 0
        while before != here:
            await asyncio.sleep(0.3)
            await self.catch_up()
            before, here = here, sum(self._last.values())

    async def _first(self) -> tuple[str, int]:
        with reading():
            info = await self.link.nc.jetstream(timeout=3).stream_info(LIVE)
        return epoch_of(info), info.state.first_seq

    def _keep(self, epoch: str, message: Delivered) -> None:
        kind = message.subject.partition(".")[0]
        name = shown_name(message.headers, kind)
        if name is None or kind == Kind.PROBE:
            return
        stream, seq = message.headers[Header.SOURCE].split(" ")[:2]
        self.truth.epochs[epoch][message.seq] = LiveFact(
            message.seq, message.subject, name, message.data, (stream.partition(":")[0], int(seq)),
            message.headers.get(Header.ORIGIN),
        )  # fmt: skip

    async def _read_logs(self) -> None:
        """Every fact of every service's own stream, by the audiences that are told."""
        self.truth.log.clear()
        self.truth.operations.clear()
        for service in SERVICES:
            stream = stream_of(service)
            with reading():
                try:
                    last = (await self.link.nc.jetstream().stream_info(stream)).state.last_seq
                except nats.js.errors.NotFoundError:
                    continue
            for message in await read(self.link.nc, stream, ">", after=0, upto=last):
                self._count(stream, message)

    def _count(self, stream: str, message: Delivered) -> None:
        _, kind, ident, key, _ = FactSubject.parse(message.subject)
        self.truth.appended[stream, message.seq] = message.at
        if op := message.headers.get(Header.OP):
            self.truth.operations[op] += 1
        if message.headers.get(Header.EVENT):
            self.truth.log[f"{kind}.{ident}"].append((stream, message.seq))
        if kind == Kind.QUEUE and shown_name(message.headers, Kind.ROOM):
            self.truth.log[f"{Kind.ROOM}.{key}"].append((stream, message.seq))


def shown_name(headers: dict[str, str] | object, kind: str) -> str | None:
    """The event under which members of this kind of audience are told."""
    assert isinstance(headers, dict)
    return headers.get(f"{Header.EVENT_FOR}{kind}") or headers.get(Header.EVENT)
