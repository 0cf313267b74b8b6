"""Notes that wait for their time: accepted, listed, cancelled, and sent when it has come.

The time is in the fact, and every replica has a timer for it. Whoever is first releases the note; sending it is owed
from then on, and seen in the log when it is done, also by a replica that starts years later.
"""

from datetime import datetime

from confer_contracts.errors import Rejection
from confer_contracts.ids import token
from confer_contracts.notify import NotificationSend, NotificationSendReply
from confer_contracts.notify_plan import ScheduledList, ScheduledNote, ScheduledQuery
from confer_contracts.portal import shown_name
from confer_kit import clock
from confer_kit.calls import Context
from confer_kit.facts import NewFact, StoredFact
from confer_kit.ledger import Ledger
from confer_kit.logs import logger
from confer_kit.service import Service
from notify_svc.domain.audience import Content, Sent
from notify_svc.domain.schedule import (
    Cancel,
    Cancelled,
    Release,
    Schedule,
    Scheduled,
    ScheduleEvent,
    Waiting,
    decide,
)
from notify_svc.owed import ACT_S, Send, acting
from notify_svc.plan_codec import SCHEDULES
from notify_svc.settings import Settings

log = logger(__name__)

_DAY_S = 86400.0


class Scheduling:
    """`send` tells an audience something. What waits, and what is owed, is kept from the log; `noted` pays it off."""

    def __init__(self, service: Service, settings: Settings, send: Send) -> None:
        self._service = service
        self._ahead_s = settings.notify_ahead_days * _DAY_S
        self._waiting_max = settings.notify_scheduled_max
        self._send = send
        self._ledger: Ledger[Waiting, ScheduleEvent] = service.ledger(SCHEDULES)
        self._waiting: dict[str, Scheduled] = {}
        self._live = False

    def __len__(self) -> int:
        return len(self._waiting)

    # --- calls ---------------------------------------------------------------------------------------

    async def schedule(self, request: NotificationSend, content: Content, context: Context) -> NotificationSendReply:
        """Rejection as of `domain.schedule.decide`."""
        sender = context.identity.user_id
        command = Schedule(
            sender=sender, op=context.op, now=context.now, id=clock.new_id(), at=_due(request, context.now),
            to=request.to.audience, content=content, ahead_s=self._ahead_s, waiting_max=self._waiting_max,
        )  # fmt: skip
        state = await self._decided(command, sender, context.deadline)
        promise = state.operations.find(sender, context.op)
        assert promise is not None, "the state after a schedule holds its operation"
        return NotificationSendReply(op=context.op, id=promise.id, at=clock.iso(promise.at))

    async def notification_scheduled(self, query: ScheduledQuery, context: Context) -> ScheduledList:
        state = (await self._ledger.load(token(context.identity.user_id))).state
        notes = state.in_order()
        shown = [_shown(note) for note in notes[: query.limit]]
        return ScheduledList(op=context.op, scheduled=shown, total=len(notes), limit=self._waiting_max)

    async def cancel(self, note: str, context: Context) -> None:
        """Rejection(not_found) when no note of the caller's with this id waits."""
        sender = context.identity.user_id
        await self._decided(Cancel(sender=sender, op=context.op, now=context.now, id=note), sender, context.deadline)

    # --- the log -------------------------------------------------------------------------------------

    def follow(self, fact: StoredFact) -> None:
        """The next fact of a schedule."""
        match SCHEDULES.decode(fact):
            case Scheduled() as note:
                self._waiting[note.id] = note
                if self._live:
                    self._watch(note)
            case Cancelled(id=note_id):
                self._forget(note_id)

    def noted(self, sent: Sent) -> None:
        """A note is in the log: what was owed is paid."""
        note = self._waiting.get(sent.id)
        if note is not None and sent.op == note.sending:
            self._forget(note.id)

    def go_live(self) -> None:
        """From now on they are sent when they are due; those that are overdue at once."""
        self._live = True
        for note in self._waiting.values():
            self._watch(note)

    def clear(self) -> None:
        """The log was made anew."""
        for note in tuple(self._waiting):
            self._forget(note)

    def _watch(self, note: Scheduled) -> None:
        self._service.timers.set(_timer(note.id), note.at, lambda: self._send_due(note))

    def _forget(self, note: str) -> None:
        self._waiting.pop(note, None)
        self._service.timers.cancel(_timer(note))

    async def _send_due(self, note: Scheduled) -> None:
        """Release it, if nobody has, and send it, if nobody has; what fails is tried again by the timer."""
        now = clock.now()
        seq = await self._released(note, now)
        if not await self._service.reached(seq, ACT_S):
            raise TimeoutError("behind the log")
        if note.id not in self._waiting:  # cancelled, or sent meanwhile
            return
        try:
            context = acting(note.sender, note.sending)
            await self._send(note.to, note.content, context, note=note.id)
        except Rejection as refusal:
            if refusal.retry:
                raise
            log.error("a scheduled note cannot be sent", note=note.id, reason=refusal.code)
            self._forget(note.id)

    async def _released(self, note: Scheduled, now: float) -> int:
        """The sequence of the sender's schedule in which it waits no longer."""
        key, command = token(note.sender), Release(id=note.id, now=now)
        folded = await self._ledger.transact(key, lambda state: _encoded(key, command, state), now + ACT_S)
        return folded.seq

    async def _decided(self, command: Schedule | Cancel, sender: str, deadline: float) -> Waiting:
        key = token(sender)
        folded = await self._ledger.transact(key, lambda state: _encoded(key, command, state), deadline)
        return folded.state


def _encoded(key: str, command: Schedule | Cancel | Release, state: Waiting) -> NewFact | None:
    event = decide(command, state)
    return None if event is None else SCHEDULES.encode(key, event)


def _timer(note: str) -> str:
    return f"scheduled {note}"


def _due(request: NotificationSend, now: float) -> float:
    if request.in_s is not None:
        return now + request.in_s
    assert request.at is not None
    return datetime.fromisoformat(request.at).timestamp()


def _shown(note: Scheduled) -> ScheduledNote:
    content = note.content
    return ScheduledNote(
        id=note.id, at=clock.iso(note.at), to=shown_name(note.to), type=content.type, priority=content.priority,
        title=content.title, message=content.message, created_at=clock.iso(note.made_at),
    )  # fmt: skip
