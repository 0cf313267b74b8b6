"""The composition root: everything is wired here."""

from confer_contracts import presence
from confer_contracts.reactions import PRESENCE_ON_SYNC
from confer_contracts.subjects import Kind
from confer_kit.facts import StoredFact
from confer_kit.service import Service
from presence_svc import metrics
from presence_svc.edges import Edges
from presence_svc.handlers import EVERYTHING, Handlers
from presence_svc.hearing import CHECK_S, Hearing
from presence_svc.index import Index
from presence_svc.locks import Locks
from presence_svc.people import People
from presence_svc.settings import Settings
from presence_svc.showing import Showing

QUIET_SHARE = 0.75  # of the lease: by then every replica has heard of an edge that beats


def build(service: Service, settings: Settings) -> None:
    lease_s = settings.presence_lease_s
    hearing = Hearing(service.log, EVERYTHING, quiet_s=QUIET_SHARE * lease_s, settle_s=settings.presence_settle_s)
    index = Index()
    showing = Showing(service, index, hearing, settings.presence_page)
    people = People(service, settings, hearing, index, showing)
    edges = Edges(service, settings, hearing, people)
    locks = Locks(service, settings, hearing, index)
    handlers = Handlers(service, people, edges, showing, locks)
    metrics.PEOPLE.set_function(index.people)
    metrics.ROOMS.set_function(lambda: len(index.rooms()))
    metrics.SESSIONS.set_function(lambda: sum(len(index.sessions(edge)) for edge in index.edges()))
    metrics.EDGES.set_function(lambda: len(index.edges()))
    metrics.ANSWERING.set_function(edges.answering)
    metrics.SILENCE.set_function(edges.silence_s)
    metrics.LOCKS.set_function(locks.held)

    service.serve(presence.ATTACH, handlers.attach)
    service.serve(presence.DETACH, handlers.detach)
    service.serve(presence.DETACH_ROOMS, handlers.detach_rooms)
    service.serve(presence.EDGE_BEAT, handlers.edge_beat)
    service.serve(presence.EDGE_SESSIONS, handlers.edge_sessions)
    service.serve(presence.USER_HEARTBEAT, handlers.user_heartbeat)
    service.serve(presence.FIELD_FOCUS, handlers.field_focus)
    service.serve(presence.PRESENCE_GET, handlers.presence_get)
    service.serve(presence.FIELD_LOCK, handlers.field_lock)
    service.serve(presence.FIELD_UNLOCK, handlers.field_unlock)
    service.serve(presence.FIELD_LOCK_TAKEOVER, handlers.field_lock_takeover)
    service.serve(presence.LIVE_TYPING, handlers.live_typing)
    service.serve(presence.CURSOR_POSITION, handlers.cursor_position)
    service.snapshot(Kind.ROOM, handlers.snapshot)
    service.react(PRESENCE_ON_SYNC.stream, PRESENCE_ON_SYNC.subjects, handlers.worked)

    def observe(fact: StoredFact) -> None:
        people.observe(fact)
        edges.observe(fact)
        locks.observe(fact)

    def begin_anew() -> None:
        showing.clear()
        people.clear()
        edges.clear()
        locks.clear()
        hearing.lost()

    service.follow(observe, start="last_per_subject")
    service.on_reset(begin_anew)
    service.on_caught_up(hearing.interrupted)
    service.link.on_disconnect.append(hearing.interrupted)
    service.link.on_reconnect.append(hearing.interrupted)
    service.every(CHECK_S, edges.ask)
    service.every(CHECK_S, edges.sweep)
    service.every(CHECK_S, showing.look)
    service.every(CHECK_S, locks.sweep)
