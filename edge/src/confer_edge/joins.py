"""Joining and leaving audiences: membership, snapshot, and no gap or double between both (ARCHITECTURE.md)."""

import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from confer_contracts import presence, queue, subjects
from confer_contracts.access import JOIN
from confer_contracts.catalogue import VIEWS
from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.portal import portal_name, shown_name
from confer_contracts.route import View
from confer_contracts.subjects import Kind, room_audience
from confer_edge import metrics, packets
from confer_edge.access import Access
from confer_edge.audiences import Audiences
from confer_edge.calls import FORBIDDEN, UNAVAILABLE, Calls, as_of, services_with_snapshot
from confer_edge.feed import Feed
from confer_edge.packets import Event
from confer_edge.recovery import Recovery, StoredAttachment
from confer_edge.session import Attachment, Membership, Session
from confer_edge.turnstile import Turnstile
from confer_kit import telemetry
from confer_kit.tasks import together

DEFAULT_QUEUE = subjects.audience(Kind.QUEUE, queue.DEFAULT_QUEUE)


@dataclass(frozen=True, slots=True)
class Joined:
    """What a join found; `parts` by service. After the answer is sent, `Joins.complete` lets later facts through."""

    audience: str
    offset: str
    parts: dict[str, dict[str, Any]]


class Joins:
    """Memberships of this edge's sessions. `incarnation` is this start of this edge."""

    def __init__(
        self, audiences: Audiences, feed: Feed, calls: Calls, recovery: Recovery, access: Access, *,
        turns: Turnstile, patience_s: float, incarnation: str, rooms_max: int,
    ) -> None:  # fmt: skip
        self._audiences = audiences
        self._feed = feed
        self._calls = calls
        self._recovery = recovery
        self._access = access
        self._turns = turns
        self._patience_s = patience_s
        self._incarnation = incarnation
        self._rooms_max = rooms_max
        self._attaches = itertools.count(1)
        self._here = Membership()  # of all who enter something at one position of the feed
        self.on_own: Callable[[Session, Mapping[str, Any]], Awaitable[None]] = _nobody  # who hears own snapshots

    def enter(self, session: Session, audience: str) -> None:
        """Membership without a snapshot: a role, everybody, a topic."""
        if not session.closed:
            if audience in session.ended:
                session.ended = {ended: why for ended, why in session.ended.items() if ended != audience}
            if self._here.since != self._feed.position:
                self._here = Membership(since=self._feed.position)
            session.memberships.setdefault(audience, self._here)
            self._audiences.add(audience, session)

    async def follow(self, session: Session, audience: str) -> None:
        """`enter`, for a client that is told: whoever takes the session up is in it too."""
        self.enter(session, audience)
        await self.save(session)

    async def save(self, session: Session) -> None:
        """Whoever takes the session up is in what it is in now."""
        await self._recovery.save(session)

    async def join(
        self, session: Session, kind: Kind, ident: str, *, step: int | None = None, screening: bool = False
    ) -> Joined:
        """Become a member and fetch the snapshot; facts that arrive meanwhile are held. `ident` is a token.

        Rejection(forbidden) without the right to it, also when that ends meanwhile; Rejection(unavailable) when too
        many join at once."""
        async with self._turns.turn(self._patience_s):
            return await self._join(session, kind, ident, step, screening)

    async def _join(self, session: Session, kind: Kind, ident: str, step: int | None, screening: bool) -> Joined:
        audience = f"{kind}.{ident}"
        telemetry.note_audience(audience)
        await self._access.must(session.claim, session.sid, JOIN, audience)
        if audience not in session.memberships and len(session.memberships.keys() - session.follows) >= self._rooms_max:
            metrics.LIMITS.labels("rooms_max").inc()
            raise Rejection(ErrorCode.LIMIT_EXCEEDED, f"rooms: a client may be in {self._rooms_max} at most")
        first = audience not in session.memberships
        session.hold(audience)
        self.enter(session, audience)
        offset, seen = self._feed.offset, dict(self._feed.delivered)
        attach = self._attach(session, ident, step, screening) if kind is Kind.ROOM else None
        services = [s for s in services_with_snapshot(kind) if attach is None or s != presence.SERVICE]
        snapshots = [self._snapshot(session, s, kind, ident, seen) for s in services]
        found = await together(*snapshots, *([attach] if attach else []))
        names = [*services, *([presence.SERVICE] if attach else [])]
        parts = dict(zip(names, found, strict=True))
        if first and audience in session.memberships:
            session.memberships[audience] = replace(session.memberships[audience], as_of=as_of(parts))
        metrics.JOINS.labels("partial" if UNAVAILABLE in found else "whole").inc()
        await self._recovery.save(session)
        must_be_in(session, audience)
        return Joined(audience, offset, parts)

    async def complete(self, session: Session, joined: Joined) -> None:
        """The client has the snapshot: tell it the point, and let through what came after."""
        point = {"room": joined.audience, "offset": joined.offset}
        session.send(packets.event("sync_point", orjson.dumps(point)))
        session.release(joined.audience, as_of(joined.parts))

    async def abandon(self, session: Session, joined: Joined) -> None:
        """The join came to nothing."""
        await self.leave(session, joined.audience)
        session.release(joined.audience, {})

    async def leave(self, session: Session, audience: str, grace_s: float = 0) -> None:
        """End the membership; whoever takes the session up is not in it, and presence hears of it."""
        self._withdraw(session, audience)
        await self._recovery.save(session)
        await self._detach(session, audience, grace_s)

    def end(self, session: Session, ended: Mapping[str, str]) -> None:
        """The right to these audiences has ended; why, by audience. Not one fact more, then the client is told;
        `ended` is to follow."""
        for audience in ended:
            self._withdraw(session, audience)
        session.ended = {**session.ended, **ended}
        metrics.ENDED.inc(len(ended))
        tell_ended(session, ended)

    async def ended(self, session: Session, audiences: Iterable[str]) -> None:
        """Whoever takes the session up is not in them, and presence hears of it."""
        await self._recovery.save(session)
        for audience in audiences:
            await self._detach(session, audience, 0)

    def _withdraw(self, session: Session, audience: str) -> None:
        """Not one fact more."""
        session.memberships.pop(audience, None)
        self._audiences.remove(audience, session)

    async def _detach(self, session: Session, audience: str, grace_s: float) -> None:
        kind, _, ident = audience.partition(".")
        attachment = session.attachments.pop(ident, None) if kind == Kind.ROOM else None
        if attachment is not None:
            request = presence.Detach(
                room=ident, incarnation=self._incarnation, attach=attachment.attach, grace_s=grace_s
            )
            await self._calls.reply(session, presence.DETACH, request)

    async def leave_all(self, session: Session, grace_s: float) -> None:
        """The session is over. Facts stop at once; then presence is told."""
        self.silence(session)
        attached = map(room_audience, session.attachments)  # also where the end came before the join was done
        for audience in {*session.memberships, *attached}:
            self._withdraw(session, audience)
        left = [presence.LeftRoom(room=room, attach=a.attach) for room, a in session.attachments.items()]
        session.attachments.clear()
        for at in range(0, len(left), presence.ROOMS_PER_CALL):
            rooms = left[at : at + presence.ROOMS_PER_CALL]
            request = presence.DetachRooms(rooms=rooms, incarnation=self._incarnation, grace_s=grace_s)
            await self._calls.reply(session, presence.DETACH_ROOMS, request)

    def enter_again(self, session: Session) -> None:
        """A session that is taken up: all its audiences, without a word to anybody yet."""
        for audience in session.memberships:
            self._audiences.add(audience, session)

    def silence(self, session: Session) -> None:
        """Nothing of the feed reaches it from now on."""
        for audience in session.memberships:
            self._audiences.remove(audience, session)

    async def resync(self, session: Session) -> None:
        """The session has lost something: whole snapshots replace it, and what comes meanwhile follows them. The last
        one carries the offset, so that a client that comes back without it is known not to have them."""
        async with self._turns.turn(None):
            if session.closed:
                return  # its record is of before the loss
            offset, seen = self._feed.offset, dict(self._feed.delivered)
            session.mend(self._feed.epoch, self._feed.position)
            audiences = [a for a in session.memberships if services_with_snapshot(_kind(a))]
            for audience in audiences:
                session.hold(audience)
            await self._send_snapshots(session, audiences, offset, seen)
        while audiences and await session.taken():  # nobody else waits for who reads slowly
            async with self._turns.turn(None):
                await self._send_snapshots(session, audiences, offset, seen)
        await self._recovery.save(session)

    async def _send_snapshots(self, session: Session, audiences: list[str], offset: str, seen: dict[str, int]) -> None:
        """Of the audiences from the first on, which are taken from the list, until enough waits for the client."""
        while audiences and not session.crowded():
            audience = audiences.pop(0)
            parts = await self._parts(session, audience, seen)
            if audience not in session.memberships:  # the right to it has ended meanwhile
                session.release(audience, {})
                continue
            session.memberships[audience] = replace(session.memberships[audience], as_of=as_of(parts))
            body = orjson.dumps({"room": audience, "offset": offset, "snapshot": parts})
            session.send(packets.event("resync", body, None if audiences or not session.whole else offset))
            session.release(audience, as_of(parts))

    async def resume(self, session: Session, attachments: dict[str, StoredAttachment]) -> None:
        """A session was taken up again: presence is told, and the current views are shown."""
        async with self._turns.turn(None):
            await self._resume(session, attachments)

    async def _resume(self, session: Session, attachments: dict[str, StoredAttachment]) -> None:
        for room, stored in attachments.items():
            if room_audience(room) in session.memberships:
                await self._attach(session, room, stored.step, stored.screening)
        seen = dict(self._feed.delivered)
        for audience in tuple(session.memberships):
            events = views_of(audience, await self._parts(session, audience, seen))
            for event in events if audience in session.memberships else ():
                session.send(event)

    async def _parts(self, session: Session, audience: str, seen: dict[str, int]) -> dict[str, dict[str, Any]]:
        kind, _, ident = audience.partition(".")
        services = services_with_snapshot(Kind(kind))
        found = await together(*(self._snapshot(session, s, Kind(kind), ident, seen) for s in services))
        parts = dict(zip(services, found, strict=True))
        if kind == Kind.USER:
            await self.on_own(session, parts)
        return parts

    async def _snapshot(
        self, session: Session, service: str, kind: Kind, ident: str, seen: dict[str, int]
    ) -> dict[str, Any]:
        """One part. The queue that stands beside a room (portal-contract.md) is for those who may be in it."""
        beside = kind is Kind.ROOM and service == queue.SERVICE
        if beside:
            try:
                await self._access.must(session.claim, session.sid, JOIN, DEFAULT_QUEUE, asked=False)
            except Rejection as refusal:
                return UNAVAILABLE if refusal.retry else FORBIDDEN
        return await self._calls.snapshot(session, service, kind, ident, seen)

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
            screening=attachment.screening, taken_up=session.taken_up,
        )  # fmt: skip
        return self._calls.reply(session, presence.ATTACH, request)


