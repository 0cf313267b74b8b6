"""What people ask of a queue and change nothing by: a page of it, a ticket with its past, how it goes, its board."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from confer_contracts.board import BoardQuery, BoardReply
from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.ids import token, untoken
from confer_contracts.queue import OfQueue
from confer_contracts.queue_life import PositionReply
from confer_contracts.queue_reading import (
    QueueEntry,
    QueueFigures,
    QueueGet,
    QueuePage,
    QueuesQuery,
    QueuesReply,
    QueueSummary,
    QueueTicket,
    TicketEvent,
    TicketPast,
    TicketVisit,
)
from confer_kit.calls import Context
from confer_kit.clock import iso
from confer_kit.event_log import EventLog, Unavailable, as_rejection
from confer_kit.facts import StoredFact
from confer_kit.ledger import decoded
from queue_svc.codec import QueueCodec, public_ticket
from queue_svc.days import Days
from queue_svc.domain.ticket import Change, Ticket, TicketChanged, Visit
from queue_svc.figures import longest_wait_s, window
from queue_svc.pace import Pace, Placed, pace_of, place_of, placed
from queue_svc.tickets import Tickets
from queue_svc.views import Tables

HOUR_S: Final = 3600.0
REACHED_S: Final = 2.0
SEARCHED_MAX: Final = 1000  # facts that are looked through for a page of a ticket's past
Reached = Callable[[int, float], Awaitable[bool]]


class Reading:
    """Answers from the tables, which it lets catch up with the log first: whoever has an answer to a change sees it.

    `reached`: waits until the tables contain a sequence, at most so many seconds, and tells whether they do.
    """

    def __init__(self, tables: Tables, tickets: Tickets, log: EventLog, reached: Reached, days: Days) -> None:
        self._tables = tables
        self._tickets = tickets
        self._log = log
        self._reached = reached
        self._days = days
        self._codec = QueueCodec()

    async def get(self, query: QueueGet, ctx: Context) -> QueuePage:
        key = await self._current(query.queue)
        pace, page = self._pace(key, ctx.now), QueuePage(op=ctx.op, queue=query.queue)
        rows, total, more = page.rows, 0, False
        for each in placed(self._tables.queue(key)):
            if not _fits(each.ticket, query):
                continue
            total += 1
            if each.position > query.after:
                more = len(rows) == query.limit
                if not more:
                    rows.append(_entry(key, each, pace))
        return page.model_copy(update={"total": total, "next": rows[-1].queue_position if more else None})

    async def ticket(self, query: QueueTicket, ctx: Context) -> TicketPast:
        key = await self._current(query.queue)
        queue, courses = self._tables.queue(key), self._tables.statistics(key).courses
        active = queue.tickets.get(query.ticket)
        patient = active.patient_id if active else query.patient_id
        if patient is None:
            rule = "is not in this queue now; name its patient_id as well, to have it looked up in the log"
            raise Rejection(ErrorCode.NOT_FOUND, f"ticket: {rule}", field="ticket")
        course = courses.get(query.ticket)
        after = max(query.after, course.first - 1 if course else 0)
        history, following = await self._past(key, patient, query, after)
        now = place_of(queue, active) if active else None
        if now is None and not history and following is None and not query.after:
            raise Rejection(ErrorCode.NOT_FOUND, "ticket: this patient had none of this id here", field="ticket")
        entry = _entry(key, now, self._pace(key, ctx.now)) if now else None
        visits = [_visit(each) for each in active.visits] if active else []
        return TicketPast(op=ctx.op, ticket=entry, visits=visits, history=history, next=following)

    async def statistics(self, query: OfQueue, ctx: Context) -> QueueFigures:
        key = await self._current(query.queue)
        queue, statistics = self._tables.queue(key), self._tables.statistics(key)
        by_status = Counter(ticket.status for ticket in queue.tickets.values())
        return QueueFigures(
            op=ctx.op,
            queue=query.queue,
            waiting=by_status["waiting"],
            tickets=dict(by_status),
            longest_wait_s=longest_wait_s(queue, statistics, ctx.now),
            estimated_wait=self._pace(key, ctx.now).wait(by_status["waiting"]),
            today=window(statistics, self._days.midnight(ctx.now)),
            hour=window(statistics, ctx.now - HOUR_S),
        )

    async def queues(self, query: QueuesQuery, ctx: Context) -> QueuesReply:
        named = sorted((untoken(key), key) for key in self._tables.queues())
        behind = [pair for pair in named if pair[0] > query.after]
        shown = behind[: query.limit]
        more = len(behind) > len(shown)
        return QueuesReply(
            op=ctx.op, queues=[self._summary(*pair, ctx.now) for pair in shown], next=shown[-1][0] if more else None
        )

    async def board(self, query: BoardQuery, ctx: Context) -> BoardReply:
        return BoardReply(op=ctx.op, as_of=self._tables.position(), board=self._tables.board(token(query.queue)))

    def estimated(self, queue: str, reply: PositionReply, now: float) -> PositionReply:
        """The answer with the estimated wait of a ticket that waits."""
        if reply.place is None:
            return reply
        wait = self._pace(token(queue), now).wait(reply.place.position - 1)
        return reply.model_copy(update={"estimated_wait": wait})

    def _summary(self, name: str, key: str, now: float) -> QueueSummary:
        queue = self._tables.queue(key)
        return QueueSummary(
            queue=name,
            waiting=sum(ticket.status == "waiting" for ticket in queue.tickets.values()),
            tickets=len(queue.tickets),
            longest_wait_s=longest_wait_s(queue, self._tables.statistics(key), now),
        )

    def _pace(self, key: str, now: float) -> Pace:
        return pace_of(self._tables.queue(key), self._tables.statistics(key), now)

    async def _current(self, queue: str) -> str:
        """The queue's token, when the tables contain what its log does now. Rejection(unavailable), or as of
        `must_be_declared`."""
        key = token(queue)
        if not await self._reached(await self._tickets.latest(key), REACHED_S):
            raise Rejection(ErrorCode.UNAVAILABLE, "the queue service is behind its log: try again")
        self._tickets.must_be_declared(self._tables.queue(key))
        return key

    async def _past(
        self, key: str, patient: str, query: QueueTicket, after: int
    ) -> tuple[list[TicketEvent], int | None]:
        """What happened to the ticket in facts of the patient after a sequence, and after which there may be more."""
        subject = self._codec.past(key, patient)
        try:
            last = await self._log.last(subject)
            upto = last.seq if last else 0
            facts = await self._log.read(subject, after=after, upto=upto, limit=SEARCHED_MAX) if upto > after else []
        except Unavailable as error:
            raise as_rejection(error) from error
        events: list[TicketEvent] = []
        for fact in facts:
            event = decoded(self._codec.decode, fact)
            if isinstance(event, TicketChanged) and event.ticket.id == query.ticket:
                events.append(_event(fact, event))
                if len(events) == query.limit:
                    return events, fact.seq if fact.seq < upto else None
        return events, facts[-1].seq if len(facts) == SEARCHED_MAX else None


def _fits(ticket: Ticket, query: QueueGet) -> bool:
    station = ticket.claim.station if ticket.claim else None
    return (
        (query.statuses is None or ticket.status in query.statuses)
        and (query.priorities is None or ticket.priority in query.priorities)
        and (query.kinds is None or ticket.kind in query.kinds)
        and (query.station is None or station == query.station)
        and (query.patient_id is None or ticket.patient_id == query.patient_id)
    )


def _entry(key: str, each: Placed, pace: Pace) -> QueueEntry:
    return QueueEntry(
        **public_ticket(key, each.ticket).model_dump(),
        queue_position=each.position,
        current_step=each.ticket.step,
        staff_working=each.ticket.working,
        estimated_wait=None if each.ahead is None else pace.wait(each.ahead),
    )


def _visit(visit: Visit) -> TicketVisit:
    return TicketVisit(
        queue=visit.queue, since=iso(visit.since), until=iso(visit.until), status=visit.status, user_id=visit.user
    )


def _event(fact: StoredFact, event: TicketChanged) -> TicketEvent:
    about_people = event.change in (Change.ASSIGNED, Change.UNASSIGNED)
    return TicketEvent(
        sequence=fact.seq,
        change=event.change,
        status=event.ticket.status,
        user_id=event.user,
        op=event.op,
        timestamp=iso(event.at),
        station=event.ticket.claim.station if event.ticket.claim else None,
        reason=event.reason,
        from_queue=event.came_from,
        to_queue=event.went_to,
        note=event.text,
        assigned=public_ticket(fact.subject.ident, event.ticket).assigned if about_people else None,
    )
