"""How the tally's events are stored: the body is what browsers get, under the event's public name."""

from datetime import datetime
from typing import Final

from confer_contracts import tally
from confer_contracts.ids import patient_of
from confer_contracts.subjects import FactSubject, Kind, stream_of
from confer_kit import clock
from confer_kit.facts import NewFact, StoredFact
from tally_svc.domain.tally import Added, Tally, evolve

CHANGED: Final = "tally_changed"
KEY: Final = "tally"


class TallyCodec:
    """The aggregate is the tally of a room; its key is the room's token."""

    stream = stream_of(tally.SERVICE)
    last_only = False

    def aggregate(self, subject: FactSubject) -> str | None:
        return subject.ident if subject.kind == Kind.ROOM and subject.key == KEY else None

    def guard(self, key: str) -> str:
        return str(_subject(key))

    def initial(self, key: str) -> Tally:
        return Tally()

    def evolve(self, state: Tally, event: Added) -> Tally:
        return evolve(state, event)

    def decode(self, fact: StoredFact) -> Added | None:
        """The event behind a fact; None for one that this version does not know."""
        if fact.event != CHANGED:
            return None
        body = tally.TallyChanged.model_validate_json(fact.body)
        at = datetime.fromisoformat(body.timestamp).timestamp()
        return Added(body.user_id, body.op, at, body.amount, body.total)


def encode(event: Added, room: str, origin: str) -> NewFact:
    """The fact of an event in `room` (its token) that came from the session `origin`."""
    body = tally.TallyChanged(
        patient_id=patient_of(room) or room,
        amount=event.amount,
        total=event.total,
        user_id=event.user,
        op=event.op,
        timestamp=clock.iso(event.at),
    )
    return NewFact(
        subject=_subject(room), body=body.model_dump_json().encode(), event=CHANGED,
        op=event.op, actor=event.user, origin=origin,
    )  # fmt: skip


def _subject(room: str) -> FactSubject:
    return FactSubject(tally.SERVICE, Kind.ROOM, room, KEY)
