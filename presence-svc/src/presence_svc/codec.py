"""People and leases in the log: `log.presence.room.<room>.<user token>` and `log.presence.edge.<incarnation>.lease`.

Every fact carries the whole state in its fold header. A person's body is what browsers get: an ActiveUser, or the
bare user id of somebody who left.
"""

from dataclasses import asdict, fields
from typing import Any

import orjson

from confer_contracts.ids import token, untoken
from confer_contracts.presence import SERVICE, ActiveUser
from confer_contracts.subjects import FactSubject, Kind, stream_of
from confer_kit.clock import iso
from confer_kit.facts import NewFact, StoredFact
from presence_svc.domain import lease as leases
from presence_svc.domain import person as people
from presence_svc.domain.lease import Lease
from presence_svc.domain.person import Changed, Notice, Person, Session

_EVENTS = {Notice.JOINED: "user_joined", Notice.UPDATED: "user_updated", Notice.LEFT: "user_left"}
_NOTICES = {event: notice for notice, event in _EVENTS.items()}
_EDGE, _LEASE = "edge", "lease"


def person_key(room: str, user_id: str) -> str:
    return f"{room}.{token(user_id)}"


def room_of(key: str) -> str:
    return key.partition(".")[0]


class PersonCodec:
    """Key: `<room token>.<user token>`."""

    stream = stream_of(SERVICE)
    last_only = True

    def aggregate(self, subject: FactSubject) -> str | None:
        return f"{subject.ident}.{subject.key}" if subject.kind == Kind.ROOM else None

    def guard(self, key: str) -> str:
        return f"log.{SERVICE}.{Kind.ROOM}.{key}"

    def initial(self, key: str) -> Person:
        return Person(user_id=untoken(key.split(".")[1]))

    def decode(self, fact: StoredFact) -> Changed | None:
        fold = fact.fold
        if not isinstance(fold, dict):
            return None
        known = {f.name for f in fields(Person)} & fold.keys()
        sessions = {
            name: Session(s["incarnation"], s["attach"], s.get("screening", False))
            for name, s in fold.get("sessions", {}).items()
        }
        person = Person(
            **{name: fold[name] for name in known - {"sessions", "operations"}},
            user_id=untoken(fact.subject.key), sessions=sessions, operations=tuple(fold.get("operations", ())),
        )  # fmt: skip
        notice = _NOTICES.get(fact.event or "", Notice.NOTHING)
        return Changed(person=person, notice=notice, joined_screening=bool(fold.get("joined_screening")))

    def evolve(self, state: Person, event: Changed) -> Person:
        return people.evolve(state, event)

    def encode(self, key: str, event: Changed, *, op: str | None = None, origin: str | None = None) -> NewFact:
        """The fact of an event; `origin` is the session that it came from."""
        person = event.person
        room, user = key.split(".")
        fold = {name: value for name, value in asdict(person).items() if value is not None}
        del fold["user_id"]
        if event.joined_screening:
            fold["joined_screening"] = True
        body = orjson.dumps(person.user_id) if event.notice is Notice.LEFT else shown(person).model_dump_json().encode()
        return NewFact(
            subject=FactSubject(SERVICE, Kind.ROOM, room, user), body=body, event=_EVENTS.get(event.notice),
            fold=orjson.dumps(fold), op=op, actor=person.user_id, origin=origin,
        )  # fmt: skip


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


def shown(person: Person) -> ActiveUser:
    """A person as browsers see them."""
    return ActiveUser(
        user_id=person.user_id, name=person.name, role=person.role, step=person.step, status=person.status,
        focus=person.focus, last_activity=iso(person.last_activity), joined_at=iso(person.joined_at),
    )  # fmt: skip
