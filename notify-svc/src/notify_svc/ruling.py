"""The rules at work: a durable consumer of each log that they are about, and what they send (docs/adr/0030)."""

from collections.abc import Iterator
from typing import Any, Protocol

from confer_contracts import queue
from confer_contracts.errors import Rejection
from confer_contracts.ids import patient_of, token
from confer_contracts.notify import NotificationSend, NotificationTell
from confer_contracts.presence import RoomSnapshotRequest
from confer_contracts.reactions import RULES
from confer_contracts.rules import ACTOR, FACTS, PATIENT, Rule, Rules, parse
from confer_contracts.subjects import Kind, stream_of
from confer_contracts.templates import values_of
from confer_kit import clock
from confer_kit.calls import Context
from confer_kit.facts import StoredFact
from confer_kit.logs import logger
from confer_kit.reactions import operation
from confer_kit.service import Service
from notify_svc import metrics
from notify_svc.owed import acting

log = logger(__name__)


class Send(Protocol):
    """Send a notification in the name of whom the context says, once per operation."""

    async def __call__(self, request: NotificationSend, context: Context) -> object: ...


def rules_of(raw: bytes, repeat_min_s: float = 0.0) -> Rules:
    """The rules in a file. ValueError as of `parse`, also for one that would remind more often than is allowed."""
    rules = parse(raw)
    for number, rule in enumerate(rules.rules, start=1):
        if rule.must_acknowledge and rule.must_acknowledge.repeat_s < repeat_min_s:
            raise ValueError(f"rule {number}, must_acknowledge, repeat_s: must be at least {repeat_min_s:g}")
    return rules


class Ruling:
    """Facts older than `age_s` when they are read are no news: nobody is told of them."""

    def __init__(self, service: Service, send: Send, age_s: float) -> None:
        self._service = service
        self._send = send
        self._age_s = age_s
        self._of: dict[str, list[Rule]] = {}  # event -> the rules about it; never another dictionary
        self._reacting: dict[str, tuple[str, list[str]]] = {}  # service -> its reaction's name and filters

    def use(self, rules: Rules) -> None:
        """From now on these, and no others: follow the logs that they are about, a new one from its present end on."""
        self._of.clear()
        for rule in rules.rules:
            self._of.setdefault(rule.when, []).append(rule)
        about: dict[str, set[str]] = {}
        for fact in (fact for event in self._of for fact in FACTS[event]):
            about.setdefault(fact.service, set()).add(fact.kind)
        for name in self._reacting.keys() - about.keys():
            self._service.leave(self._reacting.pop(name)[0])
        for name, kinds in sorted(about.items()):
            filters = [f"log.{name}.{kind}.*.*" for kind in sorted(kinds)]
            if name not in self._reacting or self._reacting[name][1] != filters:
                reaction = self._service.react(
                    stream_of(name), filters, self.on_fact, purpose=RULES, only_new=True, events=self._of.keys()
                )
                self._reacting[name] = reaction, filters

    async def on_fact(self, fact: StoredFact) -> None:
        """What the rules say about it. Raises what is worth trying again; nothing is sent twice then."""
        rules = self._of.get(fact.event or "", [])
        if rules and clock.now() - fact.at > self._age_s:
            metrics.RULES.labels("late").inc(len(rules))
            return
        values = _values(fact) if rules else {}
        for rule in rules:
            if rule.matches(values) and await self._is_next(rule, values):
                await self._apply(rule, fact, values)

    async def _apply(self, rule: Rule, fact: StoredFact, values: dict[str, Any]) -> None:
        try:
            requests = rule.notifications(values)
        except ValueError as error:
            metrics.RULES.labels("refused").inc()
            log.warning("a rule makes no notification of a fact", rule=rule.name, seq=fact.seq, exc_info=error)
            return
        if not requests:
            metrics.RULES.labels("nobody").inc()
        op = operation(stream_of(fact.subject.service), fact)
        for request in requests:
            try:
                told = NotificationTell.model_validate(request.model_dump(exclude_none=True) | {"actor": fact.actor})
                await self._send(told, acting(f"rule:{rule.name}", op))
            except Rejection as refusal:
                if refusal.retry:
                    raise
                metrics.RULES.labels("refused").inc()
                log.warning("what a rule sends is refused", rule=rule.name, seq=fact.seq, reason=refusal.code)
            else:
                metrics.RULES.labels("sent").inc()

    async def _is_next(self, rule: Rule, values: dict[str, Any]) -> bool:
        if rule.next_in is None:
            return True
        query = RoomSnapshotRequest(kind=Kind.QUEUE, id=token(rule.next_in))
        table = queue.QueueTable.model_validate(await self._service.ask_snapshot(queue.SERVICE, query))
        waiting = next((row for row in table.rows if row.status == "waiting"), None)
        return waiting is not None and waiting.patient_id == values.get(PATIENT)


def _values(fact: StoredFact) -> dict[str, Any]:
    """What a rule may name of a fact: the members of its body, and what its subject and headers say."""
    return dict(_beside(fact)) | values_of(fact.json())


def _beside(fact: StoredFact) -> Iterator[tuple[str, Any]]:
    yield ACTOR, fact.actor
    if fact.subject.kind == Kind.ROOM:
        yield PATIENT, patient_of(fact.subject.ident)
