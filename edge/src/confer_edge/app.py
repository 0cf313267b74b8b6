"""The composition root of the edge: everything is wired here, started and drained."""

import secrets
from collections.abc import Callable, Iterable
from typing import Any

import orjson
import socketio
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from confer_contracts.access import STREAM
from confer_contracts.subjects import EVERYBODY, LIVE
from confer_edge import metrics, packets, web
from confer_edge.access import Access, policy_file
from confer_edge.access_feed import AccessFeed
from confer_edge.admin import STATS_S, Admin, password_of
from confer_edge.arrivals import Arrivals
from confer_edge.audiences import Audiences
from confer_edge.authoriser import Authoriser
from confer_edge.beat import Beat
from confer_edge.boards import REFRESH_S, Boards
from confer_edge.bodies import bounded_bodies
from confer_edge.calls import Calls
from confer_edge.census import Users
from confer_edge.departures import Departures
from confer_edge.desk import Desk
from confer_edge.doorway import Doorway
from confer_edge.drain import Drain
from confer_edge.endings import Endings
from confer_edge.expiry import Expiry
from confer_edge.feed import Feed
from confer_edge.flood import Flood
from confer_edge.following import AGAIN_S, Following
from confer_edge.gateway import Gateway
from confer_edge.http_protocol import Open
from confer_edge.joins import Joins
from confer_edge.portal import Portal
from confer_edge.probe import Probe
from confer_edge.recovery import Recovery
from confer_edge.revocations import Revocations
from confer_edge.rights import Rights
from confer_edge.session import Session
from confer_edge.settings import EdgeSettings
from confer_edge.tokens import provider
from confer_edge.transport import Server
from confer_edge.turnstile import Turnstile
from confer_edge.view_feed import ViewFeed
from confer_kit import clock
from confer_kit.audit import Audit
from confer_kit.logs import logger
from confer_kit.nats_link import Link
from confer_kit.process import wait_for_stream
from confer_kit.tasks import Tasks, again
from confer_kit.watched_file import LOOK_S

log = logger(__name__)

SOCKET_IO = "/socket.io/"


