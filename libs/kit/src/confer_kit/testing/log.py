"""What the log of a running system says, for tests that compare it with what people saw."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import nats.js.errors
from nats.js.api import RawStreamMsg

from confer_contracts.subjects import LIVE
from confer_kit.facts import StoredFact
from confer_kit.jetstream import JetStreamEventLog
from confer_kit.nats_link import Link
from confer_kit.settings import KitSettings


class LogReader:
    """Reads facts from their streams, and audiences from LIVE."""

    def __init__(self, link: Link) -> None:
        self.nc = link.nc
        self._log = JetStreamEventLog(link.nc)

    async def facts(self, guard: str) -> Sequence[StoredFact]:
        """All facts below a subject or pattern, in order."""
        last = await self._log.last(guard)
        return await self._log.read(guard, after=0, upto=last.seq) if last else []

    async def last_seq(self, guard: str) -> int:
        """The sequence of the last fact below a pattern; 0: there is none."""
        last = await self._log.last(guard)
        return last.seq if last else 0

    async def live(self, audience: str) -> list[RawStreamMsg]:
        """What LIVE holds of an audience, in order."""
        js, found = self.nc.jetstream(), list[RawStreamMsg]()
        while True:
            after = (found[-1].seq or 0) + 1 if found else 1
            try:
                found.append(await js.get_msg(LIVE, seq=after, subject=audience, next=True, direct=True))
            except nats.js.errors.NotFoundError:
                return found


@asynccontextmanager
async def log_reader(url: str) -> AsyncIterator[LogReader]:
    link = Link()
    await link.connect(KitSettings(nats_url=url), "test")
    try:
        yield LogReader(link)
    finally:
        await link.nc.close()
