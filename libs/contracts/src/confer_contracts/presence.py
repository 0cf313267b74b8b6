"""Presence: who is in which room, with which step and focus. Owner: presence-svc.

The aggregates are a person in a room, `log.presence.room.<room>.<user token>`, and the lock of a field in a room,
`log.presence.room.<room>.<LOCK><field token>`; every fact carries the whole entry.
"""

import hashlib
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field

from confer_contracts import subjects
from confer_contracts.ids import patient_room, session_room
from confer_contracts.message import Body, Id, Ok, Payload, PortalPayload, ShortText, Step, Text, Version
from confer_contracts.route import Call, Fact, Snapshot, View
from confer_contracts.subjects import Kind

SERVICE = "presence"
SESSIONS_PER_PAGE = 200
ROOMS_PER_CALL = 200
LOCK = "=6Cock_"  # no token of a user begins so (`ids.token` never escapes a letter), yet it is one to who reads it


class ActiveUser(Body):
    """A person as the portal draws one. `last_activity` is ISO 8601 in UTC.

    editing    the fields that they edit, over all their tabs, each once, the latest last; `focus` is the latest
    """

    user_id: str
    name: str
    role: str
    step: int | None = None
    status: Literal["active", "away"] = "active"
    focus: str | None = None
    editing: list[str] = []
    last_activity: str
    joined_at: str


class FieldLock(Body):
    """Who holds the exclusive lock of a field, since when and until when (ISO 8601).

    `token` grows with each holder of the field: a fencing token, by which a write under an older lock is told.
    """

    field: str
    user_id: str
    token: int
    since: str
    expires_at: str


# --- between the edge and presence-svc ------------------------------------------------------------------


class Attach(Body):
    """A session of the caller is in a room. `attach` counts up per edge incarnation: the newest one owns it.

    `taken_up` counts up over all edges each time that a session is taken up (0: it has not been): an edge from which
    it was taken cannot have it back.
    """

    room: str
    incarnation: str
    attach: int
    step: int | None = None
    screening: bool = False  # joined by join_screening: the queue takes the patient in
    taken_up: int = 0


class Detach(Body):
    """A session is gone from a room. `grace_s`: how long the person is kept before `user_left`."""

    room: str
    incarnation: str
    attach: int
    grace_s: Annotated[float, Field(ge=0, le=3600)] = 0


class LeftRoom(Body):
    room: str
    attach: int


class DetachRooms(Body):
    """A session is gone from all of these; as `Detach` for each."""

    rooms: Annotated[list[LeftRoom], Field(max_length=ROOMS_PER_CALL)]
    incarnation: str
    grace_s: Annotated[float, Field(ge=0, le=3600)] = 0


class People(Body):
    """People in the order in which they came, and what the whole room is like.

    total, away    people in the room; those of them who are away
    next           where the next page begins (`after` of `presence_get`); None: this is the last one
    locks          the fields of the room that are locked
    stale, since   presence has not heard of some of the edges since that time (ISO 8601): people may have come or gone
    """

    users: list[ActiveUser] = []
    locks: list[FieldLock] = []
    total: int = 0
    away: int = 0
    next: str | None = None
    stale: bool = False
    since: str | None = None


class RosterPage(People, Ok):
    """A page of a room's people, as an answer."""


class AttachReply(RosterPage):
    as_of: int = 0


class SessionEntry(Body):
    """One (session, room) that an edge serves, with who it is; `attach` and `taken_up` as in Attach."""

    user_id: str
    name: str
    role: str
    session: str
    room: str
    attach: int
    step: int | None = None
    screening: bool = False
    taken_up: int = 0


class EdgeBeat(Body):
    """An edge is alive and serves these: every few seconds. `digest` is over the sorted (room, session, attach)."""

    incarnation: str
    digest: str


class EdgeBeatReply(Ok):
    known: bool  # false: presence sees another list, send all of it


class EdgeAlive(Ok):
    """The answer at `control.edge.<incarnation>.alive`."""

    server: str = Field(min_length=1)  # the id of the NATS server that the edge is connected to


