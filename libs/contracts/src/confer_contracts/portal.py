"""What the edge itself answers, and the first portal's table: event -> room, answers (portal-contract.md)."""

from typing import Annotated

from pydantic import Field

from confer_contracts.ids import FREE, SESSION, untoken
from confer_contracts.message import Id, JsonValue, Payload, PortalPayload, ShortText, Step
from confer_contracts.route import EdgeEvent
from confer_contracts.subjects import Kind

SCREENING_PREFIX = "screening_"
SESSION_PREFIX = "hospital_mobile_session_"


class PortalUser(PortalPayload):
    """What the form says about its user. The identity in it counts only in trusted-query mode."""

    user_id: Id | None = None
    name: ShortText | None = None
    role: ShortText | None = None
    step: Step | None = None


class JoinScreening(PortalPayload):
    patient_id: Id
    user: PortalUser = PortalUser()


class PatientRoom(PortalPayload):
    patient_id: Id
    step: Step | None = None


class NamedRoom(PortalPayload):
    """`screening_<patient>`, `hospital_mobile_session_<session>`, `queue_<queue>` or a free name."""

    room: Annotated[str, Field(strict=True, min_length=1, max_length=160)]


class QueueOpen(Payload):
    queue: Id = "screening"


class Subscribe(PortalPayload):
    type: Id
    filters: JsonValue = None


class Authenticate(PortalPayload):
    """`token` in jwt mode; the other two count only in trusted-query mode."""

    token: Annotated[str, Field(strict=True, max_length=16 * 1024)] | None = None
    user_id: Id | None = None
    role: ShortText | None = None


EDGE_EVENTS = (
    EdgeEvent(event="join_patient_room", request=PatientRoom, doc="Enters a patient's room; the ack is its snapshot."),
    EdgeEvent(event="leave_patient_room", request=PatientRoom, doc="Leaves a patient's room at once."),
    EdgeEvent(event="join_screening", request=JoinScreening, doc="The portal's join: also queues the patient.",
              answers=("user_joined", "active_users_updated", "queue_updated", "step_status_updated")),
    EdgeEvent(event="leave_screening", request=PatientRoom, doc="The portal's leave."),
    EdgeEvent(event="join_room", request=NamedRoom, doc="Enters a room by its portal name.",
              answers=("room_joined",)),
    EdgeEvent(event="leave_room", request=NamedRoom, doc="Leaves it.", answers=("room_left",)),
    EdgeEvent(event="queue_open", request=QueueOpen, doc="Follows a queue; the ack is its table."),
    EdgeEvent(event="queue_close", request=QueueOpen, doc="Stops following a queue."),
    EdgeEvent(event="subscribe_to_updates", request=Subscribe, doc="Follows a topic.",
              answers=("subscription_confirmed",)),
    EdgeEvent(event="authenticate", request=Authenticate, doc="Proves or (trusted-query) names the user.",
              answers=("authentication_success",)),
    EdgeEvent(event="ping", request=None, doc="Any arguments.", answers=("pong",)),
    EdgeEvent(event="connection_established", request=None, doc="Swallowed."),
)  # fmt: skip

EDGE_EMITS = {
    "system_status": "On connect: {status, timestamp, user_info}.",
    "joined_room": "On connect: {room: role_<role>}.",
    "system_message": "On connect: {message, timestamp}.",
    "sync_point": "After a join: {room, offset}; facts that follow are newer than the snapshot.",
    "error": "A refusal for a client that asked for no ack: {status, code, message, retry, op, event}.",
    "session_expiring": "{expires_at}: the token ends then; `authenticate` with a newer one lets the session go on.",
    "session_expired": "{expires_at}: the token has ended; the session is over. Connect again with a newer one.",
    "session_ended": "{reason: revoked or kicked, message}: the session is over and cannot be taken up. After a kick a "
    "new one may begin; after a revocation only with a token that was issued later.",
    "room_left": "{room, message}: after `leave_room`, and when the right to a room (by its portal name) or to another "
    "audience (`queue.<id>`, `topic.<id>`, `role.<role>`, `user.<id>`) has ended; nothing of it comes any more.",
    "health_check": "Every minute: {timestamp, active_connections}.",
    "resync": "Facts were lost, for the live feed was reset or the client read too slowly: {room, snapshot} replaces "
    "what is known of a room.",
}

# role -> dashboard event -> member -> (service, member of its dashboard reply); what nobody knows is absent
DASHBOARDS: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {
    "doctor": ("doctor_dashboard_data", {
        "pending_screenings": ("queue", "pending_screenings"), "recent_alerts": ("notify", "recent_alerts")}),
    "parent": ("parent_dashboard_data", {"notifications": ("notify", "notifications")}),
    "teacher": ("teacher_dashboard_data", {}),
    "executive": ("executive_dashboard_data", {
        "total_patients": ("queue", "total_patients"), "total_screenings": ("queue", "total_screenings")}),
}  # fmt: skip


def portal_name(audience: str) -> str | None:
    """The name by which `join_room` enters a room's audience; None for other audiences."""
    kind, _, room = audience.partition(".")
    if kind != Kind.ROOM:
        return None
    if room.startswith(SESSION):
        return SESSION_PREFIX + untoken(room.removeprefix(SESSION))
    return untoken(room.removeprefix(FREE)) if room.startswith(FREE) else SCREENING_PREFIX + untoken(room)


def shown_name(audience: str) -> str:
    """The name by which people know an audience: `<kind>.` and the decoded id, for a room its portal name:
    `room.screening_P-1`, `queue.eyes`, `user.anna`, `all.all`."""
    kind, _, ident = audience.partition(".")
    return f"{kind}.{portal_name(audience) or untoken(ident)}"
