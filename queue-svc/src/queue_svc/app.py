"""Everything of queue-svc is wired here."""

from confer_contracts import presence, queue, queue_life, queue_reading
from confer_contracts.board import BOARD
from confer_contracts.presence import RoomSnapshotRequest, Roster
from confer_contracts.queue import DashboardQuery, QueueDashboard, QueueTable
from confer_contracts.queue_life import PositionQuery, PositionReply
from confer_contracts.reactions import QUEUE_ON_PRESENCE, QUEUE_ON_SYNC
from confer_contracts.subjects import Kind, stream_of
from confer_kit.calls import Context
from confer_kit.facts import StoredFact
from confer_kit.ledger import Ledger
from confer_kit.service import Service
from queue_svc import metrics
from queue_svc.claims import Claims
from queue_svc.codec import QueueCodec
from queue_svc.days import Days
from queue_svc.domain.policy import Policy
from queue_svc.domain.queue import Event, Queue
from queue_svc.handlers import Handlers
from queue_svc.news import News
from queue_svc.policies import Declaring, policies_of
from queue_svc.reading import Reading
from queue_svc.segments import Segments
from queue_svc.settings import Settings
from queue_svc.snapshot import Kept
from queue_svc.tickets import Tickets
from queue_svc.views import Tables


def build(service: Service, settings: Settings) -> None:
    days = Days(settings.queue_timezone)
    shown = Tables(service.views, lambda: service.position, settings.queue_rows_beside)

    async def roster(room: str, sequence: int) -> Roster:
        """All pages; a page's end is where the next one begins, so that they end."""
        query = RoomSnapshotRequest(kind=Kind.ROOM, id=room, seen={stream_of(presence.SERVICE): sequence})
        found = page = Roster.model_validate(await service.ask_snapshot(presence.SERVICE, query))
        while page.next is not None:
            query = query.model_copy(update={"after": page.next})
            page = Roster.model_validate(await service.ask_snapshot(presence.SERVICE, query))
            found.users.extend(page.users)
        return found

    codec = QueueCodec()
    ledger: Ledger[Queue, Event] = service.ledger(codec, segment=codec.segment)
    service.keep(Kept(ledger, shown), settings.queue_snapshot_facts, settings.queue_snapshot_check_s)
    segments = Segments(ledger, service.tasks, settings.queue_segment_facts)
    tickets = Tickets(ledger, segments, declared_only=settings.queue_declared_only)
    claims = Claims(tickets, service.timers, roster, settings.queue_claim_s)
    news = News(tickets, claims, service.tasks, roster, queues_of=shown.queues_of, days=days)
    handlers = Handlers(tickets, news, settings.queue_claim_s, days)
    reading = Reading(shown, tickets, service.log, service.reached, days)
    _serve_calls(service, handlers, reading)
    _show(service, shown, reading)
    _keep_current(service, shown, claims)
    declaring = Declaring(service.tasks, tickets)

    def use(policies: dict[str, Policy]) -> None:
        declaring.use(policies)
        metrics.observe(shown, policies, settings.queue_metrics_max)

    metrics.observe(shown, (), settings.queue_metrics_max)
    service.on_caught_up(declaring.begin)
    service.use_file("CONFER_QUEUE_POLICIES", settings.queue_policies, policies_of, "policies", use)
    service.react(QUEUE_ON_PRESENCE.stream, QUEUE_ON_PRESENCE.subjects, news.on_presence)
    service.react(QUEUE_ON_SYNC.stream, QUEUE_ON_SYNC.subjects, news.on_sync, events=("step_changed",))


def _serve_calls(service: Service, handlers: Handlers, reading: Reading) -> None:
    service.serve(queue.ENQUEUE, handlers.enqueue)
    service.serve(queue.CALL_NEXT, handlers.call_next)
    service.serve(queue.SERVE, handlers.serve)
    service.serve(queue.DONE, handlers.done)
    service.serve(queue.REQUEUE, handlers.requeue)
    service.serve(queue.NO_SHOW, handlers.no_show)
    service.serve(queue.CANCEL, handlers.cancel)
    service.serve(queue_life.HOLD, handlers.hold)
    service.serve(queue_life.RESUME, handlers.resume)
    service.serve(queue_life.RECALL, handlers.recall)
    service.serve(queue_life.RENEW, handlers.renew)
    service.serve(queue_life.PRIORITY, handlers.priority)
    service.serve(queue_life.MOVE, handlers.move)
    service.serve(queue_life.TRANSFER, handlers.transfer)
    service.serve(queue_life.ASSIGN, handlers.assign)
    service.serve(queue_life.UNASSIGN, handlers.unassign)
    service.serve(queue_life.NOTE, handlers.note)

    async def position(query: PositionQuery, ctx: Context) -> PositionReply:
        return reading.estimated(query.queue, await handlers.position(query, ctx), ctx.now)

    service.serve(queue_life.POSITION, position)
    service.serve(queue_life.POLICY, handlers.policy)


def _show(service: Service, tables: Tables, reading: Reading) -> None:
    async def of_queue(request: RoomSnapshotRequest) -> QueueTable:
        return tables.table(request.id)

    async def of_room(request: RoomSnapshotRequest) -> QueueTable:
        return tables.beside(request.id)

    async def dashboard(query: DashboardQuery, _: Context) -> QueueDashboard:
        return tables.dashboard(query)

    service.snapshot(Kind.QUEUE, of_queue)
    service.snapshot(Kind.ROOM, of_room)
    service.serve(queue.DASHBOARD, dashboard)
    service.serve(queue_reading.GET, reading.get)
    service.serve(queue_reading.TICKET, reading.ticket)
    service.serve(queue_reading.STATISTICS, reading.statistics)
    service.serve(queue_reading.LIST, reading.queues)
    service.serve(BOARD, reading.board)


def _keep_current(service: Service, tables: Tables, claims: Claims) -> None:
    """Read the whole log at start; from then on each fact renews its queue's table and its ticket's timer."""
    current = False

    def observe(fact: StoredFact) -> None:
        changed = tables.apply(fact)
        if changed and current:
            key, ticket = changed
            tables.changed(key)
            claims.watch(key, ticket)

    def begin() -> None:
        nonlocal current
        current = True
        tables.announce()
        for key, ticket in tables.claimed():
            claims.watch(key, ticket)

    service.follow(observe, start="all")
    service.on_caught_up(begin)
    service.on_reset(tables.clear)
