"""What the edge answers itself: joins, leaves, who somebody is, and the first portal's habits (portal-contract.md)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from confer_contracts import queue
from confer_contracts.access import JOIN
from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.ids import check_id, free_room, patient_room, session_room, token
from confer_contracts.portal import (
    DASHBOARDS,
    EDGE_EVENTS,
    SCREENING_PREFIX,
    SESSION_PREFIX,
    Authenticate,
    JoinScreening,
    NamedRoom,
    PatientRoom,
    QueueOpen,
    Subscribe,
)
from confer_contracts.subjects import Kind, audience, room_audience
from confer_edge import metrics
from confer_edge.access import Access
from confer_edge.calls import Calls
from confer_edge.census import Users
from confer_edge.expiry import Expiry
from confer_edge.following import Following
from confer_edge.identity import Claim, Identities
from confer_edge.joins import DEFAULT_QUEUE, Joined, Joins, must_be_in
from confer_edge.personal import Personal
from confer_edge.respond import Responder
from confer_edge.rights import Rights
from confer_edge.session import Session
from confer_edge.welcomes import Form
from confer_kit import clock
from confer_kit.logs import logger
from confer_kit.tasks import Tasks

log = logger(__name__)

ROLE_PREFIX = "role_"
Run = Callable[[Session, Any, Responder], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Handler:
    request: type[BaseModel] | None
    run: Run


class Portal:
    """Handlers of the catalogue's edge events, by name."""

    def __init__(
        self, joins: Joins, calls: Calls, identities: Identities, *, expiry: Expiry, access: Access, rights: Rights,
        users: Users, following: Following,
    ) -> None:  # fmt: skip
        self._joins = joins
        self._personal = Personal(joins, calls, access, following)
        self._identities = identities
        self._expiry = expiry
        self._access = access
        self._rights = rights
        self._users = users
        self._tasks = Tasks()
        runs: dict[str, Run] = {
            "join_patient_room": self._join_patient_room,
            "leave_patient_room": self._leave_patient_room,
            "join_screening": self._join_screening,
            "leave_screening": self._leave_patient_room,
            "join_room": self._join_room,
            "leave_room": self._leave_room,
            "queue_open": self._queue_open,
            "queue_close": self._queue_close,
            "subscribe_to_updates": self._subscribe,
            "authenticate": self._authenticate,
            "ping": self._ping,
            "connection_established": self._swallow,
        }
        self.handlers = {e.event: Handler(e.request, runs[e.event]) for e in EDGE_EVENTS}

    # --- a session's beginning and end ------------------------------------------------------------------

    @staticmethod
    def greet(session: Session) -> None:
        """The portal's greetings, which leave with the answer to CONNECT."""
        respond = Responder(session, "connect", None)
        now = clock.iso(clock.now())
        who = session.claim
        user = {"user_id": who.user_id, "name": who.name, "role": who.role, "permissions": []}
        respond.emit("system_status", {"status": "online", "timestamp": now, "user_info": user})
        respond.emit("joined_room", {"room": f"{ROLE_PREFIX}{who.role}"})
        respond.emit("system_message", {"message": f"Connected as {who.name}", "timestamp": now})

    async def welcome(self, session: Session, form: Form | None) -> None:
        """The person's own audiences, and the form that is open."""
        await self._personal.enter(session)
        if form and session.bound:
            try:
                room = patient_room(check_id(form.patient_id, "patient_id"))
                await self._enter_screening(session, room, form.step, Responder(session, "connect", None))
            except Rejection as refusal:
                Responder(session, "connect", None).refuse(refusal)
        if session.claim.role in DASHBOARDS:
            self._tasks.start(self._personal.dashboard(session), "dashboard")

    # --- who somebody is ------------------------------------------------------------------------------

    async def _bind(self, session: Session, claim: Claim) -> None:
        """The first claim names the session for its life; a different later one is ignored and counted."""
        if session.bound:
            if claim != session.claim:
                metrics.CLAIMS.labels("ignored").inc()
            return
        if session.closed:
            return
        self._access.must_count(claim)
        self._users.arrives(claim.user_id)
        self._users.must_admit(session.sid, claim.user_id)
        self._users.enter(session.sid, claim.user_id)
        for own in tuple(session.memberships):
            await self._joins.leave(session, own)
        session.claim = claim
        session.bound = True
        await self._personal.enter(session)

    async def _renew(self, session: Session, claim: Claim) -> None:
        """A newer token of the same person: it lasts longer, and its rights count from now on."""
        if session.closed:
            return
        metrics.CLAIMS.labels("renewed").inc()
        before, session.claim = session.claim, claim
        self._expiry.watch(session)
        if claim.role != before.role:
            await self._joins.leave(session, audience(Kind.ROLE, before.role))
            await self._personal.enter_role(session)
        await self._rights.review(session)

    async def _authenticate(self, session: Session, request: Authenticate, respond: Responder) -> None:
        if not self._identities.trusting:
            if request.token is None:
                raise Rejection(ErrorCode.UNAUTHENTICATED, "token: must be given", field="token")
            claim = await self._identities.verify(request.token)
            self._access.must_count(claim)
            if claim.user_id != session.claim.user_id:
                raise Rejection(ErrorCode.FORBIDDEN, "token: belongs to another user than this session", field="token")
            await self._renew(session, claim)
        elif request.user_id is not None:
            await self._bind(session, Claim.of(request.user_id, None, request.role))
        who = session.claim
        body = {"user_id": who.user_id, "role": who.role, "timestamp": clock.iso(clock.now())}
        respond.emit("authentication_success", body)
        respond.ok(**body)

    # --- rooms ----------------------------------------------------------------------------------------

    async def _join_patient_room(self, session: Session, request: PatientRoom, respond: Responder) -> None:
        session.bound = True
        joined = await self._joins.join(session, Kind.ROOM, patient_room(request.patient_id), step=request.step)
        parts = {service: _shown(part) for service, part in joined.parts.items()}
        respond.ok(room=joined.audience, patient_id=request.patient_id, offset=joined.offset, **parts)
        await self._joins.complete(session, joined)

    async def _leave_patient_room(self, session: Session, request: PatientRoom, respond: Responder) -> None:
        room = patient_room(request.patient_id)
        left = session.attachments.get(room)
        await self._joins.leave(session, room_audience(room))
        # the queue came with the screening; who opened it by `queue_open` closes it by `queue_close`
        if left is not None and left.screening and not any(a.screening for a in session.attachments.values()):
            await self._joins.leave(session, audience(Kind.QUEUE, queue.DEFAULT_QUEUE))
        respond.ok(room=room_audience(room), patient_id=request.patient_id)

    async def _join_screening(self, session: Session, request: JoinScreening, respond: Responder) -> None:
        """Idempotent: the query has mostly brought the form here already."""
        user = request.user
        if self._identities.trusting and user.user_id is not None:
            await self._bind(session, Claim.of(user.user_id, user.name, user.role))
        session.bound = True
        await self._enter_screening(session, patient_room(request.patient_id), user.step, respond)
        respond.ok(room=f"{SCREENING_PREFIX}{request.patient_id}", patient_id=request.patient_id)

    async def _enter_screening(self, session: Session, room: str, step: int | None, respond: Responder) -> None:
        """The form keeps the queue and listens to `user_joined` alone, so it gets one per person who is there."""
        who, sid = session.claim, session.sid
        await self._access.must(who, sid, JOIN, room_audience(room))  # before the queue is joined beside it
        joins = [self._joins.join(session, Kind.ROOM, room, step=step, screening=True)]
        if await self._access.may(who, sid, JOIN, DEFAULT_QUEUE):
            joins.append(self._joins.join(session, Kind.QUEUE, token(queue.DEFAULT_QUEUE)))
        all_joined = await asyncio.gather(*joins)
        for joined in all_joined:
            must_be_in(session, joined.audience)
        in_room, *in_queue = all_joined
        users = in_room.parts["presence"].get("users")
        for user in users or ():
            if user["user_id"] != session.claim.user_id:
                respond.emit("user_joined", user)
        shown = {
            "active_users_updated": users,
            "queue_updated": in_queue[0].parts["queue"].get("rows") if in_queue else None,
            "step_status_updated": in_room.parts["sync"].get("steps"),
        }
        for event, body in shown.items():
            if body is not None:
                respond.emit(event, body)
        for joined in all_joined:
            await self._joins.complete(session, joined)

    async def _join_room(self, session: Session, request: NamedRoom, respond: Responder) -> None:
        session.bound = True
        if request.room.startswith(ROLE_PREFIX):
            if request.room != f"{ROLE_PREFIX}{session.claim.role}":
                raise Rejection(ErrorCode.FORBIDDEN, "room: is of a role that you do not have", field="room")
            await self._access.must(session.claim, session.sid, JOIN, audience(Kind.ROLE, session.claim.role))
            joined: Joined | None = None
        else:
            joined = await self._joins.join(session, Kind.ROOM, named_room(request.room))
        body = {"room": request.room, "message": f"Joined room {request.room}"}
        respond.emit("room_joined", body)
        if joined is None:
            respond.ok(**body)
            return
        respond.ok(**body, offset=joined.offset, **{s: _shown(part) for s, part in joined.parts.items()})
        await self._joins.complete(session, joined)

    async def _leave_room(self, session: Session, request: NamedRoom, respond: Responder) -> None:
        if not request.room.startswith(ROLE_PREFIX):
            await self._joins.leave(session, room_audience(named_room(request.room)))
        body = {"room": request.room, "message": f"Left room {request.room}"}
        respond.emit("room_left", body)
        respond.ok(**body)

    # --- queues and topics ----------------------------------------------------------------------------

    async def _queue_open(self, session: Session, request: QueueOpen, respond: Responder) -> None:
        joined = await self._joins.join(session, Kind.QUEUE, token(request.queue))
        part = joined.parts[queue.SERVICE]
        if part.get("status") != "ok":
            await self._joins.abandon(session, joined)
            raise Rejection(ErrorCode.UNAVAILABLE, "the queue service is away: try again")
        respond.ok(queue=request.queue, offset=joined.offset, rows=part.get("rows", []))
        respond.emit("queue_updated", part.get("rows", []))
        await self._joins.complete(session, joined)

    async def _queue_close(self, session: Session, request: QueueOpen, respond: Responder) -> None:
        await self._joins.leave(session, audience(Kind.QUEUE, request.queue))
        respond.ok(queue=request.queue)

    async def _subscribe(self, session: Session, request: Subscribe, respond: Responder) -> None:
        topic = audience(Kind.TOPIC, request.type)
        await self._access.must(session.claim, session.sid, JOIN, topic)
        await self._joins.follow(session, topic)
        body = {
            "type": request.type,
            "room": f"updates_{request.type}_{session.sid}",
            "filters": request.filters if request.filters is not None else {},
        }
        respond.emit("subscription_confirmed", body)
        respond.ok(**body)

    # --- the rest -------------------------------------------------------------------------------------

    async def _ping(self, session: Session, request: None, respond: Responder) -> None:
        respond.emit_bare("pong")
        respond.ok()

    async def _swallow(self, session: Session, request: None, respond: Responder) -> None:
        respond.ok()


def named_room(name: str) -> str:
    """The room token behind a portal's room name. Rejection(invalid) naming `room` for a hostile id in it."""
    if name.startswith(SESSION_PREFIX):
        return session_room(check_id(name.removeprefix(SESSION_PREFIX), "room"))
    if name.startswith(SCREENING_PREFIX):
        return patient_room(check_id(name.removeprefix(SCREENING_PREFIX), "room"))
    return free_room(check_id(name, "room"))


def _shown(part: dict[str, Any]) -> dict[str, Any]:
    """A snapshot part as a client gets it: without our bookkeeping."""
    return {k: v for k, v in part.items() if k not in ("as_of", "op")}
