"""People in the log: `log.presence.room.<room>.<user token>` (see `lock_codec` for the locks beside them).

Every fact carries the whole person in its fold header. Its body is what browsers get: an ActiveUser, or the bare user
id of somebody who left.
"""

import orjson

from confer_contracts.ids import token, untoken
from confer_contracts.presence import LOCK, SERVICE, ActiveUser, PersonHere
from confer_contracts.subjects import FactSubject, Kind, stream_of
from confer_kit.clock import iso
from confer_kit.facts import NewFact, StoredFact
from presence_svc import fold
from presence_svc.domain import person as people
from presence_svc.domain.person import Changed, Notice, Person

DEVICES_MAX = 8  # of one person that are listed
_EVENTS = {Notice.JOINED: "user_joined", Notice.UPDATED: "user_updated", Notice.LEFT: "user_left"}
_NOTICES = {event: notice for notice, event in _EVENTS.items()}


def person_key(room: str, user_id: str) -> str:
    return f"{room}.{token(user_id)}"


def room_of(key: str) -> str:
    return key.partition(".")[0]


class PersonCodec:
    """Key: `<room token>.<user token>`."""

    stream = stream_of(SERVICE)
    last_only = True

    def aggregate(self, subject: FactSubject) -> str | None:
        is_person = subject.kind == Kind.ROOM and not subject.key.startswith(LOCK)
        return f"{subject.ident}.{subject.key}" if is_person else None

    def guard(self, key: str) -> str:
        return f"log.{SERVICE}.{Kind.ROOM}.{key}"

    def initial(self, key: str) -> Person:
        return Person(user_id=untoken(key.split(".")[1]))

    def decode(self, fact: StoredFact) -> Changed | None:
        told = fact.fold
        if not isinstance(told, dict):
            return None
        person = fold.read(told, untoken(fact.subject.key))
        notice = _NOTICES.get(fact.event or "", Notice.NOTHING)
        return Changed(person=person, notice=notice, joined_screening=bool(told.get("joined_screening")))

    def evolve(self, state: Person, event: Changed) -> Person:
        return people.evolve(state, event)

    def encode(self, key: str, event: Changed, *, op: str | None = None, origin: str | None = None) -> NewFact:
        """The fact of an event; `origin` is the session that it came from."""
        person = event.person
        room, user = key.split(".")
        told = fold.written(person)
        if event.joined_screening:
            told["joined_screening"] = True
        body = orjson.dumps(person.user_id) if event.notice is Notice.LEFT else shown(person).model_dump_json().encode()
        return NewFact(
            subject=FactSubject(SERVICE, Kind.ROOM, room, user), body=body, event=_EVENTS.get(event.notice),
            fold=orjson.dumps(told), op=op, actor=person.user_id, origin=origin,
        )  # fmt: skip


def shown(person: Person) -> ActiveUser:
    """A person as browsers see them."""
    return ActiveUser(
        user_id=person.user_id, name=person.name, role=person.role, step=person.step, status=person.status,
        focus=person.focus, editing=list(person.editing), last_activity=iso(person.last_activity),
        joined_at=iso(person.joined_at),
    )  # fmt: skip


def described(person: Person) -> PersonHere:
    """A person as somebody sees them who asks."""
    devices = sorted({session.device for session in person.sessions.values() if session.device is not None})
    return PersonHere(**shown(person).model_dump(), tabs=len(person.sessions), devices=devices[:DEVICES_MAX])
