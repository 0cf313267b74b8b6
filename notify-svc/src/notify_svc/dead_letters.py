"""Notes that a webhook did not take: `log.notify.webhook.<name>.dead`, and `.again` when somebody sends one again;
never emitted. The newest are shown."""

from dataclasses import asdict, dataclass, field
from typing import Final, NamedTuple

import orjson

from confer_contracts.notify import SERVICE
from confer_contracts.subjects import FactSubject, stream_of
from confer_kit.facts import NewFact, StoredFact

KEPT: Final = 500  # of each webhook
KIND, DEAD, AGAIN = "webhook", "dead", "again"


class Source(NamedTuple):
    """Where a note is in the log: the subject and the sequence of its fact."""

    subject: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """The note of this id, to an audience as people know it; `at`: Unix seconds. `source`: None in logs of before."""

    note: str
    audience: str
    title: str
    attempts: int
    error: str
    at: float
    source: Source | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Somebody wants the note to be sent again."""

    note: str
    source: Source


@dataclass(slots=True)
class PutAside:
    """By the note's id, oldest first."""

    letters: dict[str, Dead] = field(default_factory=dict)


class DeadLetterCodec:
    """The aggregate's key is the webhook's name."""

    stream = stream_of(SERVICE)
    last_only = False

    def aggregate(self, subject: FactSubject) -> str | None:
        return subject.ident if subject.kind == KIND and subject.key in (DEAD, AGAIN) else None

    def guard(self, key: str) -> str:
        return f"log.{SERVICE}.{KIND}.{key}.*"

    def initial(self, key: str) -> PutAside:
        return PutAside()

    def evolve(self, state: PutAside, event: Dead | Again) -> PutAside:
        if isinstance(event, Again):
            state.letters.pop(event.note, None)
            return state
        state.letters[event.note] = event
        if len(state.letters) > KEPT:
            del state.letters[next(iter(state.letters))]
        return state

    def put_aside(self, key: str, letter: Dead, state: PutAside) -> NewFact | None:
        """None: it was put aside already."""
        if letter.note in state.letters:
            return None
        body = asdict(letter)
        return _fact(key, DEAD, body, body.pop("source"), "system")

    def again(self, key: str, note: str, actor: str, state: PutAside) -> NewFact | None:
        """None: it is not aside any more, or nobody knows where it is in the log."""
        letter = state.letters.get(note)
        return _fact(key, AGAIN, {"note": note}, letter.source, actor) if letter and letter.source else None

    def decode(self, fact: StoredFact) -> Dead | Again:
        source = None if fact.fold is None else Source(*fact.fold)
        if fact.subject.key == DEAD:
            return Dead(**fact.json(), source=source)
        assert source is not None, "what is sent again is in the log"
        return Again(note=fact.json()["note"], source=source)


def _fact(webhook: str, key: str, body: dict[str, object], source: Source | None, actor: str) -> NewFact:
    subject = FactSubject(SERVICE, KIND, webhook, key)
    fold = None if source is None else orjson.dumps([*source])
    return NewFact(subject=subject, body=orjson.dumps(body), fold=fold, actor=actor)


DEAD_LETTERS = DeadLetterCodec()
