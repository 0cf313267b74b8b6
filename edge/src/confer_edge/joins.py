"""Joining and leaving audiences: membership, snapshot, and no gap or double between both (design.md, section 4)."""

import asyncio
import itertools
from dataclasses import dataclass
from typing import Any

import orjson

from confer_contracts import presence, subjects
from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.subjects import EVERYBODY, Kind
from confer_edge import packets
from confer_edge.audiences import Audiences
from confer_edge.calls import Calls, as_of, services_with_snapshot
from confer_edge.feed import Feed
from confer_edge.session import Attachment, Gate, Session

RELEASE_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Joined:
    """What a join found; `parts` by service. After the answer is sent, `Joins.complete` lets later facts through."""

    audience: str
    offset: str
    parts: dict[str, dict[str, Any]]
    gate: Gate


class Joins:
    """Memberships of this edge's sessions. `incarnation` is this start of this edge."""

    def __init__(self, audiences: Audiences, feed: Feed, calls: Calls, incarnation: str, rooms_max: int) -> None:
        self._audiences = audiences
        self._feed = feed
        self._calls = calls
        self._incarnation = incarnation
        self._rooms_max = rooms_max
        self._attaches = itertools.count(1)

    def enter(self, session: Session, audience: str) -> None:
        """Membership without a snapshot: a role, everybody, a topic."""
        if not session.closed:
            session.audiences.add(audience)
            self._audiences.add(audience, session)

    async def join(
        self, session: Session, kind: Kind, ident: str, *, step: int | None = None, screening: bool = False
    ) -> Joined:
        """Become a member and fetch the snapshot; facts that arrive meanwhile are held. `ident` is a token."""
        audience = f"{kind}.{ident}"
        if audience not in session.audiences and len(session.audiences) >= self._rooms_max:
            raise Rejection(ErrorCode.LIMIT_EXCEEDED, f"rooms: a client may be in {self._rooms_max} at most")
        gate = session.gates[audience] = Gate()
        self.enter(session, audience)
        offset, seen = self._feed.offset, dict(self._feed.delivered)
        attach = self._attach(session, ident, step, screening) if kind is Kind.ROOM else None
        services = [s for s in services_with_snapshot(kind) if attach is None or s != presence.SERVICE]
        snapshots = [self._calls.snapshot(session, s, kind, ident, seen) for s in services]
        found = await asyncio.gather(*snapshots, *([attach] if attach else []))
        names = [*services, *([presence.SERVICE] if attach else [])]
        return Joined(audience, offset, dict(zip(names, found, strict=True)), gate)

    async def complete(self, session: Session, joined: Joined) -> None:
        """The client has the snapshot: tell it the point, and let through what came after."""
        point = {"room": joined.audience, "offset": joined.offset}
        session.send(packets.event("sync_point", orjson.dumps(point)))
        if not session.release(joined.audience, joined.gate, as_of(joined.parts)):
            await self.resync(session, joined.audience)

    async def leave(self, session: Session, audience: str, grace_s: float = 0) -> None:
        """End the membership; presence hears of it."""
        session.audiences.discard(audience)
        session.gates.pop(audience, None)
        self._audiences.remove(audience, session.sid)
        kind, _, ident = audience.partition(".")
        attachment = session.attachments.pop(ident, None) if kind == Kind.ROOM else None
        if attachment is not None:
            request = presence.Detach(
                room=ident, incarnation=self._incarnation, attach=attachment.attach, grace_s=grace_s
            )
            await self._calls.reply(session, presence.DETACH, request)

    async def leave_all(self, session: Session, grace_s: float) -> None:
        """The session is over. Facts stop at once; then presence is told room by room."""
        for audience in session.audiences:
            self._audiences.remove(audience, session.sid)
        attached = map(subjects.room_audience, session.attachments)  # also where the end came before the join was done
        for audience in {*session.audiences, *attached}:
            await self.leave(session, audience, grace_s)

    async def resync(self, session: Session, audience: str) -> None:
        """The feed has a hole for this member: send a whole snapshot in place of what was missed."""
        kind, _, ident = audience.partition(".")
        services = services_with_snapshot(Kind(kind))
        for _ in range(RELEASE_ATTEMPTS):
            if not services or audience not in session.audiences:
                session.gates.pop(audience, None)
                return
            gate = session.gates[audience] = Gate()
            offset, seen = self._feed.offset, dict(self._feed.delivered)
            found = await asyncio.gather(*(self._calls.snapshot(session, s, Kind(kind), ident, seen) for s in services))
            parts = dict(zip(services, found, strict=True))
            body = {"room": audience, "offset": offset, "snapshot": parts}
            session.send(packets.event("resync", orjson.dumps(body)))
            if session.release(audience, gate, as_of(parts)):
                return
        session.cut("its snapshot could not be fetched as fast as facts came")

    def _attach(self, session: Session, room: str, step: int | None, screening: bool) -> Any:
        """Tell presence. If it is away the attachment still stands here, and the next beat brings it there."""
        before = session.attachments.get(room)
        attachment = Attachment(
            attach=next(self._attaches),
            step=step if step is not None or before is None else before.step,
            screening=screening or (before is not None and before.screening),
        )
        session.attachments[room] = attachment
        request = presence.Attach(
            room=room, incarnation=self._incarnation, attach=attachment.attach, step=attachment.step,
            screening=attachment.screening,
        )  # fmt: skip
        return self._calls.reply(session, presence.ATTACH, request)


def personal_audiences(session: Session) -> list[str]:
    """What a person is in without asking, apart from the own inbox."""
    return [subjects.audience(Kind.ROLE, session.claim.role), EVERYBODY]
