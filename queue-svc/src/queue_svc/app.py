"""Everything of queue-svc is wired here."""

from confer_contracts import presence, queue, sync
from confer_contracts.ids import token
from confer_contracts.presence import RoomSnapshotRequest, Roster
from confer_contracts.queue import DEFAULT_QUEUE, DashboardQuery, QueueDashboard, QueueTable
from confer_contracts.subjects import Kind, stream_of
from confer_kit.calls import Context
from confer_kit.facts import StoredFact
from confer_kit.service import Service
from queue_svc.codec import QueueCodec
from queue_svc.days import Days
from queue_svc.handlers import Handlers
from queue_svc.settings import Settings
from queue_svc.views import Tables


def build(service: Service, settings: Settings) -> None:
    tables = Tables(service.views, lambda: service.position)

    async def roster(room: str) -> Roster:
        """All pages; a page's end is where the next one begins, so that they end."""
        query = RoomSnapshotRequest(kind=Kind.ROOM, id=room)
        found = page = Roster.model_validate(await service.ask_snapshot(presence.SERVICE, query))
        while page.next is not None:
            query = query.model_copy(update={"after": page.next})
            page = Roster.model_validate(await service.ask_snapshot(presence.SERVICE, query))
            found.users.extend(page.users)
        return found

    ledger = service.ledger(QueueCodec())
    days = Days(settings.queue_timezone)
    handlers = Handlers(ledger, service.timers, service.tasks, roster, claim_s=settings.queue_claim_s, days=days)
    _serve_calls(service, handlers)
    _show(service, tables)
    _keep_current(service, tables, handlers)
    service.react(stream_of(presence.SERVICE), ["log.presence.room.*.*"], handlers.on_presence)
    service.react(stream_of(sync.SERVICE), ["log.sync.room.*.record"], handlers.on_sync)


def _serve_calls(service: Service, handlers: Handlers) -> None:
    service.serve(queue.ENQUEUE, handlers.enqueue)
    service.serve(queue.CALL_NEXT, handlers.call_next)
    service.serve(queue.SERVE, handlers.serve)
    service.serve(queue.DONE, handlers.done)
    service.serve(queue.REQUEUE, handlers.requeue)
    service.serve(queue.NO_SHOW, handlers.no_show)
    service.serve(queue.CANCEL, handlers.cancel)


def _show(service: Service, tables: Tables) -> None:
    async def of_queue(request: RoomSnapshotRequest) -> QueueTable:
        return tables.table(request.id)

    async def of_room(_: RoomSnapshotRequest) -> QueueTable:
        """The portal shows the whole queue beside each patient."""
        return tables.table(token(DEFAULT_QUEUE))

    async def dashboard(query: DashboardQuery, _: Context) -> QueueDashboard:
        return tables.dashboard(query)

    service.snapshot(Kind.QUEUE, of_queue)
    service.snapshot(Kind.ROOM, of_room)
    service.serve(queue.DASHBOARD, dashboard)


def _keep_current(service: Service, tables: Tables, handlers: Handlers) -> None:
    """Read the whole log at start; from then on each fact renews its queue's table and its ticket's timer."""
    current = False

    def observe(fact: StoredFact) -> None:
        changed = tables.apply(fact)
        if changed and current:
            key, ticket = changed
            tables.changed(key)
            handlers.watch(key, ticket)

    def begin() -> None:
        nonlocal current
        current = True
        tables.announce()
        for key, ticket in tables.claimed():
            handlers.watch(key, ticket)

    service.follow(observe, start="all")
    service.on_caught_up(begin)
    service.on_reset(tables.clear)
