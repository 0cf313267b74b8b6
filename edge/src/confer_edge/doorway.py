"""Coming and going: who is let in, who takes an earlier session up again, who leaves, and why."""

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl

from confer_edge import metrics
from confer_edge.access import Access, still_allowed
from confer_edge.census import Users
from confer_edge.departures import Departures
from confer_edge.endings import Endings
from confer_edge.engine_socket import Socket, from_python
from confer_edge.expiry import Expiry
from confer_edge.feed import Feed, Missed
from confer_edge.identity import Claim, Identities, guest
from confer_edge.joins import Joins, tell_ended
from confer_edge.lane import Lane
from confer_edge.losses import Loss
from confer_edge.mending import Mending
from confer_edge.outlet import PACKETS_PER_WRITE
from confer_edge.packets import GOODBYE
from confer_edge.portal import Portal
from confer_edge.recovery import Found, Recovery, new_pid, pid_in, restore
from confer_edge.rights import Rights
from confer_edge.session import Session, Shared
from confer_edge.settings import EdgeSettings
from confer_edge.tracing import connecting, in_auth
from confer_edge.transport import Connected, Server
from confer_edge.turnstile import Turnstile
from confer_edge.welcomes import Form, Welcomes, form_in
from confer_kit import clock
from confer_kit.event_log import Unavailable
from confer_kit.logs import logger
from confer_kit.tasks import Tasks

log = logger(__name__)

_NEW: Final = metrics.CONNECTS.labels("new")
HANGS_UP_S = 2.0  # how long a client that was shown out may take to close the connection
TAKE_UP_ATTEMPTS = 3  # the end of the earlier connection may be noted at this very moment
_MISSED = "missed"  # what holds a session's facts while those before them are read


