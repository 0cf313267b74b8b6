"""One coroutine per call: model -> command -> the log -> reply."""

from typing import Any

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.ids import patient_room, session_room, untoken
from confer_contracts.message import Ok
from confer_contracts.presence import (
    SERVICE,
    Attach,
    AttachReply,
    CursorPosition,
    Detach,
    DetachRooms,
    EdgeBeat,
    EdgeBeatReply,
    EdgeSessions,
    FieldFocus,
    FieldLockReply,
    LiveTyping,
    LockedField,
    LockField,
    PresenceQuery,
    PresenceReply,
    RoomSnapshotRequest,
    Roster,
    TakeOverLock,
    UserHeartbeat,
)
from confer_contracts.sync import StepChanged
from confer_kit.calls import Context
from confer_kit.facts import StoredFact
from confer_kit.reactions import operation
from confer_kit.service import Service
from presence_svc import views
from presence_svc.codec import person_key
from presence_svc.domain import commands
from presence_svc.domain.lock import Acquire, Release
from presence_svc.edges import Edges
from presence_svc.locks import Locks
from presence_svc.people import People
from presence_svc.showing import Showing
from presence_svc.side_by_side import side_by_side

ROSTER_WAIT_S = 1.0
EVERYTHING = f"log.{SERVICE}.>"


