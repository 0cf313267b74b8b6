"""The bodies that the edge itself makes: its acks, the events that answer the first portal, its own announcements."""

from typing import Any, Literal

from confer_contracts.message import Body, Failed, Ok
from confer_contracts.notify import Notification
from confer_contracts.presence import People
from confer_contracts.queue import DEFAULT_QUEUE, QueueRow
from confer_contracts.sync import RecordField, StepState


class Part(Body):
    """A part of a snapshot. Nothing else is in it where its service is away (`unavailable`), or where the client may
    not see it (`forbidden`: the queue beside a patient)."""

    status: Literal["ok", "unavailable", "forbidden"]


class PresencePart(People, Part):
    """The first page of who is there."""


class SyncPart(Part):
    fields: dict[str, RecordField] = {}
    steps: list[StepState] = []


class QueuePart(Part):
    """The first rows of the default queue, and those of the room's own patient; `total`: how many are in it.
    `queue_open` answers all."""

    queue: str = DEFAULT_QUEUE
    rows: list[QueueRow] = []
    total: int = 0


class RoomSnapshot(Body):
    presence: PresencePart
    sync: SyncPart
    queue: QueuePart


class RoomJoined(Ok, RoomSnapshot):
    """The whole room; what comes after `offset` follows as facts."""

    room: str
    patient_id: str
    offset: str


class PatientRoomReply(Ok):
    room: str
    patient_id: str


class NamedRoomReply(Ok):
    """`room_joined` and `room_left` of the first portal."""

    room: str
    message: str


class NamedRoomJoined(NamedRoomReply):
    """A role's room has no offset and no snapshot."""

    offset: str | None = None
    presence: PresencePart | None = None
    sync: SyncPart | None = None
    queue: QueuePart | None = None


class QueueOpened(Ok):
    queue: str
    offset: str
    rows: list[QueueRow] = []


class QueueClosed(Ok):
    queue: str


class Subscribed(Ok):
    type: str
    room: str
    filters: Any = None


class Authenticated(Ok):
    user_id: str
    role: str
    timestamp: str


class UserInfo(Body):
    user_id: str
    name: str
    role: str
    permissions: list[str] = []


class SystemStatus(Body):
    status: Literal["online"] = "online"
    timestamp: str
    user_info: UserInfo


class NamedRoomEvent(Body):
    room: str
    message: str


class JoinedRoom(Body):
    room: str


class SystemMessage(Body):
    message: str
    timestamp: str


class SyncPoint(Body):
    """Facts that follow are newer than the snapshot of this room."""

    room: str
    offset: str


class Resync(Body):
    """`snapshot` (a part per service) replaces what is known of the room."""

    room: str
    offset: str
    snapshot: dict[str, dict[str, Any]]


class HealthCheck(Body):
    timestamp: str
    active_connections: int


class SessionEnd(Body):
    """When the token ends, or ended."""

    expires_at: str


class SessionEnded(Body):
    """`message` is for the person."""

    reason: Literal["revoked", "kicked"]
    message: str


class SubscriptionConfirmed(Body):
    type: str
    room: str
    filters: Any = None


class AuthenticationSuccess(Body):
    user_id: str
    role: str
    timestamp: str


class ErrorEvent(Failed):
    """A refusal where no ack was asked for; `event` is the one that was refused."""

    event: str


class MessageSent(Body):
    target_user: str
    message: str
    timestamp: str


class MessageError(Body):
    error: str
    target_user: str


class DoctorDashboard(Body):
    """Of every dashboard: what no service knows is absent."""

    pending_screenings: list[QueueRow] = []
    recent_alerts: list[Notification] = []


class ParentDashboard(Body):
    notifications: list[Notification] = []


class TeacherDashboard(Body):
    pass


class ExecutiveDashboard(Body):
    total_patients: int = 0
    total_screenings: int = 0


# the events that come from no service's fact or view -> body; None: an event without data
EVENTS: dict[str, Any] = {
    "system_status": SystemStatus,
    "joined_room": JoinedRoom,
    "system_message": SystemMessage,
    "sync_point": SyncPoint,
    "resync": Resync,
    "health_check": HealthCheck,
    "session_expiring": SessionEnd,
    "session_expired": SessionEnd,
    "session_ended": SessionEnded,
    "error": ErrorEvent,
    "room_joined": NamedRoomEvent,
    "room_left": NamedRoomEvent,
    "subscription_confirmed": SubscriptionConfirmed,
    "authentication_success": AuthenticationSuccess,
    "pong": None,
    "message_sent": MessageSent,
    "message_error": MessageError,
    "doctor_dashboard_data": DoctorDashboard,
    "parent_dashboard_data": ParentDashboard,
    "teacher_dashboard_data": TeacherDashboard,
    "executive_dashboard_data": ExecutiveDashboard,
}

# client event that the edge answers -> its ack
ACKS: dict[str, Any] = {
    "join_patient_room": RoomJoined,
    "leave_patient_room": PatientRoomReply,
    "join_screening": PatientRoomReply,
    "leave_screening": PatientRoomReply,
    "join_room": NamedRoomJoined,
    "leave_room": NamedRoomReply,
    "queue_open": QueueOpened,
    "queue_close": QueueClosed,
    "subscribe_to_updates": Subscribed,
    "authenticate": Authenticated,
    "ping": Ok,
    "connection_established": Ok,
}
