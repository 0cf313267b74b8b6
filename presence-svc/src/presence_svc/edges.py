"""The edges' leases over their sessions, and how our list of those is kept equal to theirs."""

import random

from confer_contracts.ids import token, untoken
from confer_contracts.presence import EdgeSessions, SessionEntry
from confer_kit import clock
from confer_kit.facts import NewFact, StoredFact
from confer_kit.logs import logger
from confer_kit.service import Service
from presence_svc import metrics
from presence_svc.answering import Answering
from presence_svc.domain import lease as leases
from presence_svc.domain.commands import Attach, Detach, LoseEdge
from presence_svc.domain.lease import Beat, Lease, Lose
from presence_svc.hearing import Hearing
from presence_svc.index import Place
from presence_svc.lease_codec import LeaseCodec
from presence_svc.people import BACKGROUND_S, People
from presence_svc.settings import Settings
from presence_svc.side_by_side import side_by_side

log = logger(__name__)

SETTLED_S = 2.0  # a list may be older than what happened this lately
FORGET_AFTER = 10  # leases: how long the word of an edge without sessions is remembered


class Edges:
    def __init__(self, service: Service, settings: Settings, hearing: Hearing, people: People) -> None:
        self._settings = settings
        self._hearing = hearing
        self._people = people
        self._answering = Answering(service.link.nc)
        self._codec = LeaseCodec()
        self._ledger = service.ledger(self._codec, capacity=1000)
        self._leases: dict[str, Lease] = {}

    def observe(self, fact: StoredFact) -> None:
        """A fact of the own stream: another replica heard of an edge, or found it silent."""
        key = self._codec.aggregate(fact.subject)
        lease = None if key is None else self._codec.decode(fact)
        if key is not None and lease is not None:
            self._leases[untoken(key)] = lease
            self._hearing.hear(untoken(key), lease.beat_at)

    def clear(self) -> None:
        """The log is read anew."""
        self._leases.clear()

    async def beat(self, incarnation: str, digest: str, deadline: float) -> bool:
        """Renew the lease; whether our list of the edge's sessions is its own."""
        now = clock.now()
        self._hearing.hear(incarnation, now)
        renewal = Beat(now=now, every_s=self._settings.presence_lease_s / 4)
        if leases.decide(renewal, self._leases.get(incarnation, Lease())) is not None:
            await self._transact(incarnation, renewal, deadline)
        return self._people.index.digest(incarnation) == digest

    async def reconcile(self, page: EdgeSessions) -> None:
        """Attach what of the page we miss; detach what of its part we have and it does not list."""
        now = clock.now()
        self._hearing.hear(page.incarnation, now)
        held = self._people.index.sessions(page.incarnation)
        listed = {Place(e.room, token(e.user_id), e.session): e for e in page.entries}
        missing = [(place, e) for place, e in listed.items() if held.get(place, -1) < e.attach]
        bounded = page.pages == 1 or page.after or page.until
        gone = [p for p in held if bounded and p not in listed and page.covers(p.room, p.session)]
        if missing or gone:
            log.info("an edge's list differs", edge=page.incarnation, missing=len(missing), gone=len(gone))
        await side_by_side(self._attach(page.incarnation, place, e, now) for place, e in missing)
        await side_by_side(self._detach(page.incarnation, place, held[place], now) for place in gone)

    def answering(self) -> int:
        """How many of them answer when they are asked."""
        return len(self._answering)

    def silence_s(self) -> float:
        """For how long the edge was not heard that was not heard for longest; 0: there is none."""
        since = map(self._hearing.silent_since, self._people.index.edges())
        return max(0.0, clock.now() - min(since, default=clock.now()))

    async def ask(self) -> None:
        """Called every second or so: which edges have a connection. Beside `sweep`, as answers may have to be waited
        for."""
        await self._answering.ask(self._people.index.edges())

    async def sweep(self) -> None:
        """Called every few seconds: an edge that was not heard for its lease, or that NATS knows no connection of, has
        lost its sessions."""
        await self._hearing.check()
        now = clock.now()
        for incarnation in self._people.index.edges():
            silent_since = self._hearing.silent_since(incarnation)
            if now - silent_since > self._settings.presence_lease_s:
                await self._lose(incarnation, silent_since, "it was silent for its lease")
            elif self._is_gone(incarnation, now):
                await self._lose(incarnation, silent_since, "NATS knows no connection of it")
        self._forget(now)

    def _is_gone(self, incarnation: str, now: float) -> bool:
        """Not while edges may still be on their way back, after a cut that we had as well."""
        since = self._answering.gone_since(incarnation)
        return since is not None and now - max(since, self._hearing.settled_at) > self._settings.presence_gone_s

    async def _lose(self, incarnation: str, silent_since: float, why: str) -> None:
        now = clock.now()
        lease = await self._transact(incarnation, Lose(silent_since=silent_since, now=now), now + BACKGROUND_S)
        if lease.lost_at is None:
            self._hearing.hear(incarnation, lease.beat_at)  # another replica heard it
            return
        metrics.LOST.inc()
        keys = list({place.key for place in self._people.index.sessions(incarnation)})
        log.warning("an edge is lost", edge=incarnation, why=why, people=len(keys))
        random.shuffle(keys)  # replicas that do the same begin elsewhere
        lost = LoseEdge(incarnation=incarnation, now=now)
        await side_by_side(self._people.change(key, lost) for key in keys)

    async def _transact(self, incarnation: str, command: leases.Command, deadline: float) -> Lease:
        key = token(incarnation)

        def decided(lease: Lease) -> NewFact | None:
            event = leases.decide(command, lease)
            return None if event is None else self._codec.encode(key, event)

        after = (await self._ledger.transact(key, decided, deadline)).state
        self._leases[incarnation] = after
        return after

    async def _attach(self, incarnation: str, place: Place, entry: SessionEntry, now: float) -> None:
        command = Attach(
            session=entry.session, incarnation=incarnation, attach=entry.attach, name=entry.name, role=entry.role,
            now=now, step=entry.step, screening=entry.screening, taken_up=entry.taken_up, settled_s=SETTLED_S,
        )  # fmt: skip
        await self._people.change(place.key, command, origin=entry.session)

    async def _detach(self, incarnation: str, place: Place, attach: int, now: float) -> None:
        grace_s = self._settings.presence_dropped_grace_s
        command = Detach(
            session=place.session, incarnation=incarnation, attach=attach, now=now, grace_s=grace_s,
            settled_s=SETTLED_S,
        )  # fmt: skip
        await self._people.change(place.key, command, origin=place.session)

    def _forget(self, now: float) -> None:
        """Edges that are long gone and have no sessions."""
        oldest = now - FORGET_AFTER * self._settings.presence_lease_s
        for incarnation in self._hearing.forget(before=oldest, keep=self._people.index.edges()):
            self._leases.pop(incarnation, None)
