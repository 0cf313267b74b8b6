"""One coroutine per call: model -> command -> the log -> reply."""

from confer_contracts import queue as contract
from confer_contracts import queue_life as life
from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.ids import token
from confer_contracts.queue import QueuePlace, TicketReply
from confer_kit import clock
from confer_kit.calls import Context
from queue_svc.codec import public_ticket
from queue_svc.days import Days
from queue_svc.domain import commands
from queue_svc.domain.commands import By, Command
from queue_svc.domain.policy import Back
from queue_svc.domain.queue import Queue
from queue_svc.domain.ticket import PRIORITIES, Action, Ticket
from queue_svc.news import News
from queue_svc.tickets import Outcome, Standing, Tickets

_RULES = {
    "priority": "higher priorities go first, and within one whoever came first",
    "ageing": "higher priorities go first, unless others have waited so much longer; within one whoever came first",
    "shares": "each priority has its share of the calls, and within one whoever came first goes first",
}


class Handlers:
    """`claim_s`: how long a called ticket is held, in seconds, where its queue's policy does not say."""

    def __init__(self, tickets: Tickets, news: News, claim_s: float, days: Days) -> None:
        self._tickets = tickets
        self._news = news
        self._claim_s = claim_s
        self._days = days

    # --- coming and being called ---------------------------------------------------------------------

    async def enqueue(self, query: contract.Enqueue, ctx: Context) -> TicketReply:
        series = self._days.series(query.queue, ctx.now)
        command = commands.Enqueue(_by(ctx), clock.new_id(), query.patient_id, query.priority, query.kind, series)
        reply = await self._answered(query.queue, command, ctx)
        self._news.look_who_is_there(token(query.queue), query.patient_id)
        return reply

    async def call_next(self, query: contract.CallNext, ctx: Context) -> TicketReply:
        kinds = frozenset(query.kinds)
        command = commands.CallNext(_by(ctx), clock.new_id(), self._claim_s, query.station, kinds)
        return await self._answered(query.queue, command, ctx, holder=True)

    # --- what the holder does ------------------------------------------------------------------------

    async def serve(self, query: contract.ClaimedTicket, ctx: Context) -> TicketReply:
        return await self._answered(query.queue, self._use("serve", query, ctx), ctx, holder=True)

    async def renew(self, query: contract.ClaimedTicket, ctx: Context) -> TicketReply:
        return await self._answered(query.queue, self._use("renew", query, ctx), ctx, holder=True)

    async def recall(self, query: contract.ClaimAndReason, ctx: Context) -> TicketReply:
        command = self._use("recall", query, ctx, query.reason)
        return await self._answered(query.queue, command, ctx, holder=True)

    async def done(self, query: contract.ClaimedTicket, ctx: Context) -> TicketReply:
        outcome = await self._tickets.done(token(query.queue), self._use("done", query, ctx), ctx.deadline)
        return _reply(outcome, ctx)

    async def requeue(self, query: contract.Requeue, ctx: Context) -> TicketReply:
        command = self._use("requeue", query, ctx, query.reason, query.place)
        return await self._answered(query.queue, command, ctx)

    async def no_show(self, query: contract.ClaimAndReason, ctx: Context) -> TicketReply:
        return await self._answered(query.queue, self._use("no_show", query, ctx, query.reason), ctx)

    # --- what anybody of the staff does --------------------------------------------------------------

    async def hold(self, query: life.Hold, ctx: Context) -> TicketReply:
        command = commands.Hold(_by(ctx), query.ticket, query.token, query.reason)
        return await self._answered(query.queue, command, ctx)

    async def resume(self, query: contract.OnTicket, ctx: Context) -> TicketReply:
        return await self._answered(query.queue, commands.Resume(_by(ctx), query.ticket, query.reason), ctx)

    async def cancel(self, query: contract.OnTicket, ctx: Context) -> TicketReply:
        return await self._answered(query.queue, commands.Cancel(_by(ctx), query.ticket, query.reason), ctx)

    async def priority(self, query: life.SetPriority, ctx: Context) -> TicketReply:
        command = commands.SetPriority(_by(ctx), query.ticket, query.priority, query.reason)
        return await self._answered(query.queue, command, ctx)

    async def move(self, query: life.Move, ctx: Context) -> TicketReply:
        command = commands.Move(_by(ctx), query.ticket, query.reason, query.position, query.before)
        return await self._answered(query.queue, command, ctx)

    async def transfer(self, query: life.Transfer, ctx: Context) -> TicketReply:
        command = commands.Transfer(
            _by(ctx), query.queue, query.to, query.ticket, query.token, query.reason, query.priority, query.kind
        )
        return _reply(await self._tickets.transfer(command, ctx.deadline), ctx)

    async def assign(self, query: life.Assign, ctx: Context) -> TicketReply:
        command = commands.Assign(_by(ctx), query.ticket, query.user_id, query.role)
        return await self._answered(query.queue, command, ctx)

    async def unassign(self, query: life.Unassign, ctx: Context) -> TicketReply:
        return await self._answered(query.queue, commands.Unassign(_by(ctx), query.ticket, query.user_id), ctx)

    async def note(self, query: life.AddNote, ctx: Context) -> TicketReply:
        return await self._answered(
            query.queue, commands.AddNote(_by(ctx), query.ticket, clock.new_id(), query.text), ctx
        )

    # --- questions -----------------------------------------------------------------------------------

    async def position(self, query: life.PositionQuery, ctx: Context) -> life.PositionReply:
        def find(queue: Queue) -> Ticket | None:
            self._tickets.must_be_declared(queue)
            if query.ticket is not None:
                return queue.tickets.get(query.ticket)
            return next(iter(queue.tickets_of(query.patient_id or "")), None)

        found = await self._tickets.find(token(query.queue), find)
        if found.ticket is None or found.position is None:
            field = "ticket" if query.ticket is not None else "patient_id"
            raise Rejection(ErrorCode.NOT_FOUND, f"{field}: not in this queue, or already over", field=field)
        ticket, place = public_ticket(found.key, found.ticket), _place(found.standing)
        return life.PositionReply(ticket=ticket, queue_position=found.position, place=place)

    async def policy(self, query: life.PolicyQuery, ctx: Context) -> life.PolicyReply:
        held = await self._tickets.policy(token(query.queue))
        return life.PolicyReply(
            queue=query.queue, version=held.version, claim_s=held.claim_s or self._claim_s,
            recalls_max=held.recalls_max, requeue=held.requeue, requeue_choice=held.requeue_choice,
            rule=held.ordering.rule, kinds=sorted(held.kinds), next_queue=held.next_queue,
            tickets_per_patient=held.tickets_per_patient, tickets_max=held.tickets_max,
            stations=[
                life.StationPolicy(
                    name=name, kinds=None if one.kinds is None else sorted(one.kinds), skills=sorted(one.skills)
                )
                for name, one in held.stations.items()
            ],
        )  # fmt: skip

    def _use(
        self, action: Action, query: contract.ClaimedTicket, ctx: Context, reason: str | None = None,
        place: Back | None = None,
    ) -> commands.UseClaim:  # fmt: skip
        return commands.UseClaim(_by(ctx), action, query.ticket, query.token, self._claim_s, reason, place)

    async def _answered(self, queue: str, command: Command, ctx: Context, *, holder: bool = False) -> TicketReply:
        """Run a command and answer it. Only a `holder` learns the token."""
        return _reply(await self._tickets.run(token(queue), command, ctx.deadline), ctx, holder=holder)


