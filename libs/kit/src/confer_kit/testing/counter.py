"""The smallest aggregate that the kit can carry: a counter that remembers operations. For tests of the kit alone."""

from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.subjects import FactSubject, stream_of
from confer_kit.facts import NewFact, StoredFact


@dataclass
class Counter:
    """`seen`: the operations in the order of their facts."""

    value: int = 0
    seen: list[str] = field(default_factory=list)


class Counters:
    """A codec. `service` sync: one subject per counter; queue: a subject per operation under one wildcard.

    `last_only`: each fact carries the whole counter, else one step of it.
    """

    def __init__(self, service: str = "sync", *, last_only: bool = False) -> None:
        self.service = service
        self.last_only = last_only
        self.stream = stream_of(service)
        self.kind = "queue" if service == "queue" else "room"

    def subject(self, key: str, op: str = "o") -> FactSubject:
        return FactSubject(self.service, self.kind, key, op if self.service == "queue" else "record")

    def guard(self, key: str) -> str:
        return str(self.subject(key, "*"))

    def aggregate(self, subject: FactSubject) -> str | None:
        return subject.ident if (subject.service, subject.kind) == (self.service, self.kind) else None

    def initial(self, key: str) -> Counter:
        return Counter()

    def decode(self, fact: StoredFact) -> dict[str, object] | None:
        decoded: dict[str, object] = fact.json()
        return decoded

    def evolve(self, state: Counter, event: dict[str, object]) -> Counter:
        if self.last_only:
            return Counter(**event)  # type: ignore[arg-type]
        state.value += 1
        state.seen.append(str(event["op"]))
        return state

    def increment(self, key: str, op: str, *, at_most: int | None = None) -> Callable[[Counter], NewFact | None]:
        """A decision: one more, once per operation; Rejection(conflict) at `at_most`."""

        def decide(state: Counter) -> NewFact | None:
            if op in state.seen:
                return None
            if state.value == at_most:
                raise Rejection(ErrorCode.CONFLICT, f"the counter is at {state.value}")
            whole = {"value": state.value + 1, "seen": [*state.seen, op]}
            body = orjson.dumps(whole if self.last_only else {"op": op})
            return NewFact(subject=self.subject(key, op), body=body, op=op)

        return decide
