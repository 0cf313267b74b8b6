"""Who did what in a record: an index over the stream ACTIVITY, which sources every service's log, and its pages.

The index holds sequences only, 8 bytes a row: the rows themselves are read when a page is asked for. It is rebuilt
at each start from the headers of ACTIVITY. Bounded: the newest 10,000 rows of a record, and 4 million rows and
100,000 records in all; beyond that the records that were quiet longest are dropped.
"""

import asyncio
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping

import nats.errors
import nats.js.errors
from nats.js.api import StreamInfo

from confer_contracts import queue, sync
from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.subjects import ACTIVITY, FactSubject, Header, Kind
from confer_kit import clock
from confer_kit.facts import StoredFact
from confer_kit.follower import Delivered, Follower
from confer_kit.nats_link import Link
from confer_kit.tasks import Tasks

ROWS_PER_ROOM_MAX = 10_000
ROWS_MAX = 4_000_000
ROOMS_MAX = 100_000
PAGE_BYTES_MAX = 512 * 1024  # of bodies, so that a page fits into a message
READ_AT_ONCE = 25
FILTERS = (f"log.*.{Kind.ROOM}.*.*", f"log.{queue.SERVICE}.{Kind.QUEUE}.*.*")

Read = Callable[[int], Awaitable[StoredFact | None]]


def room_of(subject: FactSubject) -> str | None:
    """The room that a fact belongs to: its audience, or, for a ticket, the patient's, which its key names."""
    if subject.kind == Kind.ROOM:
        return subject.ident
    return subject.key if subject.service == queue.SERVICE and subject.kind == Kind.QUEUE else None


class ActivityIndex:
    """Room token -> the sequences of its public facts in ACTIVITY, ascending."""

    def __init__(self, rows_per_room: int = ROWS_PER_ROOM_MAX, rows: int = ROWS_MAX, rooms: int = ROOMS_MAX) -> None:
        self._rows_per_room, self._rows_max, self._rooms_max = rows_per_room, rows, rooms
        self.complete = False  # until all that was in ACTIVITY at start is known
        self.clear()

    def clear(self) -> None:
        """What was indexed is void."""
        self._rooms: OrderedDict[str, array[int]] = OrderedDict()
        self._rows = 0
        self._dropped = False

    def add(self, subject: FactSubject, seq: int, headers: Mapping[str, str]) -> None:
        """Take in the next fact of ACTIVITY; one without a public name is of no record's activity."""
        room = room_of(subject)
        if room is None or Header.EVENT not in headers:
            return
        rows = self._rooms.setdefault(room, array("Q"))
        self._rooms.move_to_end(room)
        rows.append(seq)
        self._rows += 1
        if len(rows) > self._rows_per_room:
            oldest = max(1, self._rows_per_room // 10)  # several at once: each cut moves the rest
            del rows[:oldest]
            self._rows -= oldest
        while self._rows > self._rows_max or len(self._rooms) > self._rooms_max:
            _, dropped = self._rooms.popitem(last=False)
            self._rows -= len(dropped)
            self._dropped = True

    def page(self, room: str, limit: int, before: int | None) -> list[int]:
        """Up to `limit` sequences below `before`, newest first.

        Rejection `unavailable` while the index is being built, `limit_exceeded` for a record that was dropped.
        """
        if not self.complete:
            raise Rejection(ErrorCode.UNAVAILABLE, "the activity log is being indexed: try again in a moment")
        rows = self._rooms.get(room)
        if rows is None:
            if self._dropped:
                text = "the activity of this record is older than what is indexed"
                raise Rejection(ErrorCode.LIMIT_EXCEEDED, text, retry=False)
            return []
        end = len(rows) if before is None else bisect_left(rows, before)
        return list(reversed(rows[max(0, end - limit) : end]))


class Activity:
    """The index kept current, and the pages read from it."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._index = ActivityIndex()
        self._follower = Follower(
            link, ACTIVITY, self._take, start="all", filters=FILTERS, headers_only=True,
            on_reset=self._begin_again, on_caught_up=self._complete,
        )  # fmt: skip

    def start(self, tasks: Tasks) -> None:
        tasks.start(self._follower.run(), "activity index")

    async def page(self, room: str, limit: int, before: int | None) -> tuple[list[sync.ActivityRow], bool]:
        """The rows below `before`, newest first, and whether there are older ones. Rejections as from the index."""
        sequences = self._index.page(room, limit + 1, before)
        rows, cut = await read_page(sequences[:limit], self._read)
        return rows, cut or len(sequences) > limit

    def _take(self, message: Delivered) -> None:
        self._index.add(FactSubject.parse(message.subject), message.seq, message.headers)

    def _complete(self) -> None:
        self._index.complete = True

    async def _begin_again(self, info: StreamInfo) -> None:
        """ACTIVITY was made anew, or the retention overtook us: index what it holds now."""
        self._index.clear()
        self._follower.position = 0

    async def _read(self, seq: int) -> StoredFact | None:
        """A row's fact, or None when it has aged out; Rejection(unavailable) while ACTIVITY cannot be read."""
        try:
            found = await self._link.nc.jetstream(timeout=2).get_msg(ACTIVITY, seq=seq, direct=True)
        except nats.js.errors.NotFoundError:
            return None
        except (TimeoutError, nats.errors.Error, nats.js.errors.Error) as error:
            raise Rejection(ErrorCode.UNAVAILABLE, "the activity log cannot be read: try again") from error
        assert found.subject is not None and found.time is not None
        return StoredFact(
            subject=FactSubject.parse(found.subject),
            seq=seq,
            at=found.time.timestamp(),
            body=found.data or b"",
            headers=found.headers or {},
        )


async def read_page(sequences: list[int], read: Read) -> tuple[list[sync.ActivityRow], bool]:
    """The rows of these sequences, and whether the page was cut for its size. What has aged out is left out."""
    rows: list[sync.ActivityRow] = []
    size = 0
    for start in range(0, len(sequences), READ_AT_ONCE):
        for fact in await asyncio.gather(*map(read, sequences[start : start + READ_AT_ONCE])):
            if fact is None:
                continue
            size += len(fact.body)
            if rows and size > PAGE_BYTES_MAX:
                return rows, True
            rows.append(_row(fact))
    return rows, False


def _row(fact: StoredFact) -> sync.ActivityRow:
    detail = fact.json()
    stamp = detail.get("timestamp") if isinstance(detail, dict) else None
    trace = fact.headers.get(Header.TRACEPARENT, "").split("-")
    return sync.ActivityRow(
        sequence=fact.seq,
        timestamp=stamp or clock.iso(fact.at),
        service=fact.subject.service,
        event=fact.event or "",
        user_id=fact.actor or "",
        op=fact.op,
        trace_id=trace[1] if len(trace) == 4 else None,
        detail=detail,
    )
