"""What is said to whom: the bodies of notifications and direct messages. Part of `notify`."""

import json
import re
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, JsonValue, model_validator

from confer_contracts import subjects
from confer_contracts.activity import Moment
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
from confer_contracts.notify_plan import LEVELS_MAX, REPEAT_S_MAX, REPEAT_S_MIN, REPEATS_MAX, Acknowledgement
from confer_contracts.subjects import Kind

NotificationType = Literal["info", "success", "warning", "error", "message"]
NotifyPriority = Literal["low", "normal", "high", "critical"]
DATA_BYTES_MAX = 4096
_NO_LINK: Final = re.compile(r"[\x00-\x20\x7f-\x9f\\]")  # what browsers strip or read as a slash


def _bounded(data: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if json_depth(data) > VALUE_DEPTH_MAX:
        raise ValueError(f"must not be nested deeper than {VALUE_DEPTH_MAX} levels")
    if len(json.dumps(data, allow_nan=False)) > DATA_BYTES_MAX:
        raise ValueError(f"must not be larger than {DATA_BYTES_MAX} bytes of JSON (ASCII)")
    return data


def _harmless(link: str) -> str:
    """Nothing that a browser runs, and no other site that looks like a path."""
    rule = "must be an http or https address, or a path of the portal"
    if _NO_LINK.search(link):
        raise ValueError(f"{rule}, without spaces, backslashes and control characters")
    try:
        parts = urlsplit(link)
    except ValueError:
        raise ValueError(rule) from None
    web = parts.scheme in ("http", "https") and bool(parts.netloc)
    if not (web or (not parts.scheme and not parts.netloc)):
        raise ValueError(rule)
    return link


NotificationData = Annotated[dict[str, JsonValue], AfterValidator(_bounded)]
Link = Annotated[ShortText, AfterValidator(_harmless)]
Title = Annotated[str, Field(strict=True, min_length=1, max_length=200)]


class Addressee(Payload):
    """Exactly one of: a user, a role, the room of a patient, a queue (whoever watches it), the staff of a queue, a
    topic, or everybody (`all: true`).

    Nobody keeps a list of people, roles or topics: what is said to one that is not there yet waits for whoever comes.
    """

    user: Id | None = None
    role: Id | None = None
    patient: Id | None = None
    queue: Id | None = None
    staff: Id | None = None
    topic: Id | None = None
    all: Literal[True] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Addressee":
        if sum(value is not None for value in self.__dict__.values()) != 1:
            raise ValueError("exactly one of user, role, patient, queue, staff, topic, all must be given")
        return self

    @property
    def audience(self) -> str:
        """In token form."""
        if self.patient is not None:
            return subjects.room_audience(patient_room(self.patient))
        for kind in (Kind.USER, Kind.ROLE, Kind.QUEUE, Kind.STAFF, Kind.TOPIC):
            ident = getattr(self, kind.value)
            if ident is not None:
                return subjects.audience(kind, ident)
        return subjects.EVERYBODY


class MustAcknowledge(Payload):
    """Until somebody acknowledges: reminders, `repeat_s` apart; after `repeats` of them, the next of `escalate_to` is
    told as well and reminded in turn. After the last reminder of all it is given up, and the sender told."""

    repeat_s: Annotated[int, Field(strict=True, ge=REPEAT_S_MIN, le=REPEAT_S_MAX)] = 60
    repeats: Annotated[int, Field(strict=True, ge=0, le=REPEATS_MAX)] = 3
    escalate_to: Annotated[list[Addressee], Field(max_length=LEVELS_MAX)] = []


class NotificationSend(Payload):
    """Plain text: whoever shows it escapes it. It is sent at once, `at` a time, or in `in_s` seconds.

    link         an http or https address, or a path of the portal
    group        of one audience only the newest note of a group stands in inboxes
    expires_at   it leaves inboxes and counts then
    dedupe       the same key of the same sender, to the same audience, within `CONFER_NOTIFY_DEDUPE_S` is the same
                 note: it is sent once, and answered with the same id
    """

    to: Addressee
    title: Title
    message: Text = ""
    type: Literal["info", "success", "warning", "error"] = "info"
    priority: NotifyPriority = "normal"
    link: Link | None = None
    data: NotificationData | None = None
    group: Id | None = None
    expires_at: Moment | None = None
    dedupe: Id | None = None
    at: Moment | None = None
    in_s: Annotated[int, Field(strict=True, ge=1)] | None = None
    must_acknowledge: MustAcknowledge | None = None
    op: Id | None = None

    @model_validator(mode="after")
    def _one_time(self) -> "NotificationSend":
        if self.at is not None and self.in_s is not None:
            raise ValueError("at and in_s cannot both be given")
        if self.waits and self.dedupe is not None:
            raise ValueError("dedupe goes with what is sent at once, not with at or in_s")
        return self

    @property
    def waits(self) -> bool:
        return self.at is not None or self.in_s is not None


class NotificationTell(NotificationSend):
    """As services send it, which may say whose doing it tells of: nobody checks that."""

    actor: Id | None = None


class NotificationSendReply(Ok):
    """`at`: when it will be sent (ISO 8601), where it waits."""

    id: str
    at: str | None = Field(default=None, exclude_if=lambda at: at is None)


NoteState = Literal["unseen", "seen", "read", "archived"]


class Notification(Body):
    """A notification as browsers get it, live and in the inbox.

    from_user   who sent it; `actor`: whose doing it tells of, where that is somebody else
    audience    to whom it was said: `<kind>.<id>` as people know it (`role.nurse`)
    group       it replaces those of the same group and audience, in inboxes and on pages
    state       what became of it in the reader's inbox, and `muted`: the reader does not want to hear of it; only there
    acknowledge somebody must: how that stands
    """

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
    audience: str | None = Field(default=None, exclude_if=lambda value: value is None)
    actor: str | None = Field(default=None, exclude_if=lambda value: value is None)
    group: str | None = Field(default=None, exclude_if=lambda value: value is None)
    expires_at: str | None = Field(default=None, exclude_if=lambda value: value is None)
    state: NoteState | None = Field(default=None, exclude_if=lambda value: value is None)
    muted: bool = Field(default=False, exclude_if=lambda value: not value)
    acknowledge: Acknowledgement | None = Field(default=None, exclude_if=lambda value: value is None)


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
