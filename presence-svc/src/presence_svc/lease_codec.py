"""Leases in the log: `log.presence.edge.<incarnation>.lease`. Every fact carries the whole lease in its fold header."""

from typing import Any

import orjson

from confer_contracts.presence import SERVICE
from confer_contracts.subjects import FactSubject, stream_of
from confer_kit.facts import NewFact, StoredFact
from presence_svc.domain import lease as leases
from presence_svc.domain.lease import Lease

_EDGE, _LEASE = "edge", "lease"


class LeaseCodec:
    """Key: the token of an edge's incarnation."""

    stream = stream_of(SERVICE)
    last_only = True

    def aggregate(self, subject: FactSubject) -> str | None:
        return subject.ident if (subject.kind, subject.key) == (_EDGE, _LEASE) else None

    def guard(self, key: str) -> str:
        return f"log.{SERVICE}.{_EDGE}.{key}.{_LEASE}"

    def initial(self, key: str) -> Lease:
        return Lease()

    def decode(self, fact: StoredFact) -> Lease | None:
        fold: Any = fact.fold
        return Lease(beat_at=fold["beat_at"], lost_at=fold.get("lost_at")) if isinstance(fold, dict) else None

    def evolve(self, state: Lease, event: Lease) -> Lease:
        return leases.evolve(state, event)

    def encode(self, key: str, lease: Lease) -> NewFact:
        fold = orjson.dumps({"beat_at": lease.beat_at, "lost_at": lease.lost_at})
        return NewFact(subject=FactSubject(SERVICE, _EDGE, key, _LEASE), body=b"{}", fold=fold)