class EdgeSessions(Body):
    """The full list of an edge, in pages, each complete for its part of the order (see `session_pages`).

    A page tells all sessions with `after` < "<room> <session>" <= `until` (empty: no bound), so that any replica
    can attach what it misses and sweep what is not listed with this page alone.
    """

    incarnation: str
    page: int
    pages: int
    entries: list[SessionEntry]
    after: str = ""
    until: str = ""

    def covers(self, room: str, session: str) -> bool:
        place = f"{room} {session}"
        return self.after < place and (not self.until or place <= self.until)


def digest(sessions: Iterable[tuple[str, str, int]]) -> str:
    """What an edge and presence compare: SHA-256, in hex, over (room token, session, attach) in any order."""
    lines = sorted(f"{room} {session} {attach}" for room, session, attach in sessions)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def session_pages(incarnation: str, entries: Iterable[SessionEntry]) -> list[EdgeSessions]:
    """The list of an edge as it is sent; at least one page, because an empty list also sweeps."""
    placed = sorted(entries, key=lambda e: f"{e.room} {e.session}")
    chunks = [placed[i : i + SESSIONS_PER_PAGE] for i in range(0, len(placed), SESSIONS_PER_PAGE)] or [[]]
    ends = [f"{chunk[-1].room} {chunk[-1].session}" for chunk in chunks[:-1]]
    bounds = zip(["", *ends], [*ends, ""], strict=True)
    return [
        EdgeSessions(incarnation=incarnation, page=i + 1, pages=len(chunks), entries=chunk, after=after, until=until)
        for i, (chunk, (after, until)) in enumerate(zip(chunks, bounds, strict=True))
    ]


class RoomSnapshotRequest(Body):
    """`seen`: the highest source sequence per stream that the asking edge has delivered.

    `role`: that of the person, where `kind` is user; `withheld` as of Identity. `after`: the `next` of the page before,
    where there are pages.
    """

    kind: str
    id: str
    seen: dict[str, int] = {}
    role: str | None = None
    withheld: tuple[str, ...] = ()
    after: str | None = None


class Roster(RosterPage):
    """The presence part of a room's snapshot: its first page."""

    as_of: dict[str, int] = {}


class PresenceSummary(Body):
    """How many people are in a room. `truncated`: the roster shows the first ones alone. `stale`: see People."""

    count: int
    active: int
    away: int
    truncated: bool
    stale: bool = False
    since: str | None = None


def summary_of(page: dict[str, Any]) -> dict[str, Any] | None:
    """The summary in a part of a snapshot; None: an older presence-svc made it."""
    if "total" not in page:
        return None
    count, away = page["total"], page["away"]
    summary = PresenceSummary(
        count=count, active=count - away, away=away, truncated=count > len(page["users"]), stale=page["stale"],
        since=page["since"],
    )  # fmt: skip
    return summary.model_dump()


# --- from clients --------------------------------------------------------------------------------------


class UserHeartbeat(PortalPayload):
    """The person is there. `device`: what they use in this session, as `presence_get` shows it ("tablet"). `rooms` is
    filled in by the edge."""

    step: Step | None = None
    device: Annotated[str, Field(strict=True, min_length=1, max_length=40)] | None = None
    last_activity: ShortText | None = None
    rooms: list[Annotated[str, Field(strict=True, min_length=1, max_length=400)]] = []  # tokens


class PresenceQuery(Payload):
    """Who is in a patient's room. `after`: the `next` of the page before, or of a snapshot."""

    patient_id: Id
    limit: Annotated[int, Field(strict=True, ge=1, le=200)] = 100
    after: Annotated[str, Field(strict=True, max_length=420)] | None = None


class PersonHere(ActiveUser):
    """`tabs`: how many sessions they have in the room, over all devices; 0: the last one is gone, and may come back.
    `devices`: what these have told with their heartbeats."""

    tabs: int
    devices: list[str] = []


class PresenceReply(Ok):
    """A page of the people who are there, in the order in which they came, and counts of the whole room; `stale` and
    `since` as in a snapshot."""

    users: list[PersonHere] = []
    total: int = 0
    active: int = 0
    away: int = 0
    next: str | None = None
    stale: bool = False
    since: str | None = None


