"""A record's past, read from its log, newest first, a bounded number of commits at a time."""

from collections.abc import AsyncIterator, Iterable

from confer_kit.event_log import EventLog, Unavailable
from confer_kit.facts import StoredFact
from sync_svc.codec import RecordCodec
from sync_svc.domain.messages import Bases, Committed, FieldsUpdated

SEARCHED_MAX = 5000  # commits of a record that are looked through for a version
READ_AT_ONCE = 500
NARROW, WIDE = 256, 64  # sequences of the first window; commits below which the next window is wider


class History:
    def __init__(self, log: EventLog, codec: RecordCodec) -> None:
        self._log = log
        self._codec = codec

    async def versions(self, room: str, wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Committed]:
        """Those of the wanted (field, version) that are among the latest SEARCHED_MAX commits. Raises Unavailable."""
        missing, found = set(wanted), dict[tuple[str, int], Committed]()
        searched = 0
        async for _, event in self.backwards(room):
            for change in event.changes:
                if (at := (change.field, change.version)) in missing:
                    found[at] = change
                    missing.discard(at)
            searched += 1
            if not missing or searched >= SEARCHED_MAX:
                break
        return found

    async def bases(self, room: str, wanted: Iterable[tuple[str, int]]) -> Bases:
        return {at: change.value for at, change in (await self.versions(room, wanted)).items()}

    async def backwards(self, room: str, before: int | None = None) -> AsyncIterator[tuple[StoredFact, FieldsUpdated]]:
        """The commits of fields, newest first, with sequences below `before`. Raises Unavailable."""
        guard = self._codec.guard(room)
        last = await self._log.last(guard)
        upto = min(last.seq, (before or last.seq + 1) - 1) if last else 0
        newest = last.seq if last and upto == last.seq else None
        width = NARROW
        while upto > 0:
            after = max(0, upto - width)
            facts = await self._log.read(guard, after=after, upto=upto, limit=READ_AT_ONCE)
            if newest and (not facts or facts[-1].seq < newest) and len(facts) < READ_AT_ONCE:
                raise Unavailable("a replica that lags behind answered")
            if len(facts) == READ_AT_ONCE and width > NARROW:
                width = max(NARROW, width // 8)  # there may be more, and newer ones: look at less at once
                continue
            for fact in reversed(facts):
                event = self._codec.decode(fact)
                if isinstance(event, FieldsUpdated):
                    yield fact, event
            newest, upto = None, after
            width = width * 8 if len(facts) < WIDE else width
