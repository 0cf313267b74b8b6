"""Digests: once a period one note tells of those that a person wants to hear of together.

Periods are the same for everybody: multiples of their length since 1970, in UTC. Each replica has a timer per person;
the operation names the period, and the fold knows up to where was told, so that one of them appends. What was due while
nobody ran comes with the next.
"""

from collections import Counter

from confer_contracts.subjects import Kind
from confer_kit import clock
from confer_kit.calls import nobody
from confer_kit.facts import NewFact
from confer_kit.ledger import Ledger
from confer_kit.service import Service
from notify_svc.codec import AUDIENCES
from notify_svc.domain.audience import Audience, Content, Send, Sent, decide
from notify_svc.domain.preferences import CRITICAL, Preferences
from notify_svc.inboxes import Entry, Inboxes
from notify_svc.pages import UNREAD, Reader, entries
from notify_svc.people import People

DEADLINE_S = 5.0


class Digests:
    """`user` is a token."""

    def __init__(self, service: Service, audiences: Ledger[Audience, Sent], people: People, inboxes: Inboxes) -> None:
        self._service = service
        self._audiences = audiences
        self._people = people
        self._inboxes = inboxes

    def prefer(self, user: str, preferences: Preferences) -> None:
        """From now on every so often, or never."""
        if not preferences.digest:
            self._service.timers.cancel(f"digest {user}")
            return
        period = int(clock.now()) // preferences.digest_s + 1

        async def due() -> None:
            await self.tell(user, period)
            self.prefer(user, (await self._people.person(user)).preferences)

        self._service.timers.set(f"digest {user}", period * preferences.digest_s, due)

    async def tell(self, user: str, period: int) -> None:
        """Of what has come since the last one and is not read; nothing where that is nothing. Rejection where the log
        cannot be reached."""
        person = await self._people.person(user)
        if not person.preferences.digest:
            return
        key, now = f"{Kind.USER}.{user}", clock.now()
        after = (await self._audiences.load(key)).state.covered
        reader = Reader(user, person.role, person, person.withheld)
        collected = [e for e in entries(self._inboxes, reader) if e.position > after and _belongs(e, reader)]
        if not collected:
            return
        op = f"digest-{person.preferences.digest_s}-{period}"
        command = Send(
            sender=nobody().user_id, op=op, now=now, id=clock.new_id(), content=_content(collected, after)
        )  # fmt: skip

        def deciding(state: Audience) -> NewFact | None:
            event = decide(command, state)
            return None if event is None else AUDIENCES.encode(key, event)

        await self._audiences.transact(key, deciding, now + DEADLINE_S)


def _belongs(entry: Entry, reader: Reader) -> bool:
    said = entry.content
    wanted = said.type in reader.person.preferences.digest and said.priority != CRITICAL
    return wanted and said.covers is None and reader.state(entry) in UNREAD


def _content(collected: list[Entry], after: int) -> Content:
    """Newest first. `data` is for pages that have words of their own."""
    types = Counter(entry.content.type for entry in collected)
    told = ", ".join(f"{number} {type_}" for type_, number in sorted(types.items()))
    title = "1 notification" if len(collected) == 1 else f"{len(collected)} notifications"
    since, until = clock.iso(collected[-1].sent.at), clock.iso(collected[0].sent.at)
    data = {"digest": {"count": len(collected), "types": dict(types), "since": since, "until": until}}
    return Content(type="info", title=title, message=told, data=data, covers=(after, collected[0].position))