class Handlers:
    """The answer to an attach is presence's part of a join: it holds all that the asking edge can have delivered."""

    def __init__(self, service: Service, people: People, edges: Edges, showing: Showing, locks: Locks) -> None:
        self._service = service
        self._people = people
        self._edges = edges
        self._showing = showing
        self._locks = locks

    async def attach(self, asked: Attach, ctx: Context) -> AttachReply:
        who, room = ctx.identity, _room(asked.room)
        command = commands.Attach(
            session=who.session, incarnation=asked.incarnation, attach=asked.attach, name=who.name, role=who.role,
            now=ctx.now, step=asked.step, screening=asked.screening, taken_up=asked.taken_up,
        )  # fmt: skip
        before = self._service.position
        seq = await self._change(room, command, ctx)
        if seq <= before:  # nothing was appended: the edge may have delivered more than what we are sure to know
            seq = await self._last_seq()
        if not await self._service.reached(seq, ROSTER_WAIT_S):  # half a roster would look like people who left
            raise Rejection(ErrorCode.UNAVAILABLE, "presence is behind its log: try again")
        return AttachReply(**self._page(room) | {"op": ctx.op, "as_of": self._service.position})

    async def detach(self, asked: Detach, ctx: Context) -> Ok:
        command = commands.Detach(
            session=ctx.identity.session, incarnation=asked.incarnation, attach=asked.attach, now=ctx.now,
            grace_s=asked.grace_s,
        )  # fmt: skip
        await self._change(_room(asked.room), command, ctx)
        return Ok(op=ctx.op)

    async def detach_rooms(self, asked: DetachRooms, ctx: Context) -> Ok:
        """What is refused is left to the edge's next list."""
        await side_by_side(
            self.detach(Detach(**left.model_dump(), incarnation=asked.incarnation, grace_s=asked.grace_s), ctx)
            for left in asked.rooms
        )
        return Ok(op=ctx.op)

    async def edge_beat(self, asked: EdgeBeat, ctx: Context) -> EdgeBeatReply:
        return EdgeBeatReply(op=ctx.op, known=await self._edges.beat(asked.incarnation, asked.digest, ctx.deadline))

    async def edge_sessions(self, asked: EdgeSessions, ctx: Context) -> Ok:
        for entry in asked.entries:
            _room(entry.room)
        await self._edges.reconcile(asked)
        return Ok(op=ctx.op)

    async def user_heartbeat(self, asked: UserHeartbeat, ctx: Context) -> Ok:
        """The roster is shown at each heartbeat, as the portal expects, but in large rooms; a fact is made only where
        something is new."""
        session = ctx.identity.session
        command = commands.Heartbeat(now=ctx.now, step=asked.step, session=session, device=asked.device)
        for room in asked.rooms:
            key = person_key(_room(room), ctx.identity.user_id)
            if self._people.index.get(key) is None:
                continue
            await self._people.noticed(key, command, deadline=ctx.deadline, op=ctx.op, origin=session)
            await self._locks.used(room, ctx.identity.user_id, ctx.now)
            self._showing.again(room)
        return Ok(op=ctx.op)

    async def presence_get(self, asked: PresenceQuery, ctx: Context) -> PresenceReply:
        room = patient_room(asked.patient_id)
        return self._showing.described(room, asked.after, asked.limit).model_copy(update={"op": ctx.op})

    async def field_focus(self, asked: FieldFocus, ctx: Context) -> Ok:
        command = commands.Focus(name=asked.field, session=ctx.identity.session, op=ctx.op, now=ctx.now)
        room = patient_room(asked.patient_id)
        await self._change(room, command, ctx)
        await self._locks.used(room, ctx.identity.user_id, ctx.now)
        return Ok(op=ctx.op)

    async def field_lock(self, asked: LockField, ctx: Context) -> FieldLockReply:
        return await self._lock(asked, ctx, seen=None)

    async def field_lock_takeover(self, asked: TakeOverLock, ctx: Context) -> FieldLockReply:
        return await self._lock(asked, ctx, seen=asked.token)

    async def field_unlock(self, asked: LockedField, ctx: Context) -> Ok:
        command = Release(user=ctx.identity.user_id, op=ctx.op, now=ctx.now)
        room, session = patient_room(asked.patient_id), ctx.identity.session
        await self._locks.release(room, asked.field, command, deadline=ctx.deadline, origin=session)
        return Ok(op=ctx.op)

    async def live_typing(self, asked: LiveTyping, ctx: Context) -> Ok:
        body = views.typing(asked, ctx.identity, ctx.now)
        room = session_room(asked.session_id)
        await self._service.views.publish(views.TYPING, room, body, origin=ctx.identity.session)
        await self._active(room, ctx)
        return Ok(op=ctx.op)

    async def cursor_position(self, asked: CursorPosition, ctx: Context) -> Ok:
        body = views.cursor(asked, ctx.identity, ctx.now)
        room = session_room(asked.session_id)
        await self._service.views.publish(views.CURSOR, room, body, origin=ctx.identity.session)
        await self._active(room, ctx)
        return Ok(op=ctx.op)

    async def snapshot(self, asked: RoomSnapshotRequest) -> Roster:
        as_of = {self._service.stream: self._service.position}
        return Roster(**self._page(asked.id, asked.after) | {"as_of": as_of})

    async def worked(self, fact: StoredFact) -> None:
        """Sync says that a person moved on, or wrote in the record."""
        if fact.actor is None:
            return
        key, op, origin = person_key(fact.subject.ident, fact.actor), operation("SYNC", fact), fact.origin
        if fact.event == "step_changed":
            moved = StepChanged.model_validate_json(fact.body)
            await self._people.change(key, commands.MoveStep(step=moved.step, at=fact.at), op=op, origin=origin)
        elif fact.event is not None and origin is not None:
            edit = commands.Edit(session=origin, at=fact.at, fields=_fields(fact))
            await self._people.noticed(key, edit, op=op, origin=origin)
            await self._locks.used(fact.subject.ident, fact.actor, fact.at)

    async def _active(self, room: str, ctx: Context) -> None:
        session = ctx.identity.session
        edit = commands.Edit(session=session, at=ctx.now)
        await self._people.noticed(person_key(room, ctx.identity.user_id), edit, op=ctx.op, origin=session)

    async def _change(self, room: str, command: commands.Command, ctx: Context) -> int:
        key = person_key(room, ctx.identity.user_id)
        return await self._people.change(key, command, deadline=ctx.deadline, op=ctx.op, origin=ctx.identity.session)

    async def _lock(self, asked: LockField, ctx: Context, seen: int | None) -> FieldLockReply:
        lasts_s = self._locks.lasts_s(asked.lasts_s)
        command = Acquire(user=ctx.identity.user_id, op=ctx.op, now=ctx.now, lasts_s=lasts_s, seen=seen)
        room, session = patient_room(asked.patient_id), ctx.identity.session
        lock = await self._locks.acquire(room, asked.field, command, deadline=ctx.deadline, origin=session)
        return FieldLockReply(op=ctx.op, lock=lock)

    def _page(self, room: str, after: str | None = None) -> dict[str, Any]:
        """With the room's locks, on the first page."""
        return self._showing.page(room, after).model_dump() | {"locks": [] if after else self._locks.shown(room)}

    async def _last_seq(self) -> int:
        last = await self._service.log.last(EVERYTHING)
        return last.seq if last else 0


def _room(name: str) -> str:
    """A room's token, as edges send it; anything else must not become a subject."""
    try:
        untoken(name)
    except ValueError:
        raise Rejection(ErrorCode.INVALID, "room: must be a subject token", field="room") from None
    return name


def _fields(fact: StoredFact) -> frozenset[str]:
    """Which fields were written: of one change, or of several in one commit."""
    told = fact.json()
    return frozenset(change["field"] for change in told.get("changes", [told]) if "field" in change)
