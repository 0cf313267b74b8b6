"""What queue-svc does: the calls of clients, the news of presence and sync, and the ends of claims."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from confer_contracts import presence, sync
from confer_contracts.errors import Rejection
from confer_contracts.ids import patient_of, patient_room, token, untoken
from confer_contracts.presence import Roster
from confer_contracts.queue import DEFAULT_QUEUE, CallNext, ClaimedTicket, Enqueue, OnTicket, TicketReply
from confer_contracts.subjects import stream_of
from confer_kit import clock
from confer_kit.calls import Context
from confer_kit.facts import NewFact, StoredFact
from confer_kit.ledger import Ledger
from confer_kit.logs import logger
from confer_kit.reactions import operation
from confer_kit.tasks import Tasks
from confer_kit.timers import Timers
from queue_svc.codec import encode, public_ticket
from queue_svc.days import Days
from queue_svc.domain import commands
from queue_svc.domain.commands import By, Command
from queue_svc.domain.number import Series, letter_of
from queue_svc.domain.queue import Queue, answer, decide
from queue_svc.domain.ticket import CLAIMED, Action, Claim, Ticket, TicketChanged

log = logger(__name__)

AskRoster = Callable[[str], Awaitable[Roster]]
SYSTEM = "system"  # who acts when nobody does
REACTION_S = 10.0
_SCREENING = token(DEFAULT_QUEUE)


class Outcome(NamedTuple):
    """The ticket that a command changed or found, if any, and its place in the queue afterwards."""

    ticket: Ticket | None
    position: int | None


class Handlers:
    """`claim_s`: how long a called ticket is held, in seconds. `roster`: asks presence who is in a room."""

    def __init__(
        self, ledger: Ledger[Queue, TicketChanged], timers: Timers, tasks: Tasks, roster: AskRoster, *,
        claim_s: float, days: Days,
    ) -> None:  # fmt: skip
        self._ledger = ledger
        self._timers = timers
        self._tasks = tasks
        self._roster = roster
        self._claim_s = claim_s
        self._days = days

    # --- calls ---------------------------------------------------------------------------------------

    async def enqueue(self, query: Enqueue, ctx: Context) -> TicketReply:
        series = self._series(query.queue, ctx.now)
        command = commands.Enqueue(_by(ctx), clock.new_id(), query.patient_id, query.priority, series)
        reply = await self._answered(query.queue, command, ctx)
        if query.queue == DEFAULT_QUEUE:
            self._tasks.start(self._list_present(query.patient_id), "list who is there")
        return reply

    async def call_next(self, query: CallNext, ctx: Context) -> TicketReply:
        command = commands.CallNext(_by(ctx), clock.new_id(), ctx.now + self._claim_s, query.station)
        return await self._answered(query.queue, command, ctx, holder=True)

    async def serve(self, query: ClaimedTicket, ctx: Context) -> TicketReply:
        return await self._use_claim("serve", query, ctx)

    async def done(self, query: ClaimedTicket, ctx: Context) -> TicketReply:
        return await self._use_claim("done", query, ctx)

    async def requeue(self, query: ClaimedTicket, ctx: Context) -> TicketReply:
        return await self._use_claim("requeue", query, ctx)

    async def no_show(self, query: ClaimedTicket, ctx: Context) -> TicketReply:
        return await self._use_claim("no_show", query, ctx)

    async def cancel(self, query: OnTicket, ctx: Context) -> TicketReply:
        return await self._answered(query.queue, commands.Cancel(_by(ctx), query.ticket, query.reason), ctx)

    async def _use_claim(self, action: Action, query: ClaimedTicket, ctx: Context) -> TicketReply:
        until = ctx.now + self._claim_s
        command = commands.UseClaim(_by(ctx), action, query.ticket, query.token, until)
        return await self._answered(query.queue, command, ctx, holder=action == "serve")

    async def _answered(self, queue: str, command: Command, ctx: Context, *, holder: bool = False) -> TicketReply:
        """Run a command and answer it. Only a `holder` learns the token."""
        key = token(queue)
        ticket, position = await self._run(key, command, ctx.deadline)
        if ticket is None:
            return TicketReply(op=ctx.op)
        claim = ticket.claim if holder else None
        return TicketReply(
            op=ctx.op,
            ticket=public_ticket(key, ticket),
            queue_position=position,
            token=claim.token if claim else None,
            claimed_until=clock.iso(claim.until) if claim else None,
        )

    # --- news of other services ----------------------------------------------------------------------

    async def on_presence(self, fact: StoredFact) -> None:
        """Who begins to screen a patient queues the patient, once, and is listed with the ticket until they leave."""
        patient, user = patient_of(fact.subject.ident), untoken(fact.subject.key)
        if patient is None:
            return
        by = _heard(fact, presence.SERVICE, user)
        if fact.event == "user_left":
            await self._react(commands.StaffLeft(by, patient, fact.seq))
            return
        screening = bool((fact.fold or {}).get("joined_screening"))
        if screening or fact.event == "user_joined":
            step = fact.json().get("step")
            series = self._series(DEFAULT_QUEUE, fact.at)
            await self._react(commands.Attend(by, clock.new_id(), patient, fact.seq, step, screening, series))

    async def _list_present(self, patient: str) -> None:
        """Whoever was with the patient before the ticket was made: presence told of them when there was none."""
        try:
            there = await self._roster(patient_room(patient))
            for user in there.users:
                by = By(user.user_id, "", clock.new_id(), clock.now())
                seq = there.as_of.get(stream_of(presence.SERVICE), 0)
                await self._react(commands.Attend(by, clock.new_id(), patient, seq, user.step, enqueue=False))
        except Rejection as refusal:
            log.info("the staff of a new ticket are not known", reason=refusal.message)

    async def on_sync(self, fact: StoredFact) -> None:
        """The record's step is shown beside the patient."""
        patient = patient_of(fact.subject.ident)
        if patient is None or fact.event != "step_changed":
            return
        by = _heard(fact, sync.SERVICE, fact.actor or SYSTEM)
        await self._react(commands.ReachStep(by, patient, fact.json()["step"], fact.seq))

    async def _react(self, command: Command) -> None:
        await self._run(_SCREENING, command, clock.now() + REACTION_S)

    def _series(self, queue: str, at: float) -> Series:
        return Series(letter_of(queue), self._days.day(at))

    # --- the ends of claims --------------------------------------------------------------------------

    def watch(self, key: str, ticket: Ticket) -> None:
        """Wait for the end of the claim on a ticket of the queue with this token, if it has one."""
        name, claim = f"{key} {ticket.id}", ticket.claim
        if claim is None or ticket.status not in CLAIMED:
            self._timers.cancel(name)
            return
        self._timers.set(name, claim.until, lambda: self._expire(key, ticket.id, claim))

    async def _expire(self, key: str, ticket: str, claim: Claim) -> None:
        now = clock.now()
        by = By(SYSTEM, "", clock.new_id(), now)
        await self._run(key, commands.ExpireClaim(by, ticket, claim.token, claim.until), now + REACTION_S)

    async def _run(self, key: str, command: Command, deadline: float) -> Outcome:
        found: Ticket | None = None

        def attempt(queue: Queue) -> NewFact | None:
            nonlocal found
            event = decide(command, queue)
            found = event.ticket if event else answer(command, queue)
            if event is None:
                return None
            return encode(key, event, command.by.session or None, queue.tickets.get(event.ticket.id))

        folded = await self._ledger.transact(key, attempt, deadline)
        return Outcome(found, folded.state.position(found.id) if found else None)


def _by(ctx: Context) -> By:
    return By(ctx.identity.user_id, ctx.identity.session, ctx.op, ctx.now)


def _heard(fact: StoredFact, service: str, user: str) -> By:
    """News happened when its fact was stored; its operation is the same however often it arrives."""
    return By(user, "", operation(stream_of(service), fact), fact.at)