class FieldFocus(Payload):
    """The caller edits a field in this session (`field` null: no longer): the soft mark "X is editing".

    It lasts until it is ended or moved, the session is gone, or nothing was heard of it for
    CONFER_PRESENCE_EDITING_S: sending it again, or a `field_update` of that field, renews it.
    """

    patient_id: Id
    field: Id | None = None
    op: Id | None = None


class LockedField(Payload):
    patient_id: Id
    field: Id
    op: Id | None = None


LockSeconds = Annotated[float, Field(strict=True, ge=1, le=24 * 3600)]


class LockField(LockedField):
    """The caller wants to be the only one who edits a field, for `lasts_s` (CONFER_PRESENCE_LOCK_S, and at most
    CONFER_PRESENCE_LOCK_MAX_S); their heartbeats, focus and writes in the room renew it, as this call does."""

    lasts_s: LockSeconds | None = None


class TakeOverLock(LockField):
    """`token`: of the lock that is taken over, so that it is the one that the caller has seen."""

    token: Version


class FieldLockReply(Ok):
    lock: FieldLock


class FieldLocked(FieldLock):
    """`taken_from`: who held it until now, where it was taken over."""

    patient_id: str
    taken_from: str | None = None


class FieldUnlocked(Body):
    """`user_id` held it. `reason`: released, expired, or holder_left (the room)."""

    patient_id: str
    field: str
    user_id: str
    token: int
    reason: Literal["released", "expired", "holder_left"]


class SessionField(PortalPayload):
    """A place in the form of a hospital_mobile session."""

    session_id: Id
    step: ShortText
    field_name: Id


class LiveTyping(SessionField):
    current_value: Text
    user_name: ShortText
    typing_speed: Annotated[float, Field(strict=True)] | None = None


class CursorPosition(SessionField):
    user_name: ShortText | None = None


class LiveFieldTyping(Body):
    session_id: str
    step: str
    field_name: str
    current_value: str
    user_id: str
    user_name: str
    typing_speed: float | None = None
    timestamp: str


class UserCursorMoved(Body):
    session_id: str
    step: str
    field_name: str
    user_id: str
    user_name: str
    timestamp: str


