"""Notes that a webhook did not take: `log.notify.webhook.<name>.dead`, never emitted. The newest are shown."""

from dataclasses import asdict, dataclass, field
from typing import Final

import orjson

from confer_contracts.notify import SERVICE
from confer_contracts.subjects import FactSubject, stream_of
from confer_kit.facts import NewFact, StoredFact

KEPT: Final = 500  # of each webhook
KIND, KEY = "webhook", "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """The note of this id, to an audience as people know it; `at`: Unix seconds."""

    note: str
    audience: str
    title: str
    attempts: int
    error: str
    at: float


@dataclass(slots=True)
class PutAside:
    """By the note's id, oldest first."""

    letters: dict[str, Dead] = field(default_factory=dict)


class DeadLetterCodec:
    """The aggregate's key is the webhook's name."""

    stream = stream_of(SERVICE)
    last_only = False

    def aggregate(self, subject: FactSubject) -> str | None:
        return subject.ident if subject.kind == KIND and subject.key == KEY else None

    def guard(self, key: str) -> str:
        return f"log.{SERVICE}.{KIND}.{key}.{KEY}"

    def initial(self, key: str) -> PutAside:
        return PutAside()

    def evolve(self, state: PutAside, event: Dead) -> PutAside:
        state.letters[event.note] = event
        if len(state.letters) > KEPT:
            del state.letters[next(iter(state.letters))]
        return state

    def encode(self, key: str, letter: Dead, state: PutAside) -> NewFact | None:
        """None: it was put aside already."""
        if letter.note in state.letters:
            return None
        return NewFact(subject=FactSubject.parse(self.guard(key)), body=orjson.dumps(asdict(letter)), actor="system")

    def decode(self, fact: StoredFact) -> Dead:
        return Dead(**fact.json())


DEAD_LETTERS = DeadLetterCodec()