class Edge:
    """One edge process. Its incarnation is new with each start: presence tells by it what a dead edge left behind."""

    def __init__(self, link: Link, settings: EdgeSettings, leave: Callable[[], None] = lambda: None) -> None:
        """`leave` is called when an operator asks it to drain."""
        self._link = link
        self._settings = settings
        self._tasks = Tasks()
        self.incarnation = secrets.token_hex(8)
        self.server = Server(settings, settings.allowed_origins(settings.port))
        self.audiences = Audiences(self.server.eio.turn)
        revocations = Revocations(settings.jwt_leeway_s)
        self.said = AccessFeed(link, revocations)
        self.feed = Feed(link, self.audiences, self._resync_everybody, before=self.said.known)
        self.probe = Probe(
            link, self.audiences, self.incarnation, settings.tick_late_s, also=lambda: self.said.complaint
        )
        self.boards = Boards(self.server, link, settings)
        self.views = ViewFeed(link, self.audiences, self.boards, before=self.said.known)
        calls, tasks = Calls(link), Tasks()
        identities = provider(settings)
        recovery = Recovery(link, self.feed, settings.recovery_window_s)
        access = Access(
            policy_file(settings), revocations, Authoriser(link, settings) if settings.access_check else None,
            Audit(link, settings.audit_rate),
        )  # fmt: skip
        self.joins = Joins(
            self.audiences, self.feed, calls, recovery, access,
            turns=Turnstile("joins", settings.joins_at_once), patience_s=settings.join_wait_s,
            incarnation=self.incarnation, rooms_max=settings.rooms_max,
        )  # fmt: skip
        self.rights = Rights(access, self.joins, self._sessions, doubt_s=settings.access_doubt_s)
        endings = Endings(access, self.rights, self._sessions)
        self.said.on_said = endings.hear
        expiry = Expiry()
        users = Users(
            settings.connections_per_user_max,
            Arrivals(settings.connects_per_user_per_s, settings.connects_per_user_burst, settings.connections_max),
        )
        self.following = Following(self.audiences, self.joins, calls, access)
        self.feed.on_follow = self.following.changed
        portal = Portal(
            self.joins, calls, identities, expiry=expiry, access=access, rights=self.rights, users=users,
            following=self.following,
        )  # fmt: skip
        self.doorway = Doorway(
            self.server, settings, identities=identities, joins=self.joins, recovery=recovery,
            departures=Departures(recovery, self.joins, settings, tasks), feed=self.feed, portal=portal,
            expiry=expiry, access=access, rights=self.rights, endings=endings, users=users, tasks=tasks,
        )  # fmt: skip
        self._away = Drain(self.server, self.doorway.sessions, tasks)
        Flood(self.server, settings, self.doorway.sessions, tasks)
        metrics.observe(self.server.eio.sockets, self.doorway.sessions)
        Gateway(self.server, settings, doorway=self.doorway, calls=calls, portal=portal, access=access)
        password = password_of(settings)
        self.admin = password and Admin(self.server, settings, password, lambda: len(self.doorway.sessions))
        self.beat = Beat(link, self.incarnation, self.doorway.sessions.values)
        self.desk = Desk(
            link, self.incarnation, f"{settings.host}:{settings.port}", probe=self.probe, feed=self.feed,
            clients=lambda: len(self.doorway.sessions), leave=leave,
        )  # fmt: skip
        pages = web.application(self.probe, lambda: len(self.doorway.sessions), settings.demo_dir, settings.demo_watch)
        served: Any = self.server if settings.socketio_enabled else None
        application: ASGIApp = socketio.ASGIApp(served, pages) if served else without_socketio(pages)
        self.opens: dict[str, Open] = {SOCKET_IO: self.server.eio.open} if served else {}
        self.application = bounded_bodies(application, settings.payload_bytes_max)

    async def start(self) -> None:
        for stream in (LIVE, STREAM):
            await wait_for_stream(self._link, stream, self._settings)
        self._tasks.start(self.said.run(), "access")
        await self.said.begun(self._settings.nats_connect_s)
        await self.views.start()
        self._tasks.start(self.feed.run(), "feed")
        await self.feed.begun(self._settings.nats_connect_s)
        await self.desk.open()
        self._link.on_reconnect.append(self._beat_now)
        for seconds, work in (
            (self._settings.tick_s, self.probe.tick),
            (self._settings.beat_s, self.beat.send),
            (self._settings.health_check_s, self._health_check),
            (LOOK_S, self.rights.watch_policy),
            (AGAIN_S, self.following.again),
            (REFRESH_S, self.boards.refresh),
        ):
            self._tasks.start(again(seconds, work, at_once=True), work.__qualname__)
        if self._settings.access_check:
            self._tasks.start(again(self._settings.access_cache_s, self.rights.ask_again), "ask again")
        if self.admin:
            self._tasks.start(again(STATS_S, self.admin.send), "admin stats")

    async def drain(self) -> int:
        """Not ready; clients sent away so that they come back elsewhere; calls in flight answered. How many clients
        were still there when the time was over."""
        self.probe.stop()
        await self._away.send_all_away(self._settings.drain_s)
        await self._tasks.cancel()
        return len(self.doorway.sessions)

    def _sessions(self) -> Iterable[Session]:
        return self.doorway.sessions.values()

    def _beat_now(self) -> None:
        self._tasks.start(self.beat.send(), "beat")

    async def _health_check(self) -> None:
        """The portal's event to everybody. With the offset, so that a quiet client's does not fall out of LIVE."""
        body = orjson.dumps({"timestamp": clock.iso(clock.now()), "active_connections": len(self.doorway.sessions)})
        self.audiences.emit(
            EVERYBODY, "health_check", packets.fact("health_check", body, self.feed.offset), origin=None
        )

    def _resync_everybody(self) -> None:
        """LIVE was made anew or trimmed past us: every client gets whole snapshots, in its own order."""
        self.views.forget()
        self.audiences.lose()


def without_socketio(pages: ASGIApp) -> ASGIApp:
    """SOCKETIO_ENABLED=false: Socket.IO's path says so, the rest is served."""
    refusal = PlainTextResponse("Socket.IO is switched off here (SOCKETIO_ENABLED=false).\n", 503)

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        off = scope["type"] == "http" and scope["path"].startswith("/socket.io")
        await (refusal if off else pages)(scope, receive, send)

    return route