def _by(ctx: Context) -> By:
    return By(ctx.identity.user_id, ctx.identity.session, ctx.op, ctx.now)


def _reply(outcome: Outcome, ctx: Context, *, holder: bool = False) -> TicketReply:
    ticket, after = outcome.ticket, outcome.after
    if ticket is None:
        return TicketReply(op=ctx.op)
    claim = ticket.claim if holder else None
    return TicketReply(
        op=ctx.op,
        ticket=public_ticket(outcome.key, ticket),
        queue_position=outcome.position,
        token=claim.token if claim else None,
        claimed_until=clock.iso(claim.until) if claim else None,
        place=_place(outcome.standing),
        next=public_ticket(after.key, after.ticket) if after and after.ticket else None,
    )


def _place(standing: Standing | None) -> QueuePlace | None:
    if standing is None:
        return None
    ahead = dict(zip(PRIORITIES, standing.ahead, strict=True))
    first = " and ".join(f"{count} of {priority} priority" for priority, count in ahead.items() if count)
    reason = f"{first} go first: {_RULES[standing.rule]}" if first else "nobody goes first"
    return QueuePlace.model_validate(
        {
            "position": standing.position, "waiting": standing.waiting, "ahead": ahead, "rule": standing.rule,
            "reason": reason,
        }
    )  # fmt: skip