class Doorway:
    """All sessions of this edge, by sid."""

    def __init__(
        self, server: Server, settings: EdgeSettings, *, identities: Identities, joins: Joins,
        recovery: Recovery, departures: Departures, feed: Feed, portal: Portal, expiry: Expiry, access: Access,
        rights: Rights, endings: Endings, users: Users, tasks: Tasks,
    ) -> None:  # fmt: skip
        self._server = server
        self._settings = settings
        self._identities = identities
        self._joins = joins
        self._recovery = recovery
        self._departures = departures
        self._feed = feed
        self._portal = portal
        self._expiry = expiry
        self._access = access
        self._rights = rights
        self._users = users
        self._endings = endings
        self._turns = Turnstile("connects", settings.joins_at_once)
        self._tasks = tasks
        self._mending = Mending(joins)
        self._welcomes = Welcomes(self._welcome, settings.joins_at_once)
        self._shared = Shared(feed.delivered_of, settings.join_buffer_max, settings.unsent_bytes_max, self._lost)
        self.sessions: dict[str, Session] = {}
        server.on_connect = self._connect
        server.on_closed = self._closed
        expiry.end = endings.end = self.show_out

    def show_out(self, session: Session) -> None:
        """End a session whose identity has ended. Nothing reaches it any more; the stock client does not come back by
        itself after this, and closes the connection."""
        log.info("a session was ended", reason=session.over or "its token has ended")
        session.write(GOODBYE)
        session.mute()
        self._joins.silence(session)
        self._closed(session.sid, session.eio_sid, self._server.reason.SERVER_DISCONNECT)
        self._tasks.start(self._hang_up(session.eio_sid), "hang up")

    async def _hang_up(self, eio_sid: str) -> None:
        """When the client has done so itself, or has had the time."""
        await asyncio.sleep(HANGS_UP_S)
        socket = self._server.eio.sockets.get(eio_sid)
        if socket is not None:
            self._server.eio.end(socket, self._server.reason.SERVER_DISCONNECT)

    def _connect(self, eio_sid: str, auth: Any) -> Connected | Awaitable[Connected]:
        """The sid and pid of a client's session, and what to do when the client has been told them: at once where
        nobody has to be asked and nobody waits.

        A Rejection for a client without the identity that the mode asks for. Raises Unavailable.
        """
        socket = self._server.eio.sockets[eio_sid]
        query = dict(parse_qsl(socket.query))
        if not self._identities.trusting or pid_in(auth) or self._turns.crowded:
            return self._connect_in_turn(socket, query, auth)
        heard, claim = self._access.heard, self._identities.on_connect(query, auth)
        assert not isinstance(claim, Awaitable), "whoever is trusted need not be asked"
        self._check(claim)
        return self._begun(socket, query, auth, claim, heard)

    async def _connect_in_turn(self, socket: Socket, query: dict[str, str], auth: Any) -> Connected:
        async with self._turns.turn(self._settings.handshake_s):
            heard, who = self._access.heard, self._identities.on_connect(query, auth)
            claim = await who if isinstance(who, Awaitable) else who
            self._check(claim)
            taken_up = await self._taken_up(socket, auth, claim, heard)
            return taken_up or self._begun(socket, query, auth, claim, heard)

    def _check(self, claim: Claim | None) -> None:
        if claim is not None:
            self._access.must_count(claim)
            self._users.arrives(claim.user_id)

    def _begun(self, socket: Socket, query: dict[str, str], auth: Any, claim: Claim | None, heard: int) -> Connected:
        """A new session."""
        pid = new_pid() if self._recoverable(socket.query, query) else None
        sid, who = self._server.eio.generate_id(), claim or guest()
        self._users.must_admit(sid, who.user_id)
        session = self._session(sid, socket, who, bound=claim is not None, pid=pid, heard=heard)
        session.traceparent = in_auth(auth)
        return session.sid, pid, lambda: self._opened(session, query)

    async def _taken_up(self, socket: Socket, auth: Any, claim: Claim | None, heard: int) -> Connected | None:
        """The session that the client names; None: it begins a new one. Raises Unavailable."""
        for _ in range(TAKE_UP_ATTEMPTS):
            found = await self._recovery.find(auth, claim)
            if found is None:
                return None
            if not await still_allowed(self._access, claim, found.record):
                metrics.RECOVERIES.labels("rights").inc()
                return None
            stored = found.record
            self._users.must_admit(stored.sid, (claim or stored.claim).user_id)
            session = self._session(
                stored.sid,
                socket,
                claim or stored.claim,
                bound=stored.bound or claim is not None,
                pid=found.pid,
                heard=heard,
            )
            session.traceparent = in_auth(auth)
            restore(session, found)
            if await self._recovery.take_over(session, found):
                missed = await self._missed(session, found)
                if missed is None:
                    metrics.RECOVERIES.labels("lost").inc()
                    return None
                return session.sid, session.pid, partial(self._resumed, session, found, missed)
        raise Unavailable("the session is being changed by its earlier connection")

    def _recoverable(self, text: str, query: dict[str, str]) -> bool:
        """Whether the client understands offsets, and may."""
        return self._settings.recovery_window_s > 0 and query.get("recovery") != "0" and not from_python(text)

    def _session(self, sid: str, socket: Socket, claim: Any, *, bound: bool, pid: str | None, heard: int) -> Session:
        session = Session(
            sid,
            socket,
            claim,
            self._shared,
            bound=bound,
            lane=Lane(self._tasks, self._settings.pending_calls_max, socket),
            epoch=self._feed.epoch,
            since=self._feed.position,
            pid=pid,
            began=clock.now(),
            heard=heard,
        )
        socket.out.give_to(session)
        return session

    async def _missed(self, session: Session, found: Found) -> list[Missed] | None:
        """Member of everything again, with what comes now held back; and what was missed until now. None: that
        cannot be known, or the log was reset or too much came meanwhile."""
        if session.epoch != self._feed.epoch:
            return None
        session.hold(_MISSED)
        upto = self._feed.position
        self._joins.enter_again(session)
        missed: list[Missed] | None = None
        try:
            missed = await self._recovery.missed(session, found, upto)
        finally:
            if not session.whole or self._is_gone(session):
                missed = None
            if missed is None:
                self._joins.silence(session)
        return missed

    def _is_gone(self, session: Session) -> bool:
        socket = self._server.eio.sockets.get(session.eio_sid)
        return socket is None or socket.closed

    def _opened(self, session: Session, query: dict[str, str]) -> None:
        _NEW.inc()
        self._let_in(session)
        if self._endings.is_over(session):
            return
        self._expiry.watch(session)
        self._portal.greet(session)
        self._welcomes.add(session, form_in(query))

    async def _welcome(self, session: Session, form: Form | None) -> None:
        await connecting(session, "connect", lambda: self._portal.welcome(session, form))()

    def _resumed(self, session: Session, found: Found, missed: list[Missed]) -> None:
        """In place of its earlier connection, should this edge still have that."""
        metrics.CONNECTS.labels("recovered").inc()
        metrics.RECOVERIES.labels("recovered").inc()
        metrics.REPLAYED.inc(len(missed))
        earlier = self.sessions.get(session.sid)
        if earlier is not None:
            metrics.DISCONNECTS.labels("superseded").inc()
            earlier.closed = True
            self._expiry.forget(earlier)
            earlier.cut("its client is back with another connection")
        self._let_in(session)
        if self._endings.is_over(session):
            return
        if any(self._rights.refusal(session, audience) for audience in session.memberships):
            self._joins.silence(session)
            session.cut("a right of it has ended while it was taken up")
            return
        self._expiry.watch(session)
        tell_ended(session, session.ended)  # it may have been lost with the earlier connection
        attachments = found.record.attachments
        session.lane.submit(lambda: self._replay(session, missed), unbounded=True)
        resume = connecting(session, "resume", lambda: self._joins.resume(session, attachments))
        session.lane.submit(resume, unbounded=True)

    def _let_in(self, session: Session) -> None:
        self.sessions[session.sid] = session
        self._users.enter(session.sid, session.claim.user_id)

    @staticmethod
    async def _replay(session: Session, missed: list[Missed]) -> None:
        """No faster than it is read: it may be much. Then what came meanwhile."""
        try:
            for number, (audience, event) in enumerate(missed, 1):
                if not session.whole:
                    return
                if audience in session.memberships:
                    session.send(event)
                if number % PACKETS_PER_WRITE == 0 and not await session.taken():
                    return
        finally:
            session.release(_MISSED, {})

    def _lost(self, session: Session, why: Loss) -> None:
        """It missed something for good. While it is being taken up it begins anew instead."""
        if self.sessions.get(session.sid) is session:
            self._mending.lost(session, why)

    def _closed(self, sid: str, eio_sid: str, reason: str) -> None:
        session = self.sessions.get(sid)
        if session is None or session.eio_sid != eio_sid:
            return  # of a connection whose session went on with another one
        del self.sessions[sid]
        self._users.leave(sid)
        metrics.DISCONNECTS.labels(session.over or reason.replace(" ", "_")).inc()
        self._expiry.forget(session)
        session.closed = True
        own = session.over is not None or reason == self._server.reason.CLIENT_DISCONNECT
        self._departures.see_off(session, own=own)