async def _nobody(session: Session, parts: Mapping[str, Any]) -> None:
    """Before somebody listens."""


def tell_ended(session: Session, ended: Mapping[str, str]) -> None:
    """The client hears what it has had to leave, and why."""
    for audience, why in ended.items():
        told = {"room": portal_name(audience) or shown_name(audience), "message": why}
        session.send(packets.event("room_left", orjson.dumps(told)))


def must_be_in(session: Session, audience: str) -> None:
    """Rejection(forbidden) when the right to it has ended while its snapshot was fetched: that is not shown then."""
    if audience not in session.memberships:
        raise Rejection(ErrorCode.FORBIDDEN, f"{shown_name(audience)}: the right to it has just ended")


def _kind(audience: str) -> Kind:
    return Kind(audience.partition(".")[0])


def views_of(audience: str, parts: dict[str, dict[str, Any]]) -> list[Event]:
    """The views that a snapshot of this audience contains, as the events that show them."""
    bodies = [(view, _in_snapshot(view, parts)) for view in VIEWS if view.kind is _kind(audience)]
    return [
        packets.view(view.event, orjson.dumps(body), f"view.{audience}.{view.name}")
        for view, body in bodies
        if body is not None
    ]


def _in_snapshot(view: View, parts: dict[str, dict[str, Any]]) -> Any:
    part = parts.get(view.service, UNAVAILABLE)
    return view.of_snapshot(part) if view.of_snapshot and part["status"] == "ok" else None
