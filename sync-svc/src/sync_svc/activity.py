"""The activity log: pages of who did what when, read from the stream ACTIVITY, which sources every service's log.

The index of it is built from headers, when it is first asked for, and follows ACTIVITY while it is asked: writers do
not pay for it. What a field was before is looked up in the record's own log. Times are those of the facts; the order
is that in which ACTIVITY took them in.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, get_args

import nats.errors
import nats.js.errors
from nats.js.api import StreamInfo

from confer_contracts.activity import (
    ROWS_MAX,
    ActivityKind,
    ActivityQuery,
    ActivityRow,
    PresenceHistory,
    PresenceHistoryReply,
)
from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.ids import token
from confer_contracts.message import JsonValue
from confer_contracts.subjects import ACTIVITY, FactSubject, Header
from confer_kit.direct import first_since
from confer_kit.event_log import Unavailable
from confer_kit.facts import StoredFact
from confer_kit.follower import Delivered, Follower, epoch_of
from confer_kit.nats_link import Link
from confer_kit.tasks import Tasks, again
from sync_svc.activity_index import ActivityIndex
from sync_svc.activity_page import Reading, Version, Wanted, unix
from sync_svc.activity_rows import kind_of, room_of
from sync_svc.history import History
from sync_svc.stays import stays_of

SEARCHED_MAX = 1000  # rows that are read for a page
STAYS_ROWS = 5 * ROWS_MAX  # comings and goings that are looked through for stays
READ_AT_ONCE = 25
HISTORIES_AT_ONCE = 10  # records whose log is looked into at a time
COMMITS_MAX, COMMITS_EACH_MIN = 1000, 20  # that are looked through for older values: of a page, of a record on it
CLOCKS_S = 60.0  # that a service's clock may differ from NATS'
INDEXED_WITHIN_S = 2.0  # who asks waits so long for what is not indexed yet
FOLLOWED_S = 60.0  # ACTIVITY is, after the last question
REFILLED_S = 3600.0  # after ACTIVITY was made anew it takes in what is older
UNTOLD: Final[frozenset[ActivityKind]] = frozenset({"read", "refusal"})  # unless they are asked for
TOLD: Final = frozenset(get_args(ActivityKind)) - UNTOLD


@dataclass(slots=True)
class Page:
    """`before`: where older rows begin; None: there are none."""

    rows: list[ActivityRow]
    before: int | None
    trimmed: bool


class Activity:
    """The index, and the pages read from it. `rows_max`: of the newest facts that are indexed."""

    def __init__(self, link: Link, history: History, rows_max: int) -> None:
        self._link = link
        self._history = history
        self._index = ActivityIndex()
        self._asked = asyncio.Event()
        self._follower = Follower(
            link, ACTIVITY, self._take, start="all", headers_only=True, most=rows_max, on_reset=self._begin_again
        )

    @property
    def rows(self) -> int:
        """That are indexed."""
        return self._index.count

    def start(self, tasks: Tasks) -> None:
        tasks.start(self._follow(), "activity index")
        tasks.start(again(REFILLED_S, self._forget), "activity retention")

    async def page(self, query: ActivityQuery) -> Page:
        """The rows below `query.before`, newest first. Rejections as from the index; `unavailable` while ACTIVITY
        cannot be read."""
        kinds = frozenset(query.kinds or TOLD)
        down_to, below = await self._bounds(query)
        user = None if query.user is None else token(query.user)
        found, trimmed = self._index.search(
            query.room, user, kinds, below=below, down_to=down_to, most=SEARCHED_MAX + 1
        )
        reading = Reading(query)
        for start in range(0, min(len(found), SEARCHED_MAX), READ_AT_ONCE):
            sequences = found[start : min(start + READ_AT_ONCE, SEARCHED_MAX)]
            for sequence, fact in zip(sequences, await asyncio.gather(*map(self._read, sequences)), strict=True):
                reading.take(sequence, fact)
            if reading.full:
                break
        older = bool(found) and reading.last != found[-1]
        values = await self._known(reading.wanted)
        trimmed = trimmed or 0 < self._follower.floor >= down_to
        return Page(reading.rows(values), reading.last if older else None, trimmed)

    async def stays(self, query: PresenceHistory) -> PresenceHistoryReply:
        """Who was there, as far as STAYS_ROWS comings and goings before `until` tell. Rejections as for `page`."""
        asked = ActivityQuery(
            **query.model_dump(include={"patient_id", "session_id", "until", "before"}), kinds=["presence"],
            limit=ROWS_MAX,
        )  # fmt: skip
        page = await self.page(asked)
        rows = page.rows
        while page.before is not None and len(rows) < STAYS_ROWS:
            page = await self.page(asked.model_copy(update={"before": page.before}))
            rows += page.rows
        stays = stays_of(rows, query.since)
        return PresenceHistoryReply(
            stays=stays, more=page.before is not None, before=page.before, trimmed=page.trimmed
        )  # fmt: skip

    async def _bounds(self, query: ActivityQuery) -> tuple[int, int]:
        """The sequences among which the rows are: what the stream holds, and what the times leave of it."""
        try:
            info = await self._link.nc.jetstream(timeout=2).stream_info(ACTIVITY)
            down_to, below = info.state.first_seq, query.before or info.state.last_seq + 1
            if query.since is not None:
                first = await first_since(self._link.nc, ACTIVITY, unix(query.since) - CLOCKS_S)
                down_to = max(down_to, below if first is None else first)
            if query.until is not None:
                made = info.created.timestamp() if info.created else 0.0
                late = max(unix(query.until), made + REFILLED_S) + CLOCKS_S
                first = await first_since(self._link.nc, ACTIVITY, late)
                below = below if first is None else min(below, first)
        except (TimeoutError, Unavailable, nats.errors.Error, nats.js.errors.Error) as error:
            raise _unreadable() from error
        await self._indexed(info)
        return down_to, below

    async def _indexed(self, info: StreamInfo) -> None:
        """Wait until all that ACTIVITY held then can be found. Rejection `unavailable` where that takes longer."""
        self._asked.set()
        follower = self._follower
        current = await follower.until_current(INDEXED_WITHIN_S)
        reached = current and await follower.reached(info.state.last_seq, INDEXED_WITHIN_S)
        if not reached or epoch_of(info) != follower.epoch:
            raise Rejection(ErrorCode.UNAVAILABLE, "the activity log is being indexed: try again in a moment")

    async def _follow(self) -> None:
        while True:
            await self._asked.wait()
            following = Tasks()
            following.start(self._follower.run(), "activity")
            try:
                while self._asked.is_set():
                    self._asked.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._asked.wait(), FOLLOWED_S)
            finally:
                await following.cancel()

    async def _known(self, wanted: Mapping[str, Wanted]) -> dict[Version, JsonValue]:
        """The values of older versions, as far as the records' own logs tell them."""
        known: dict[Version, JsonValue] = {}
        most = max(COMMITS_EACH_MIN, COMMITS_MAX // max(1, len(wanted)))

        async def look(room: str, each: Wanted) -> None:
            found = await self._history.versions(room, each.versions, each.before, most)
            known.update({(room, *at): change.value for at, change in found.items()})

        rooms = list(wanted.items())
        for start in range(0, len(rooms), HISTORIES_AT_ONCE):
            await asyncio.gather(*(look(*room) for room in rooms[start : start + HISTORIES_AT_ONCE]))
        return known

    def _take(self, message: Delivered) -> None:
        try:
            subject = FactSubject.parse(message.subject)
        except ValueError:  # no service writes there
            return
        kind = kind_of(subject, message.headers.get(Header.EVENT))
        if kind is not None:
            self._index.add(message.seq, kind, room_of(subject), message.headers.get(Header.ACTOR))

    async def _begin_again(self, info: StreamInfo) -> None:
        """ACTIVITY was made anew, or the retention overtook us: index what it holds now."""
        self._index.clear()

    async def _forget(self) -> None:
        """What is too old for ACTIVITY needs no place here."""
        info = await self._link.nc.jetstream(timeout=2).stream_info(ACTIVITY)
        self._index.forget_below(info.state.first_seq)

    async def _read(self, seq: int) -> StoredFact | None:
        """A row's fact, or None when it is there no longer."""
        try:
            found = await self._link.nc.jetstream(timeout=2).get_msg(ACTIVITY, seq=seq, direct=True)
        except nats.js.errors.NotFoundError:
            return None
        except (TimeoutError, nats.errors.Error, nats.js.errors.Error) as error:
            raise _unreadable() from error
        assert found.subject is not None and found.time is not None
        return StoredFact(
            subject=FactSubject.parse(found.subject),
            seq=seq,
            at=found.time.timestamp(),
            body=found.data or b"",
            headers=found.headers or {},
        )


def _unreadable() -> Rejection:
    return Rejection(ErrorCode.UNAVAILABLE, "the activity log cannot be read: try again")
