"""Snapshots of what a service has folded from its log: it starts from one and the tail of the log (docs/adr/0027).

A snapshot is never the truth: whatever is wrong with it, it is left aside and the log is read from the beginning.
"""

import asyncio
import hashlib
import zlib
from collections.abc import Callable
from typing import Final, Protocol

import nats.js.errors
from pydantic import ValidationError

from confer_contracts.message import Body
from confer_contracts.subjects import snapshots_of
from confer_kit import clock, metrics
from confer_kit.direct import NO_MESSAGE, read_all
from confer_kit.event_log import Conflict, OutcomeUnknown
from confer_kit.follower import Follower, epoch_of
from confer_kit.jetstream import replace
from confer_kit.logs import logger
from confer_kit.nats_link import Link

log = logger(__name__)

RENEWED_S: Final = 24 * 3600.0  # a quiet service's is made anew: the stream forgets old ones
PART_BYTES: Final = 512 * 1024
TIMEOUT_S: Final = 5.0
_EVERYTHING: Final = 2**63 - 1


class State(Protocol):
    """`version`: of the form of the bytes; another version's are left aside."""

    version: int

    def capture(self) -> Callable[[], bytes] | None:
        """What there is at this moment; the function makes bytes of it, in a thread. None: it is not whole."""
        ...

    def restore(self, body: bytes) -> None:
        """Take on what was captured. Any exception: nothing was taken on."""
        ...


class Head(Body):
    """Which parts are the snapshot: `parts` of them, `snapshot.<service>.<id>.<number>`, compressed, with this SHA-256
    in all. It holds the stream's facts up to `seq`; `at` is in Unix seconds."""

    version: int
    epoch: str
    seq: int
    id: str
    parts: int
    digest: str
    at: float


class Snapshots:
    """Those of one service. Every replica makes one when `facts` have come since the last; the first one counts."""

    def __init__(self, link: Link, service: str, stream: str, state: State, facts: int) -> None:
        self._link = link
        self._service = service
        self._stream = stream
        self._into = snapshots_of(service)
        self._state = state
        self._facts = facts
        self._follower: Follower | None = None

    async def begin(self, follower: Follower) -> None:
        """Take on the last snapshot, and have the log followed from there."""
        self._follower = follower
        outcome = "unusable"
        try:
            outcome = await self._restore(follower)
        except Exception as error:
            log.warning("a snapshot is left aside", service=self._service, error=f"{type(error).__name__}: {error}")
        metrics.SNAPSHOTS.labels(outcome).inc()

    async def keep(self) -> None:
        """Make a snapshot if one is due."""
        follower = self._follower
        if follower is None or not follower.current:
            return
        head, expected = await self._head()
        since = follower.position - (head.seq if head and head.epoch == follower.epoch else 0)
        quiet = head is not None and head.at > clock.now() - RENEWED_S
        if since < self._facts and (quiet or head is None):
            return
        seq, epoch, captured = follower.position, follower.epoch, self._state.capture()
        if captured is None:
            return
        body = await asyncio.to_thread(lambda: zlib.compress(captured(), 1))
        parts = [body[at : at + PART_BYTES] for at in range(0, len(body), PART_BYTES)]
        new = Head(
            version=self._state.version, epoch=epoch, seq=seq, id=clock.new_id(), parts=len(parts),
            digest=hashlib.sha256(body).hexdigest(), at=clock.now(),
        )  # fmt: skip
        await self._write(new, parts, head, expected)

    async def _write(self, new: Head, parts: list[bytes], before: Head | None, expected: int) -> None:
        old: Head | None = new
        try:
            for number, part in enumerate(parts):
                await replace(self._link.nc, self._subject(new.id, number), part, expected=0, timeout=TIMEOUT_S)
            head = new.model_dump_json().encode()
            await replace(self._link.nc, self._subject("head"), head, expected=expected, timeout=TIMEOUT_S)
            old = before
            metrics.SNAPSHOTS.labels("written").inc()
            log.info("a snapshot was made", service=self._service, position=new.seq, parts=new.parts)
        except Conflict:
            metrics.SNAPSHOTS.labels("late").inc()
        except OutcomeUnknown:
            old = None  # it may be the one that counts
        if old is not None:
            pattern = f"snapshot.{self._service}.{old.id}.*"
            await self._link.nc.jetstream(timeout=TIMEOUT_S).purge_stream(self._into, subject=pattern)

    async def _restore(self, follower: Follower) -> str:
        head, _ = await self._head()
        if head is None:
            return "none"
        info = await self._link.nc.jetstream(timeout=TIMEOUT_S).stream_info(self._stream)
        reaches = info.state.first_seq <= head.seq + 1 <= info.state.last_seq + 1
        if head.version != self._state.version or head.epoch != epoch_of(info) or not reaches:
            return "unusable"
        pattern = f"snapshot.{self._service}.{head.id}.*"
        found = await read_all(self._link.nc, self._into, pattern, after=0, upto=_EVERYTHING)
        body = b"".join(part.data for part in found)
        if len(found) != head.parts or hashlib.sha256(body).hexdigest() != head.digest:
            return "unusable"
        self._state.restore(await asyncio.to_thread(zlib.decompress, body))
        follower.resume(head.seq, head.epoch)
        log.info("it starts from a snapshot", service=self._service, position=head.seq)
        return "read"

    async def _head(self) -> tuple[Head | None, int]:
        """The last one and its sequence (0: none). An older or newer form of it is none."""
        try:
            found = await self._link.nc.jetstream(timeout=TIMEOUT_S).get_last_msg(self._into, self._subject("head"))
        except nats.js.errors.NotFoundError as error:
            if error.err_code == NO_MESSAGE:
                return None, 0
            raise
        try:
            return Head.model_validate_json(found.data or b""), found.seq or 0
        except ValidationError:
            return None, found.seq or 0

    def _subject(self, ident: str, number: int | None = None) -> str:
        return f"snapshot.{self._service}.{ident}" + ("" if number is None else f".{number}")
