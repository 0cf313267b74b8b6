"""Notifications: to a user, role, room, queue or everybody; inboxes and read state. Owner: notify-svc.

Fan-out on read: one fact per notification, `log.notify.<kind>.<id>.note`; what a person did with theirs is
`log.notify.user.<user token>.state`.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, JsonValue, model_validator

from confer_contracts import subjects
from confer_contracts.ids import patient_room
from confer_contracts.message import (
    VALUE_DEPTH_MAX,
    Body,
    Id,
    Ok,
    Payload,
    PortalPayload,
    ShortText,
    Text,
    json_depth,
)
from confer_contracts.route import Call, Fact, Snapshot, View
from confer_contracts.subjects import Kind

SERVICE = "notify"
NotificationType = Literal["info", "success", "warning", "error", "message"]
NotifyPriority = Literal["low", "normal", "high", "critical"]
DATA_BYTES_MAX = 4096


def _bounded(data: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if json_depth(data) > VALUE_DEPTH_MAX:
        raise ValueError(f"must not be nested deeper than {VALUE_DEPTH_MAX} levels")
    if len(json.dumps(data, allow_nan=False)) > DATA_BYTES_MAX:
        raise ValueError(f"must not be larger than {DATA_BYTES_MAX} bytes of JSON (ASCII)")
    return data


NotificationData = Annotated[dict[str, JsonValue], AfterValidator(_bounded)]


class Addressee(Payload):
    """Exactly one of: a user, a role, the room of a patient, a queue, or everybody (`all: true`)."""

    user: Id | None = None
    role: Id | None = None
    patient: Id | None = None
    queue: Id | None = None
    all: Literal[True] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Addressee":
        if sum(value is not None for value in self.__dict__.values()) != 1:
            raise ValueError("exactly one of user, role, patient, queue, all must be given")
        return self

    @property
    def audience(self) -> str:
        """In token form."""
        if self.user is not None:
            return subjects.audience(Kind.USER, self.user)
        if self.role is not None:
            return subjects.audience(Kind.ROLE, self.role)
        if self.patient is not None:
            return subjects.room_audience(patient_room(self.patient))
        if self.queue is not None:
            return subjects.audience(Kind.QUEUE, self.queue)
        return subjects.EVERYBODY


class NotificationSend(Payload):
    to: Addressee
    title: Annotated[str, Field(strict=True, min_length=1, max_length=200)]
    message: Text = ""
    type: Literal["info", "success", "warning", "error"] = "info"
    priority: NotifyPriority = "normal"
    link: ShortText | None = None
    data: NotificationData | None = None
    op: Id | None = None


class NotificationSendReply(Ok):
    id: str


class Notification(Body):
    """A notification as browsers get it, live and in the inbox."""

    id: str
    type: NotificationType
    priority: NotifyPriority = "normal"
    title: str
    message: str
    timestamp: str
    read: bool = False
    from_user: str | None = None
    link: str | None = None
    data: dict[str, JsonValue] | None = None


class NotificationRead(Payload):
    """Marks notifications read: `ids`, or everything up to and including `up_to`, or `all: true`."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=500)] | None = None
    up_to: Id | None = None
    all: Literal[True] | None = None
    op: Id | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "NotificationRead":
        if sum(v is not None for v in (self.ids, self.up_to, self.all)) != 1:
            raise ValueError("exactly one of ids, up_to, all must be given")
        return self


class NotificationReadFact(Body):
    """So that every tab of the person knows."""

    ids: list[str] = []
    up_to: str | None = None
    unread: int
    op: str
    timestamp: str


class InboxQuery(Payload):
    """The inbox, newest first. `before`: the id of the last notification that you have."""

    limit: Annotated[int, Field(strict=True, ge=1, le=200)] = 50
    before: Id | None = None
    unread_only: Annotated[bool, Field(strict=True)] = False


class Inbox(Ok):
    """Newest first; also the notify part of the snapshot of a user's audience.

    `more`: another page follows, also where this one is shorter than asked for, to fit into a message. `trimmed`: even
    older ones are in the log, but the inbox no longer shows nor counts them.
    """

    as_of: dict[str, int] = {}
    unread: int = 0
    notifications: list[Notification] = []
    more: bool = False
    trimmed: bool = False


class Counts(Body):
    unread: int


class SendMessage(PortalPayload):
    """The portal's direct message."""

    target_user: Id
    message: Text
    op: Id | None = None


class SendMessageReply(Ok):
    id: str
    target_user: str
    message: str
    timestamp: str

    def event_body(self) -> dict[str, Any]:
        """The portal's `message_sent`."""
        return {"target_user": self.target_user, "message": self.message, "timestamp": self.timestamp}


class NewMessage(Body):
    """A direct message; in the inbox it is a notification of type `message`."""

    id: str
    from_user: str
    from_role: str
    message: str
    timestamp: str


class DashboardQuery(Body):
    role: str
    user_id: str
    limit: int = 20


class NotifyDashboard(Ok):
    """What notify knows for a role's dashboard."""

    notifications: list[Notification] = []
    recent_alerts: list[Notification] = []


NOTIFICATION_SEND = Call(service=SERVICE, event="notification_send", request=NotificationSend,
                         reply=NotificationSendReply, audience=lambda q: q.to.audience,
                         doc="Tells somebody something; kept for those who are away.")  # fmt: skip
NOTIFICATION_READ = Call(service=SERVICE, event="notification_read", request=NotificationRead, reply=Ok,
                         with_withheld=True, doc="Marks own notifications as read, on every tab.")  # fmt: skip
NOTIFICATION_INBOX = Call(service=SERVICE, event="notification_inbox", request=InboxQuery, reply=Inbox,
                          with_withheld=True, doc="A page of the own inbox.")  # fmt: skip
SEND_MESSAGE = Call(service=SERVICE, event="send_message", request=SendMessage, reply=SendMessageReply,
                    audience=lambda q: subjects.audience(Kind.USER, q.target_user), reply_event="message_sent",
                    error_event=lambda q, text: ("message_error", {"error": text, "target_user": q.target_user}),
                    doc="A direct message to every tab of a person, or to the inbox.")  # fmt: skip
DASHBOARD = Call(service=SERVICE, event="dashboard", request=DashboardQuery, reply=NotifyDashboard, public=False,
                 ordered=False, with_withheld=True, doc="The notifications' part of a role's dashboard.")  # fmt: skip

CALLS = (NOTIFICATION_SEND, NOTIFICATION_READ, NOTIFICATION_INBOX, SEND_MESSAGE, DASHBOARD)
SNAPSHOTS = (Snapshot(service=SERVICE, kind=Kind.USER, reply=Inbox),)
FACTS = (
    *(Fact(service=SERVICE, event="notification", kind=kind, body=Notification, doc="A notification.")
      for kind in (Kind.USER, Kind.ROLE, Kind.ROOM, Kind.QUEUE, Kind.ALL)),
    Fact(service=SERVICE, event="new_message", kind=Kind.USER, body=NewMessage, doc="A direct message."),
    Fact(service=SERVICE, event="notification_read", kind=Kind.USER, body=NotificationReadFact,
         doc="The person read notifications, on some tab."),
)  # fmt: skip
VIEWS = (
    View(service=SERVICE, event="notification_counts", kind=Kind.USER, name="counts", body=Counts,
         of_snapshot=lambda part: {"unread": part["unread"]},
         doc="How many are unread."),
)  # fmt: skip
