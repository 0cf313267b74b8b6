"""Notes that somebody must acknowledge: reminded, escalated and ended, by any replica and once.

What is due next follows from the log alone (`_due`), so that every replica has a timer for it, and one that starts
takes up what was left half done: a level that was decided on and not told, an end that some have not heard of.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.notify import Notification
from confer_contracts.notify_plan import Acknowledgement, AcknowledgeReply, NotificationAcknowledge
from confer_contracts.subjects import Kind, audience
from confer_kit import clock
from confer_kit.calls import Context
from confer_kit.facts import NewFact, StoredFact
from confer_kit.ledger import Ledger
from confer_kit.logs import logger
from confer_kit.service import Service
from notify_svc.domain.audience import Content, Sent
from notify_svc.domain.escalation import (
    Advance,
    Demand,
    End,
    Escalation,
    EscalationEvent,
    Pass,
    State,
    decide,
    evolve,
    unheard,
)
from notify_svc.inboxes import KEPT_KINDS
from notify_svc.owed import ACT_S, Send, acting
from notify_svc.people import People
from notify_svc.plan_codec import ESCALATIONS, acknowledgement
from notify_svc.settings import Settings

log = logger(__name__)

ENDED_KEPT = 10_000  # of which pages of the inbox still say how they ended


@dataclass(slots=True)
class Entry:
    """`arrived`: the audiences that have the note, or a copy of it."""

    demand: Demand
    content: Content
    arrived: set[str]
    state: Escalation = field(default_factory=Escalation)
    superseded: bool = False

    @property
    def told(self) -> set[str]:
        """Who has it, or a copy."""
        return set(self.demand.told(self.state.step)) & self.arrived

    @property
    def awaited(self) -> str | None:
        """An audience that is to be told, and has no copy yet."""
        return next((name for name in self.demand.told(self.state.step) if name not in self.arrived), None)


class _Due(NamedTuple):
    at: float
    command: Advance | Pass | End | None  # None: a copy is to be sent


class Acknowledging:
    """`send` tells an audience something."""

    def __init__(self, service: Service, people: People, send: Send, settings: Settings) -> None:
        self._service = service
        self._people = people
        self._send = send
        self._open_max = settings.notify_unacknowledged_max
        self._repeat_min_s = settings.notify_repeat_min_s
        self._ledger: Ledger[Escalation, EscalationEvent] = service.ledger(ESCALATIONS)
        self._entries: dict[str, Entry] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._groups: dict[tuple[str, str], str] = {}  # (audience, group) -> its newest note, if that is open
        self._live = False

    @property
    def open(self) -> int:
        return len(self._entries) - len(self._ended)

    # --- calls ---------------------------------------------------------------------------------------

    def must_be_possible(self, content: Content, to: str) -> None:
        """Rejection(invalid) where a note that is to be acknowledged cannot be sent there, or so often."""
        if content.must is None:
            return
        if content.must.repeat_s < self._repeat_min_s:
            field = "must_acknowledge.repeat_s"
            text = f"{field}: must be at least {self._repeat_min_s:g} (CONFER_NOTIFY_REPEAT_MIN_S)"
            raise Rejection(ErrorCode.INVALID, text, field=field)
        for name in (to, *content.must.levels):
            if name.partition(".")[0] not in KEPT_KINDS:
                text = "must_acknowledge: notes to a patient's room or a queue are in nobody's inbox"
                raise Rejection(ErrorCode.INVALID, text, field="must_acknowledge")

    def must_have_room(self, content: Content) -> None:
        """Rejection(limit_exceeded) where too many wait to be acknowledged."""
        if content.must is not None and self.open >= self._open_max:
            text = f"{self._open_max} notes wait to be acknowledged (CONFER_NOTIFY_UNACKNOWLEDGED_MAX)"
            raise Rejection(ErrorCode.LIMIT_EXCEEDED, text, retry=False)

    async def notification_acknowledge(self, request: NotificationAcknowledge, context: Context) -> AcknowledgeReply:
        """How it stands afterwards; Rejection(not_found) when it is none of the caller's."""
        reader = await self._people.reader(context.identity, context.deadline)
        own = {name for name, _ in reader.sources}
        entry = await self._found(request.id, lambda entry: bool(own & entry.told))
        return AcknowledgeReply(op=context.op, acknowledge=await self._end(entry, "acknowledged", context))

    async def cancel(self, note: str, context: Context) -> None:
        """Rejection(not_found) when the caller has sent no such note."""
        entry = await self._found(note, lambda entry: entry.demand.sender == context.identity.user_id)
        await self._end(entry, "cancelled", context)

    def marked(self, notes: Iterable[Notification]) -> list[Notification]:
        """As they stand now."""
        return [self._marked(note) for note in notes]

    def _marked(self, note: Notification) -> Notification:
        if note.acknowledge is None or (entry := self._entries.get(note.acknowledge.id)) is None:
            return note
        return note.model_copy(update={"acknowledge": acknowledgement(entry.demand.id, entry.state.end)})

    async def _found(self, note: str, wanted: Callable[[Entry], bool]) -> Entry:
        """The caller may have seen it before this replica has."""
        entry = self._entries.get(note)
        if entry is None or not wanted(entry):
            last = await self._service.log.last("log.notify.*.*.*")
            await self._service.reached(last.seq if last else 0, ACT_S)
            entry = self._entries.get(note)
        if entry is None or not wanted(entry):
            raise Rejection(ErrorCode.NOT_FOUND, "id: no such note of yours is to be acknowledged", field="id")
        return entry

    async def _end(self, entry: Entry, state: State, context: Context) -> Acknowledgement:
        command = End(state=state, by=context.identity.user_id, op=context.op, now=context.now)
        after = await self._decided(entry, command, context.deadline)
        return acknowledgement(entry.demand.id, after.end)

    # --- the log -------------------------------------------------------------------------------------

    def noted(self, name: str, sent: Sent) -> None:
        """A note to this audience is in the log."""
        content = sent.content
        self._supersede(name, sent)
        if content.must is not None:
            demand = Demand(id=sent.id, audience=name, sender=sent.sender, at=sent.at, plan=content.must)
            entry = Entry(demand, content, {name})
            self._entries[sent.id] = entry
            self._watch(entry)
        elif content.escalates is not None and (original := self._entries.get(content.escalates)) is not None:
            original.arrived.add(name)
            self._watch(original)

    def _supersede(self, name: str, sent: Sent) -> None:
        """Of a group and audience only the newest note counts."""
        if (group := sent.content.group) is None:
            return
        older = self._entries.get(self._groups.pop((name, group), ""))
        if older is not None:
            older.superseded = True
            self._watch(older)
        if sent.content.must is not None:
            self._groups[name, group] = sent.id

    def follow(self, fact: StoredFact) -> None:
        """The next fact of a note that is to be acknowledged."""
        entry = self._entries.get(ESCALATIONS.aggregate(fact.subject) or "")
        event = ESCALATIONS.decode(fact)
        if entry is None or event is None:
            return
        evolve(entry.state, event)
        if entry.state.end is not None:
            self._keep_ended(entry)
        self._watch(entry)

    def go_live(self) -> None:
        """From now on what is due is done; what is overdue at once."""
        self._live = True
        for entry in self._entries.values():
            self._watch(entry)

    def clear(self) -> None:
        """The log was made anew."""
        for note in self._entries:
            self._service.timers.cancel(_timer(note))
        self._entries.clear()
        self._ended.clear()
        self._groups.clear()

    def _keep_ended(self, entry: Entry) -> None:
        self._ended[entry.demand.id] = None
        place = (entry.demand.audience, entry.content.group or "")
        if self._groups.get(place) == entry.demand.id:
            del self._groups[place]
        while len(self._ended) > ENDED_KEPT:
            oldest, _ = self._ended.popitem(last=False)
            del self._entries[oldest]
            self._service.timers.cancel(_timer(oldest))

    # --- what is due ---------------------------------------------------------------------------------

    def _watch(self, entry: Entry) -> None:
        if not self._live:
            return
        due, name = self._due(entry), _timer(entry.demand.id)
        if due is None:
            self._service.timers.cancel(name)
        else:
            self._service.timers.set(name, due.at, lambda: self._act(entry))

    @staticmethod
    def _due(entry: Entry) -> _Due | None:
        """The next thing to do, and when."""
        demand, state, now = entry.demand, entry.state, clock.now()
        if state.end is not None:
            name = unheard(state, demand, entry.arrived | {audience(Kind.USER, demand.sender)})
            return None if name is None else _Due(now, Pass(audience=name, now=now))
        expires_at, due = entry.content.expires_at, state.due_at(demand)
        if entry.superseded:
            return _Due(now, End(state="superseded", by=None, op=f"superseded-{demand.id}", now=now))
        if expires_at is not None and expires_at <= max(now, due):
            return _Due(expires_at, End(state="expired", by=None, op=f"expired-{demand.id}", now=now))
        if entry.awaited is not None:
            return _Due(now, None)
        return _Due(due, Advance(step=state.step + 1, now=now))

    async def _act(self, entry: Entry) -> None:
        """Do what is due; its fact sets the next timer. What fails is tried again by this one."""
        due = self._due(entry)
        if due is None or due.at > clock.now():
            self._watch(entry)
        elif due.command is None:
            await self._escalate(entry)
        else:
            await self._decided(entry, due.command, clock.now() + ACT_S)

    async def _escalate(self, entry: Entry) -> None:
        """The copy of the note that the last level gets."""
        name, demand = entry.awaited, entry.demand
        assert name is not None
        copy = f"{demand.id}-{entry.state.step}"
        content = replace(entry.content, must=None, group=None, escalates=demand.id)
        try:
            await self._send(name, content, acting(demand.sender, f"escalation-{copy}"), note=copy)
        except Rejection as refusal:
            if refusal.retry:
                raise
            log.error("a note cannot be escalated", note=demand.id, reason=refusal.code)

    async def _decided(self, entry: Entry, command: Advance | End | Pass, deadline: float) -> Escalation:
        demand, content = entry.demand, entry.content

        def encoded(state: Escalation) -> NewFact | None:
            event = decide(command, state, demand)
            return None if event is None else ESCALATIONS.encode(demand, content, event)

        return (await self._ledger.transact(demand.id, encoded, deadline)).state


def _timer(note: str) -> str:
    return f"acknowledge {note}"
