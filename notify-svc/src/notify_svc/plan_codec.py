"""Scheduled notes, and those that must be acknowledged, as facts."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

import orjson

from confer_contracts.ids import token, untoken
from confer_contracts.notify import SERVICE
from confer_contracts.notify_plan import Acknowledgement, Closed, Escalated, Reminder
from confer_contracts.portal import shown_name
from confer_contracts.subjects import FactSubject, Kind, stream_of
from confer_kit import clock
from confer_kit.facts import NewFact, StoredFact
from notify_svc.domain.audience import Content
from notify_svc.domain.escalation import (
    Demand,
    Ended,
    EscalatedTo,
    Escalation,
    EscalationEvent,
    Passed,
    Plan,
    Reminded,
)
from notify_svc.domain.escalation import evolve as evolve_escalation
from notify_svc.domain.schedule import Cancelled, Released, Scheduled, ScheduleEvent, Waiting
from notify_svc.domain.schedule import evolve as evolve_schedule

SCHEDULE, ACK = "schedule", "ack_"  # the key tokens; the second with the note's id behind it
REMINDER, ESCALATED, CLOSED = "notification_reminder", "notification_escalated", "notification_closed"


class ScheduleCodec:
    """`log.notify.user.<sender>.schedule`, never emitted; the aggregate's key is the sender's token."""

    stream = stream_of(SERVICE)
    last_only = False

    def aggregate(self, subject: FactSubject) -> str | None:
        return subject.ident if subject.kind == Kind.USER and subject.key == SCHEDULE else None

    def guard(self, key: str) -> str:
        return f"log.{SERVICE}.{Kind.USER}.{key}.{SCHEDULE}"

    def initial(self, key: str) -> Waiting:
        return Waiting()

    def evolve(self, state: Waiting, event: ScheduleEvent) -> Waiting:
        return evolve_schedule(state, event)

    def encode(self, key: str, event: ScheduleEvent) -> NewFact:
        told: dict[str, Any] = {"id": event.id}
        match event:
            case Scheduled():
                told |= {"state": "scheduled", "to": event.to, "due": event.at, "timestamp": event.made_at}
                told["content"] = {name: value for name, value in asdict(event.content).items() if value is not None}
            case Cancelled():
                told |= {"state": "cancelled", "timestamp": event.at}
            case Released():
                told |= {"state": "released", "timestamp": event.at}
        op = None if isinstance(event, Released) else event.op
        subject = FactSubject.parse(self.guard(key))
        return NewFact(subject=subject, body=orjson.dumps(told), op=op, actor=untoken(key))

    def decode(self, fact: StoredFact) -> ScheduleEvent | None:
        told = fact.json()
        match told["state"]:
            case "scheduled" if fact.actor is not None and fact.op is not None:
                return Scheduled(
                    sender=fact.actor, op=fact.op, made_at=told["timestamp"], id=told["id"], at=told["due"],
                    to=told["to"], content=_content(told["content"]),
                )  # fmt: skip
            case "cancelled" if fact.actor is not None and fact.op is not None:
                return Cancelled(sender=fact.actor, op=fact.op, at=told["timestamp"], id=told["id"])
            case "released":
                return Released(id=told["id"], at=told["timestamp"])
        return None


class EscalationCodec:
    """`log.notify.<kind>.<id>.ack_<note>` for each audience that was told; the aggregate's key is the note's id."""

    stream = stream_of(SERVICE)
    last_only = False

    def aggregate(self, subject: FactSubject) -> str | None:
        return untoken(subject.key.removeprefix(ACK)) if subject.key.startswith(ACK) else None

    def guard(self, key: str) -> str:
        return f"log.{SERVICE}.*.*.{ACK}{token(key)}"

    def initial(self, key: str) -> Escalation:
        return Escalation()

    def evolve(self, state: Escalation, event: EscalationEvent) -> Escalation:
        return evolve_escalation(state, event)

    def encode(self, demand: Demand, content: Content, event: EscalationEvent) -> NewFact:
        """What browsers get, and in the header what the fold needs."""
        body: Reminder | Escalated | Closed
        fold: dict[str, Any] = {}
        actor, op = demand.sender, None
        match event:
            case Reminded():
                name, audience = REMINDER, event.audience
                body = _reminder(demand, content, event)
                fold = {"step": event.step, "due": event.due}
            case EscalatedTo():
                name, audience = ESCALATED, demand.audience
                body = Escalated(
                    acknowledge=Acknowledgement(id=demand.id), level=event.level, to=shown_name(event.to),
                    timestamp=clock.iso(event.at),
                )  # fmt: skip
                fold = {"step": event.step, "due": event.due, "to": event.to}
            case Ended() | Passed():
                end = event if isinstance(event, Ended) else event.end
                name, audience = CLOSED, event.audience
                body = Closed(acknowledge=acknowledgement(demand.id, end), timestamp=clock.iso(event.at))
                fold = {"first": isinstance(event, Ended)}
                actor, op = end.by or demand.sender, end.op
        subject = FactSubject.parse(f"log.{SERVICE}.{audience}.{ACK}{token(demand.id)}")
        return NewFact(
            subject=subject, event=name, body=body.model_dump_json().encode(), fold=orjson.dumps(fold), op=op,
            actor=actor,
        )  # fmt: skip

    def decode(self, fact: StoredFact) -> EscalationEvent | None:
        told, fold, audience = fact.json(), fact.fold or {}, f"{fact.subject.kind}.{fact.subject.ident}"
        at = datetime.fromisoformat(told["timestamp"]).timestamp()
        match fact.event:
            case "notification_reminder":
                return Reminded(step=fold["step"], audience=audience, at=at, due=fold["due"])
            case "notification_escalated":
                return EscalatedTo(step=fold["step"], level=told["level"], to=fold["to"], at=at, due=fold["due"])
            case "notification_closed":
                state = Acknowledgement.model_validate(told["acknowledge"])
                ended = datetime.fromisoformat(state.at).timestamp() if state.at else at
                first = audience if fold["first"] else ""
                end = Ended(state=state.state, by=state.by, op=fact.op or "", at=ended, audience=first)
                return end if fold["first"] else Passed(audience=audience, end=end, at=at)
        return None


SCHEDULES = ScheduleCodec()
ESCALATIONS = EscalationCodec()


def acknowledgement(note: str, end: Ended | None) -> Acknowledgement:
    """How it stands with the note of this id."""
    if end is None:
        return Acknowledgement(id=note)
    return Acknowledgement(id=note, state=end.state, by=end.by, at=clock.iso(end.at))


def plan_of(told: dict[str, Any]) -> Plan:
    return Plan(repeat_s=told["repeat_s"], repeats=told["repeats"], levels=tuple(told["levels"]))


def _content(told: dict[str, Any]) -> Content:
    must = told.get("must")
    return Content(**told | ({"must": plan_of(must)} if must else {}))


def _reminder(demand: Demand, content: Content, event: Reminded) -> Reminder:
    return Reminder(
        acknowledge=Acknowledgement(id=demand.id), number=event.step, type=content.type, priority=content.priority,
        title=content.title, message=content.message, from_user=demand.sender, link=content.link,
        timestamp=clock.iso(event.at),
    )  # fmt: skip
