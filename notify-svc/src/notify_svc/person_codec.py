"""What a person did, and wants, <-> the domain's events. Facts that carry no event name are never emitted."""

from datetime import time

import orjson

from confer_contracts import notify
from confer_contracts.ids import token, untoken
from confer_contracts.notify import (
    SERVICE,
    FollowFact,
    NotificationArchiveFact,
    NotificationPreferencesFact,
    NotificationReadFact,
    NotificationSeenFact,
)
from confer_contracts.subjects import FactSubject, Kind, stream_of
from confer_kit import clock
from confer_kit.facts import NewFact, StoredFact
from notify_svc.codec import unix
from notify_svc.domain.person import Event, Followed, Marked, Person, Preferred, Seen, State, evolve
from notify_svc.domain.preferences import Preferences, Quiet

STATE = "state"  # the key token
_EVENTS: dict[State, str] = {
    "seen": "notification_seen", "read": "notification_read", "archived": "notification_archive",
}  # fmt: skip
_STATES = {event: state for state, event in _EVENTS.items()}
FOLLOWED, UNFOLLOWED, PREFERENCES = "topic_followed", "topic_unfollowed", "notification_preferences"
_MarkedBody = NotificationSeenFact | NotificationReadFact | NotificationArchiveFact


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

    def evolve(self, state: Person, event: Event) -> Person:
        return evolve(state, event)

    def encode(self, key: str, event: Event, origin: str | None = None) -> NewFact:
        subject = FactSubject.parse(self.guard(key))
        if isinstance(event, Seen):
            told = {"role": event.role, "timestamp": clock.iso(event.at)}
            withheld = {"withheld": event.withheld} if event.withheld else {}
            return NewFact(subject=subject, body=orjson.dumps(told | withheld), actor=untoken(key))
        name, body, fold, follow = _told(event)
        return NewFact(
            subject=subject, event=name, body=body, fold=fold, follow=follow, op=event.op, actor=event.user,
            origin=origin,
        )  # fmt: skip

    def decode(self, fact: StoredFact) -> Event | None:
        if fact.event is None:
            body = fact.json()
            withheld = tuple(body.get("withheld", ()))
            return Seen(role=body["role"], at=unix(body["timestamp"]), position=fact.seq, withheld=withheld)
        if fact.actor is None:
            return None
        if fact.event in _STATES:
            return _marked(fact, fact.actor, _STATES[fact.event])
        if fact.event in (FOLLOWED, UNFOLLOWED):
            told = FollowFact.model_validate_json(fact.body)
            return Followed(
                user=fact.actor, op=told.op, at=unix(told.timestamp), on=fact.event == FOLLOWED, position=fact.seq,
                audience=f"{told.kind}.{token(told.id)}",
            )  # fmt: skip
        if fact.event == PREFERENCES:
            wish = NotificationPreferencesFact.model_validate_json(fact.body)
            return Preferred(
                user=fact.actor, op=wish.op, at=unix(wish.timestamp), preferences=preferences_in(wish.preferences)
            )
        return None


PERSONS = PersonCodec()


def preferences_in(told: notify.Preferences) -> Preferences:
    quiet, digest = told.quiet, told.digest
    return Preferences(
        mute=frozenset(told.mute),
        digest=frozenset(digest.types) if digest else frozenset(),
        digest_s=digest.every_s if digest else 0,
        quiet=Quiet(time.fromisoformat(quiet.start), time.fromisoformat(quiet.end), quiet.zone) if quiet else None,
    )


def preferences_out(kept: Preferences) -> notify.Preferences:
    quiet = kept.quiet and {
        "start": kept.quiet.start.isoformat("minutes"), "end": kept.quiet.end.isoformat("minutes"),
        "zone": kept.quiet.zone,
    }  # fmt: skip
    digest = {"types": sorted(kept.digest), "every_s": kept.digest_s} if kept.digest else None
    return notify.Preferences.model_validate({"mute": sorted(kept.mute), "digest": digest, "quiet": quiet})


def _told(event: Marked | Followed | Preferred) -> tuple[str, bytes, bytes | None, str | None]:
    """The event's name, its body, what the fold alone reads, and what the person's sessions enter or leave."""
    at = clock.iso(event.at)
    match event:
        case Marked():
            fold = orjson.dumps({"positions": event.positions, "mark": event.mark})
            return _EVENTS[event.state], _marked_body(event, at).model_dump_json().encode(), fold, None
        case Followed():
            kind, _, ident = event.audience.partition(".")
            body = FollowFact.model_validate(
                {"kind": kind, "id": untoken(ident), "op": event.op, "timestamp": at}
            )  # fmt: skip
            follow = f"{'+' if event.on else '-'}{event.audience}"
            return FOLLOWED if event.on else UNFOLLOWED, body.model_dump_json().encode(), None, follow
        case Preferred():
            wish = NotificationPreferencesFact(
                preferences=preferences_out(event.preferences), op=event.op, timestamp=at
            )
            return PREFERENCES, wish.model_dump_json().encode(), None, None


def _marked_body(event: Marked, at: str) -> _MarkedBody:
    left = {"unread": event.unread, "unseen": event.unseen, "op": event.op, "timestamp": at}
    which = {"ids": list(event.ids), "up_to": event.up_to}
    match event.state:
        case "seen":
            return NotificationSeenFact.model_validate(which | left)
        case "read":
            return NotificationReadFact.model_validate(which | left)
        case "archived":
            return NotificationArchiveFact.model_validate(which | left | {"undone": event.undo})


def _marked(fact: StoredFact, user: str, state: State) -> Marked:
    """Facts of before there were more states than `read` tell no `unseen`."""
    told, fold = fact.json(), fact.fold
    return Marked(
        user=user, op=told["op"], at=unix(told["timestamp"]), state=state, unread=told["unread"],
        unseen=told.get("unseen", 0), ids=tuple(told.get("ids", ())), positions=tuple(fold["positions"]),
        up_to=told["up_to"], mark=fold["mark"], undo=told.get("undone", False),
    )  # fmt: skip
