"""Facts <-> the domain's events. Two kinds of aggregate share the stream: audiences and persons."""

from datetime import datetime

import orjson

from confer_contracts.ids import untoken
from confer_contracts.notify import SERVICE, NewMessage, Notification, NotificationReadFact
from confer_contracts.subjects import FactSubject, Kind, stream_of
from confer_kit import clock
from confer_kit.facts import NewFact, StoredFact
from notify_svc.domain.audience import DIRECT_MESSAGE, Audience, Content, Sent
from notify_svc.domain.audience import evolve as evolve_audience
from notify_svc.domain.person import MarkedRead, Person, Seen
from notify_svc.domain.person import evolve as evolve_person

NOTE, STATE = "note", "state"  # the key tokens
NOTIFICATION, NEW_MESSAGE, NOTIFICATION_READ = "notification", "new_message", "notification_read"


class AudienceCodec:
    """`log.notify.<kind>.<id>.note`; the aggregate's key is `<kind>.<id>`."""

    stream = stream_of(SERVICE)
    last_only = False

    def aggregate(self, subject: FactSubject) -> str | None:
        return f"{subject.kind}.{subject.ident}" if subject.key == NOTE else None

    def guard(self, key: str) -> str:
        return f"log.{SERVICE}.{key}.{NOTE}"

    def initial(self, key: str) -> Audience:
        return Audience()

    def evolve(self, state: Audience, event: Sent) -> Audience:
        return evolve_audience(state, event)

    def encode(self, key: str, event: Sent, origin: str | None = None) -> NewFact:
        direct = event.content.type == DIRECT_MESSAGE
        body = _message(event) if direct else notification_of(event)
        return NewFact(
            subject=FactSubject.parse(self.guard(key)),
            event=NEW_MESSAGE if direct else NOTIFICATION,
            body=body.model_dump_json().encode(),
            op=event.op,
            actor=event.sender,
            origin=origin,
        )

    def decode(self, fact: StoredFact) -> Sent | None:
        if fact.event == NEW_MESSAGE:
            message = NewMessage.model_validate_json(fact.body)
            content = Content(
                type=DIRECT_MESSAGE, title=message.from_user, message=message.message, from_role=message.from_role
            )
            return _sent(fact, message.id, message.timestamp, content)
        if fact.event == NOTIFICATION:
            note = Notification.model_validate_json(fact.body)
            content = Content(
                type=note.type, title=note.title, message=note.message, priority=note.priority,
                link=note.link, data=note.data,
            )  # fmt: skip
            return _sent(fact, note.id, note.timestamp, content)
        return None


class PersonCodec:
    """`log.notify.user.<token>.state`; the aggregate's key is the person's token."""

    stream = stream_of(SERVICE)
    last_only = False

    def aggregate(self, subject: FactSubject) -> str | None:
        return subject.ident if subject.kind == Kind.USER and subject.key == STATE else None

    def guard(self, key: str) -> str:
        return f"log.{SERVICE}.{Kind.USER}.{key}.{STATE}"

    def initial(self, key: str) -> Person:
        return Person()

    def evolve(self, state: Person, event: Seen | MarkedRead) -> Person:
        return evolve_person(state, event)

    def encode(self, key: str, event: Seen | MarkedRead, origin: str | None = None) -> NewFact:
        subject = FactSubject.parse(self.guard(key))
        if isinstance(event, Seen):  # internal: no event name, never emitted
            told = {"role": event.role, "timestamp": clock.iso(event.at)}
            withheld = {"withheld": event.withheld} if event.withheld else {}
            return NewFact(subject=subject, body=orjson.dumps(told | withheld), actor=untoken(key))
        read = NotificationReadFact(
            ids=list(event.ids), up_to=event.up_to, unread=event.unread, op=event.op, timestamp=clock.iso(event.at)
        )
        return NewFact(
            subject=subject,
            event=NOTIFICATION_READ,
            body=read.model_dump_json().encode(),
            fold=orjson.dumps({"positions": event.positions, "mark": event.mark}),
            op=event.op,
            actor=event.user,
            origin=origin,
        )

    def decode(self, fact: StoredFact) -> Seen | MarkedRead | None:
        if fact.event is None:
            body = fact.json()
            withheld = tuple(body.get("withheld", ()))
            return Seen(role=body["role"], at=_unix(body["timestamp"]), position=fact.seq, withheld=withheld)
        if fact.event != NOTIFICATION_READ or fact.actor is None:
            return None
        told = NotificationReadFact.model_validate_json(fact.body)
        return MarkedRead(
            user=fact.actor, op=told.op, at=_unix(told.timestamp), unread=told.unread, ids=tuple(told.ids),
            positions=tuple(fact.fold["positions"]), up_to=told.up_to, mark=fact.fold["mark"],
        )  # fmt: skip


AUDIENCES = AudienceCodec()
PERSONS = PersonCodec()


def notification_of(sent: Sent) -> Notification:
    """A note as inboxes show it, unread; a direct message has its sender's id as title."""
    content = sent.content
    return Notification.model_validate({
        "id": sent.id, "type": content.type, "priority": content.priority, "title": content.title,
        "message": content.message, "timestamp": clock.iso(sent.at), "from_user": sent.sender,
        "link": content.link, "data": content.data,
    })  # fmt: skip


def _message(sent: Sent) -> NewMessage:
    return NewMessage(
        id=sent.id, from_user=sent.sender, from_role=sent.content.from_role or "",
        message=sent.content.message, timestamp=clock.iso(sent.at),
    )  # fmt: skip


def _sent(fact: StoredFact, note: str, timestamp: str, content: Content) -> Sent | None:
    if fact.actor is None or fact.op is None:
        return None
    return Sent(sender=fact.actor, op=fact.op, at=_unix(timestamp), id=note, content=content)


def _unix(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
