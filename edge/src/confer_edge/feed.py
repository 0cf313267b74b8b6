"""The live feed: LIVE as one ordered, contiguous stream, handed to the audiences (ARCHITECTURE.md, "One feed")."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

import nats.errors
import nats.js.errors
import orjson
from nats.js.api import StreamInfo

from confer_contracts.catalogue import OTHERS, SERVICES
from confer_contracts.subjects import LIVE, Header, Kind, stream_of
from confer_edge import metrics, packets
from confer_edge.audiences import Audiences
from confer_edge.packets import Event
from confer_edge.session import Membership
from confer_edge.tracing import emitting
from confer_kit import clock, telemetry
from confer_kit.direct import read_all, reading
from confer_kit.follower import Delivered, Follower, epoch_of
from confer_kit.logs import logger
from confer_kit.nats_link import Link

log = logger(__name__)

_PROBE: Final = str(Kind.PROBE)
REPLAYED_MAX: Final = 10_000  # facts; who missed more gets snapshots
_NAME_FOR: Final = {kind: Header.EVENT_FOR + kind for kind in ("room", "queue", "user", "role", "staff", "topic")}


class Missed(NamedTuple):
    audience: str
    event: Event


class Feed:
    """Follows LIVE. `delivered`: per source stream, the last sequence handed out."""

    def __init__(
        self, link: Link, audiences: Audiences, on_reset: Callable[[], None], before: Callable[[], Awaitable[None]]
    ) -> None:
        """`before` is awaited before following begins, also after a cut."""
        self._link = link
        self._audiences = audiences
        self._on_reset = on_reset
        self.delivered: dict[str, int] = {}
        self.on_follow: Callable[[str, str], None] = _nobody  # audience and change of a fact with `Confer-Follow`
        self._follower = Follower(link, LIVE, self._deliver, contiguous=True, on_reset=self._reset, before=before)

    def delivered_of(self, stream: str) -> int:
        return self.delivered.get(stream, 0)

    @property
    def offset(self) -> str:
        """`<epoch>.<sequence>` of what was handed out last."""
        return f"{self._follower.epoch}.{self._follower.position}"

    @property
    def epoch(self) -> str:
        return self._follower.epoch

    @property
    def position(self) -> int:
        """The sequence of LIVE that was handed out last."""
        return self._follower.position

    async def reached(self, seq: int, timeout: float) -> bool:
        return await self._follower.reached(seq, timeout)

    async def missed(
        self, memberships: Mapping[str, Membership], sid: str, after: int, upto: int
    ) -> list[Missed] | None:
        """What a session with these memberships was sent between two positions, in order; None: LIVE has not all of
        it any more, or it is too much. Raises Unavailable."""
        if not await self._holds(after):
            return None
        found: list[tuple[Delivered, str]] = []
        for audience, membership in memberships.items():
            since = max(after, membership.since)
            facts = await read_all(self._link.nc, LIVE, audience, after=since, upto=upto, limit=REPLAYED_MAX)
            found += [(f, name) for f in facts if (name := _name(f, audience.partition(".")[0])) and _is_json(f)]
            if len(found) >= REPLAYED_MAX:
                return None
        found.sort(key=lambda pair: pair[0].seq)
        if not await self._holds(after):  # not any more: it was read meanwhile
            return None
        return [missed for fact, name in found for missed in self._replayed(fact, name, memberships, sid)]

    def _replayed(self, fact: Delivered, name: str, memberships: Mapping[str, Membership], sid: str) -> list[Missed]:
        stream, seq = _source(fact.headers.get(Header.SOURCE, ""))
        if seq <= memberships[fact.subject].as_of.get(stream, 0):
            return []
        own = fact.headers.get(Header.ORIGIN) == sid
        events = [event for event_name, event in self._events(fact, name) if not (own and event_name in OTHERS)]
        return [Missed(fact.subject, event) for event in events]

    async def _holds(self, after: int) -> bool:
        """Whether everything of our epoch after that position is there. Raises Unavailable."""
        with reading():
            info = await self._link.nc.jetstream(timeout=2).stream_info(LIVE)
        return epoch_of(info) == self.epoch and info.state.first_seq <= after + 1

    async def begun(self, timeout: float) -> None:
        """Wait until LIVE is followed: before that no offset means anything; and until it is known which facts came
        before, which the first snapshots must contain. TimeoutError."""
        async with asyncio.timeout(timeout):
            while not self._follower.following:  # noqa: ASYNC110 - once, at start
                await asyncio.sleep(0.02)
            before: dict[str, int] | None = None
            while before is None:
                try:
                    before = await self._ends()
                except (TimeoutError, nats.errors.Error, nats.js.errors.Error):
                    await asyncio.sleep(0.2)
        self.delivered = {stream: max(seq, self.delivered.get(stream, 0)) for stream, seq in before.items()}

    async def run(self) -> None:
        await self._follower.run()

    def _deliver(self, message: Delivered) -> None:
        headers = message.headers
        stream, seq = _source(headers.get(Header.SOURCE, ""))
        audience = message.subject
        kind = audience.partition(".")[0]
        name = _name(message, kind)
        if name and self._audiences.has(audience) and _is_json(message):
            if telemetry.sampled(headers):
                reached = self._emit_traced(message, kind, name, stream, seq)
            else:
                reached = self._emit(message, name, stream, seq)
            if kind != _PROBE:  # which is no client
                metrics.FACTS.inc(reached)
            if (change := headers.get(Header.FOLLOW)) is not None:
                self.on_follow(audience, change)
        self.delivered[stream] = max(seq, self.delivered.get(stream, 0))

    def _emit(self, message: Delivered, name: str, stream: str, seq: int) -> int:
        origin = message.headers.get(Header.ORIGIN)
        members = 0
        for event_name, event in self._events(message, name):  # as many get each of them
            members = self._audiences.emit(message.subject, event_name, event, origin=origin, stream=stream, seq=seq)
        return members

    def _events(self, message: Delivered, name: str) -> list[tuple[str, Event]]:
        """The events of one fact. The offset is with the last one: who has that one has them all."""
        offset = f"{self._follower.epoch}.{message.seq}"
        alias = message.headers.get(Header.ALIAS)
        if alias is None:
            return [(name, packets.fact(name, message.data, offset))]
        return [(name, packets.fact(name, message.data)), (alias, packets.fact(alias, message.data, offset))]

    def _emit_traced(self, message: Delivered, kind: str, name: str, stream: str, seq: int) -> int:
        """From the fact's being in LIVE, by the server's clock, to its being on its way to the members."""
        told: telemetry.Attributes = {
            telemetry.AUDIENCE_KIND: kind, telemetry.SEQUENCE: seq, telemetry.LIVE_SEQUENCE: message.seq,
        }  # fmt: skip
        since_ns = int(min(message.at, clock.now()) * 1e9)
        with emitting(name, message.subject, f"{kind}.{{id}}", message.headers, told, since_ns=since_ns) as span:
            reached = self._emit(message, name, stream, seq)
            span.set_attribute(telemetry.MEMBERS, reached)
        return reached

    async def _reset(self, info: StreamInfo) -> None:
        """Snapshots stand for what was passed over: they must contain the logs up to where those are now."""
        self.delivered = await self._ends()
        self._on_reset()

    async def _ends(self) -> dict[str, int]:
        js = self._link.nc.jetstream(timeout=2)
        return {stream: (await js.stream_info(stream)).state.last_seq for stream in map(stream_of, SERVICES)}


def _nobody(audience: str, change: str) -> None:
    """Before somebody listens."""


def _name(fact: Delivered, kind: str) -> str | None:
    """The Socket.IO name under which this kind of audience gets a fact; None: none does."""
    return fact.headers.get(_NAME_FOR.get(kind, "")) or fact.headers.get(Header.EVENT)


def _is_json(fact: Delivered) -> bool:
    """Else no service wrote it, and each client that got it would end its connection, and get it again."""
    try:
        orjson.loads(fact.data)
    except ValueError:
        log.error("a fact that is no JSON goes to nobody", seq=fact.seq)
        return False
    return True


def _source(value: str) -> tuple[str, int]:
    """Stream and sequence of `Nats-Stream-Source` (`SYNC:C=<consumer> 12 ...`); a message without it is LIVE's own."""
    parts = value.split(" ", 2)
    return (parts[0].partition(":")[0], int(parts[1])) if len(parts) > 1 and parts[1].isdigit() else ("", 0)