ATTACH = Call(
    service=SERVICE, event="attach", request=Attach, reply=AttachReply, public=False,
    doc="A session enters a room; answers the roster.",
)  # fmt: skip
DETACH = Call(
    service=SERVICE, event="detach", request=Detach, reply=Ok, public=False,
    doc="A session leaves a room: at once, or after a grace period.",
)  # fmt: skip
DETACH_ROOMS = Call(
    service=SERVICE, event="detach_rooms", request=DetachRooms, reply=Ok, public=False,
    doc="A session leaves several rooms: it has ended.",
)  # fmt: skip
EDGE_BEAT = Call(
    service=SERVICE, event="edge_beat", request=EdgeBeat, reply=EdgeBeatReply, public=False, ordered=False,
    doc="The lease of an edge over its sessions.",
)  # fmt: skip
EDGE_SESSIONS = Call(
    service=SERVICE, event="edge_sessions", request=EdgeSessions, reply=Ok, public=False, ordered=False,
    doc="A page of an edge's sessions: presence attaches what it misses and sweeps what is gone.",
)  # fmt: skip
USER_HEARTBEAT = Call(
    service=SERVICE, event="user_heartbeat", request=UserHeartbeat, reply=Ok, ordered=False, with_rooms=True,
    doc="The person is active; everybody in the room gets `active_users_updated`.",
)  # fmt: skip
PRESENCE_GET = Call(
    service=SERVICE, event="presence_get", request=PresenceQuery, reply=PresenceReply, ordered=False,
    audience=lambda q: subjects.room_audience(patient_room(q.patient_id)),
    doc="Who is in a patient's room, since when and with what, in pages, and how many they are.",
)  # fmt: skip
FIELD_FOCUS = Call(
    service=SERVICE, event="field_focus", request=FieldFocus, reply=Ok,
    audience=lambda q: subjects.room_audience(patient_room(q.patient_id)),
    doc="Marks the field that the caller edits; everybody gets `user_updated` with `focus` and `editing`.",
)  # fmt: skip
FIELD_LOCK = Call(
    service=SERVICE, event="field_lock", request=LockField, reply=FieldLockReply,
    audience=lambda q: subjects.room_audience(patient_room(q.patient_id)),
    doc="Locks a field, or renews the caller's lock of it; `conflict` with the `lock` where somebody else holds it.",
)  # fmt: skip
FIELD_UNLOCK = Call(
    service=SERVICE, event="field_unlock", request=LockedField, reply=Ok,
    audience=lambda q: subjects.room_audience(patient_room(q.patient_id)),
    doc="Ends the caller's lock of a field.",
)  # fmt: skip
FIELD_LOCK_TAKEOVER = Call(
    service=SERVICE, event="field_lock_takeover", request=TakeOverLock, reply=FieldLockReply,
    audience=lambda q: subjects.room_audience(patient_room(q.patient_id)),
    doc="Takes a field's lock from who holds it; the fact says from whom.",
)  # fmt: skip
LIVE_TYPING = Call(
    service=SERVICE, event="live_typing", request=LiveTyping, reply=Ok, ordered=False,
    audience=lambda q: subjects.room_audience(session_room(q.session_id)),
    doc="What is being typed; the others get `live_field_typing`. Not stored.",
)  # fmt: skip
CURSOR_POSITION = Call(
    service=SERVICE, event="cursor_position", request=CursorPosition, reply=Ok, ordered=False,
    audience=lambda q: subjects.room_audience(session_room(q.session_id)),
    doc="Where the cursor is; the others get `user_cursor_moved`. Not stored.",
)  # fmt: skip

CALLS = (
    ATTACH, DETACH, DETACH_ROOMS, EDGE_BEAT, EDGE_SESSIONS, USER_HEARTBEAT, PRESENCE_GET, FIELD_FOCUS, FIELD_LOCK,
    FIELD_UNLOCK, FIELD_LOCK_TAKEOVER, LIVE_TYPING, CURSOR_POSITION,
)  # fmt: skip
SNAPSHOTS = (Snapshot(service=SERVICE, kind=Kind.ROOM, reply=Roster),)
FACTS = (
    Fact(service=SERVICE, event="user_joined", kind=Kind.ROOM, body=ActiveUser, others=True,
         doc="A person came: the first of their sessions."),
    Fact(service=SERVICE, event="user_updated", kind=Kind.ROOM, body=ActiveUser,
         doc="A person's step, focus or status changed."),
    Fact(service=SERVICE, event="user_left", kind=Kind.ROOM, body=str,
         doc="A person's last session is gone and the grace period over: the bare user id."),
    Fact(service=SERVICE, event="field_locked", kind=Kind.ROOM, body=FieldLocked,
         doc="A field has a holder; a renewal is not told."),
    Fact(service=SERVICE, event="field_unlocked", kind=Kind.ROOM, body=FieldUnlocked, doc="A field's lock is over."),
)  # fmt: skip
VIEWS = (
    View(service=SERVICE, event="active_users_updated", kind=Kind.ROOM, name="roster", body=list[ActiveUser],
         of_snapshot=lambda part: part["users"],
         doc="Who is in the room, in the order in which they came: the first CONFER_PRESENCE_PAGE of them."),
    View(service=SERVICE, event="presence_summary", kind=Kind.ROOM, name="summary", body=PresenceSummary,
         of_snapshot=summary_of,
         doc="How many are in the room, whenever that changes; of a large room at most every second."),
    View(service=SERVICE, event="live_field_typing", kind=Kind.ROOM, name="typing", body=LiveFieldTyping,
         others=True, ephemeral=True, doc="Somebody types."),
    View(service=SERVICE, event="user_cursor_moved", kind=Kind.ROOM, name="cursor", body=UserCursorMoved,
         others=True, ephemeral=True, doc="Somebody's cursor moved."),
)  # fmt: skip
