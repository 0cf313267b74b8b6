"""Notes <-> the audience's events. Persons, the other kind of aggregate in the stream, have theirs beside it."""

from dataclasses import asdict
from datetime import datetime

import orjson

from confer_contracts.notify import SERVICE, NewMessage, Notification
from confer_contracts.portal import shown_name
from confer_contracts.subjects import FactSubject, stream_of
from confer_kit import clock
from confer_kit.facts import NewFact, StoredFact
from notify_svc.domain.audience import DIRECT_MESSAGE, Audience, Content, Sent, evolve
from notify_svc.plan_codec import plan_of

NOTE = "note"  # the key token
NOTIFICATION, NEW_MESSAGE = "notification", "new_message"


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
        return evolve(state, event)

    def encode(self, key: str, event: Sent, origin: str | None = None) -> NewFact:
        direct = event.content.type == DIRECT_MESSAGE
        body = _message(event) if direct else notification_of(event, key)
        plan = None if event.content.must is None else asdict(event.content.must)
        fold = {"dedupe": event.dedupe, "covers": event.content.covers, "plan": plan}
        told = {name: value for name, value in fold.items() if value is not None}
        return NewFact(
            subject=FactSubject.parse(self.guard(key)),
            event=NEW_MESSAGE if direct else NOTIFICATION,
            body=body.model_dump_json().encode(),
            fold=orjson.dumps(told) if told else None,
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
            plan = (fact.fold or {}).get("plan")
            content = Content(
                type=note.type, title=note.title, message=note.message, priority=note.priority,
                link=note.link, data=note.data, actor=note.actor, group=note.group,
                expires_at=None if note.expires_at is None else unix(note.expires_at),
                covers=_pair((fact.fold or {}).get("covers")), must=None if plan is None else plan_of(plan),
                escalates=note.acknowledge.id if note.acknowledge and note.acknowledge.id != note.id else None,
            )  # fmt: skip
            return _sent(fact, note.id, note.timestamp, content)
        return None


AUDIENCES = AudienceCodec()


def notification_of(sent: Sent, key: str) -> Notification:
    """A note to the audience `key` as browsers get it; a direct message has its sender's id as title."""
    content = sent.content
    expires_at = None if content.expires_at is None else clock.iso(content.expires_at)
    return Notification.model_validate({
        "id": sent.id, "type": content.type, "priority": content.priority, "title": content.title,
        "message": content.message, "timestamp": clock.iso(sent.at), "from_user": sent.sender,
        "link": content.link, "data": content.data, "audience": shown_name(key), "actor": content.actor,
        "group": content.group, "expires_at": expires_at,
        "acknowledge": {"id": content.escalates or sent.id} if content.must or content.escalates else None,
    })  # fmt: skip


def unix(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def _pair(told: list[int] | None) -> tuple[int, int] | None:
    return None if told is None else (told[0], told[1])


def _message(sent: Sent) -> NewMessage:
    return NewMessage(
        id=sent.id, from_user=sent.sender, from_role=sent.content.from_role or "",
        message=sent.content.message, timestamp=clock.iso(sent.at),
    )  # fmt: skip


def _sent(fact: StoredFact, note: str, timestamp: str, content: Content) -> Sent | None:
    if fact.actor is None or fact.op is None:
        return None
    return Sent(
        sender=fact.actor, op=fact.op, at=unix(timestamp), id=note, content=content,
        dedupe=(fact.fold or {}).get("dedupe"),
    )  # fmt: skip
