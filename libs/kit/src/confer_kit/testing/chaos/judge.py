"""Compares what one client saw with the log. Pure.

A member gets every fact of its audience once, with its very bytes, in the order of LIVE over all its audiences. What it
does not get must be in a snapshot that it was given: of a join, or of a resync. Nothing may be missing in silence.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from confer_contracts.catalogue import OTHERS, snapshots_of
from confer_contracts.subjects import Kind
from confer_kit.testing.chaos.sightings import (
    Asked,
    Began,
    Joined,
    Left,
    Resynced,
    Sighting,
    SyncPoint,
    Told,
)
from confer_kit.testing.chaos.truth import LiveFact, Truth

PROBLEMS_MAX = 20


@dataclass
class Membership:
    """What a client is to get of an audience: everything after `after`, but what its snapshot contains.

    `certain`: false while a join or leave is not answered, and after a gap that it was told of as such.
    `heard`: source streams of which a fact came since the snapshot; later ones are not in it.
    """

    after: int
    certain: bool = True
    snapshot_after: int = 0
    snapshot_until: float = 0.0  # Unix seconds
    versions: dict[str, int] | None = None
    as_of: dict[str, int] | None = None
    heard: set[str] = field(default_factory=set)

    def contains(self, fact: LiveFact, appended: float) -> bool:
        """Whether the snapshot has it. `appended`: when it was, to its own stream; LIVE may have got it much later."""
        if fact.seq <= self.snapshot_after or fact.source[0] in self.heard or not has_snapshot(fact):
            return False
        if self.as_of is not None:
            return fact.source[1] <= self.as_of.get(fact.source[0], 0)
        if appended > self.snapshot_until:
            return False
        version = fact.version
        return version is None or (self.versions is not None and self.versions.get(version[0], 0) >= version[1])


class Judge:
    """One client's case. `problems` says what is wrong, `counts` what there was."""

    def __init__(self, name: str, truth: Truth) -> None:
        self.name = name
        self.problems: list[str] = []
        self.counts: Counter[str] = Counter()
        self._truth = truth
        self._by_audience: dict[str, dict[str, list[int]]] = {}
        self._sid = ""
        self._epoch = ""
        self._last = (-1, 0)
        self._memberships: dict[str, Membership] = {}

    def hear(self, sightings: Sequence[Sighting]) -> "Judge":
        for sighting in sightings:
            match sighting:
                case Began():
                    self._begins(sighting)
                case Asked(audience):
                    self._is_unsure(audience)
                case Joined():
                    self._joins(sighting)
                case Left(audience):
                    self._memberships.pop(audience, None)
                case SyncPoint():
                    self._is_at(sighting)
                case Resynced():
                    self._begins_again(sighting)
                case Told():
                    self._is_told(sighting)
        return self

    def close(self) -> "Judge":
        """Nothing more will come: whatever is due must have."""
        end = self._truth.end
        if self._epoch != end.epoch:
            self._wrong(f"it never heard of the last LIVE, {end.epoch}; its own was {self._epoch}")
            return self
        for audience, membership in self._memberships.items():
            if membership.certain:
                self._must_have(audience, membership, end.seq, "never came")
        return self

    # --- what happened ------------------------------------------------------------------------------------

    def _begins(self, began: Began) -> None:
        self.counts["recovered" if began.recovered else "began anew"] += 1
        if began.recovered:
            return
        self._sid, self._epoch, self._last = began.sid, "", (-1, 0)
        self._memberships = {audience: Membership(0, certain=False) for audience in began.own}

    def _is_unsure(self, audience: str) -> None:
        self._memberships.setdefault(audience, Membership(0)).certain = False

    def _joins(self, joined: Joined) -> None:
        self._moves_to(joined.offset.epoch)
        self._includes_what_was(joined)
        before = self._memberships.get(joined.audience)
        after = joined.offset.seq
        if before is not None and before.certain:  # a member already: what came before the snapshot is still due
            self._must_have(joined.audience, before, after, "was skipped before a snapshot")
        self._memberships[joined.audience] = Membership(
            after, snapshot_after=after, snapshot_until=joined.at, versions=joined.versions
        )

    def _is_at(self, point: SyncPoint) -> None:
        """The end of the join of the own inbox: from here on the personal audiences are certain."""
        if not point.audience.startswith("user."):
            return
        self._moves_to(point.offset.epoch)
        for audience, membership in self._memberships.items():
            if not membership.certain and not audience.startswith(("room.", "queue.")):
                mine = audience == point.audience
                self._memberships[audience] = Membership(
                    max(point.offset.seq, membership.after), snapshot_after=point.offset.seq,
                    snapshot_until=point.at if mine else 0.0,
                )  # fmt: skip

    def _begins_again(self, resynced: Resynced) -> None:
        """Its snapshots replace what was missed; audiences without one go on from there."""
        self.counts["resyncs"] += 1
        self._moves_to(resynced.offset.epoch)
        after = resynced.offset.seq
        for audience, membership in self._memberships.items():
            if audience == resynced.audience:
                self._covers(resynced)
                certain = not resynced.away
                self._memberships[audience] = Membership(
                    after, certain=certain, snapshot_after=after, as_of=resynced.as_of
                )
            elif audience.startswith(("all.", "role.", "topic.")) and membership.after < after:
                self._memberships[audience] = Membership(after)

    def _is_told(self, told: Told) -> None:
        self.counts["facts"] += 1
        fact = self._truth.epochs.get(told.offset.epoch, {}).get(told.offset.seq)
        if fact is None:
            self._wrong(f"{told.name} {told.offset}: LIVE never had it")
            return
        if told.name != fact.name or told.body != (orjson.loads(fact.body) if told.parsed else fact.body):
            self._wrong(f"{told.offset}: {told.name} {told.body!r} instead of {fact.name} {fact.body!r}")
        order = self._truth.order(told.offset)
        if order <= self._last:
            self.counts["doubles"] += 1
            self._wrong(f"{told.offset} ({told.name} of {fact.audience}) after {self._last}")
            return
        self._last = order
        if self._epoch and told.offset.epoch != self._epoch:
            self._wrong(f"{told.offset}: a fact of another LIVE than {self._epoch}, without a resync")
        self._moves_to(told.offset.epoch)
        membership = self._memberships.get(fact.audience)
        if membership is None:
            self._wrong(f"{told.offset}: {fact.name} of {fact.audience}, which it is not in")
            return
        if membership.certain:
            self._must_have(fact.audience, membership, fact.seq - 1, f"was skipped before {fact.seq}")
        membership.after = fact.seq
        if fact.seq > membership.snapshot_after:
            membership.heard.add(fact.source[0])

    # --- what is due --------------------------------------------------------------------------------------

    def _moves_to(self, epoch: str) -> None:
        """In a new LIVE nothing of the old one is due: snapshots must cover it."""
        if self._epoch and epoch != self._epoch:
            for membership in self._memberships.values():
                membership.certain, membership.after = False, 0
        self._epoch = epoch

    def _must_have(self, audience: str, membership: Membership, upto: int, what: str) -> None:
        """Everything after the last one that came, up to a sequence, was not to be sent."""
        seqs = self._sequences(audience)
        for seq in seqs[bisect_right(seqs, membership.after) : bisect_right(seqs, upto)]:
            fact = self._truth.epochs[self._epoch][seq]
            if fact.name in OTHERS and fact.origin == self._sid:
                continue
            if membership.contains(fact, self._truth.appended.get(fact.source, 0.0)):
                self.counts["in snapshots"] += 1
            else:
                self.counts["gaps"] += 1
                self._wrong(f"{self._epoch}.{seq}: {fact.name} of {audience}, from {fact.source}, {what}")
        membership.after = max(membership.after, upto)

    def _sequences(self, audience: str) -> list[int]:
        known = self._by_audience.setdefault(self._epoch, {})
        if not known:
            for fact in self._truth.epochs[self._epoch].values():
                known.setdefault(fact.audience, []).append(fact.seq)
        return known.get(audience, [])

    def _includes_what_was(self, joined: Joined) -> None:
        """The snapshot of a join has every update of LIVE up to its offset."""
        if joined.versions is None:
            return
        for fact in self._truth.until(joined.offset, joined.audience):
            version = fact.version
            if version is not None and joined.versions.get(version[0], 0) < version[1]:
                self.counts["gaps"] += 1
                self._wrong(f"{joined.audience}: the snapshot at {joined.offset} lacks {version}")
                return

    def _covers(self, resynced: Resynced) -> None:
        """Each fact that was there before is in the snapshot, unless its service was away."""
        known = services_with_snapshot(resynced.audience)
        for stream, seq in self._truth.before(resynced.offset, resynced.audience):
            service = stream.lower()
            if service in known and service not in resynced.away and seq > resynced.as_of.get(stream, 0):
                self.counts["gaps"] += 1
                self._wrong(f"{resynced.audience}: the resync at {resynced.offset} lacks {stream} {seq}")
                return

    def _wrong(self, what: Any) -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(f"{self.name}: {what}")


def services_with_snapshot(audience: str) -> set[str]:
    return {part.service for part in snapshots_of(Kind(audience.partition(".")[0]))}


def has_snapshot(fact: LiveFact) -> bool:
    return fact.source[0].lower() in services_with_snapshot(fact.audience)
