"""What is a person's own: the inbox, what became of its notes, what they follow and want to hear of. Part of `notify`.

A note is unseen, seen (the list was open), read, or archived. A state holds for the person, on every tab and device.
"""

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from confer_contracts import subjects
from confer_contracts.activity import Moment
from confer_contracts.message import Body, Id, Ok, Payload
from confer_contracts.notification import Notification, NotificationType, NotifyPriority
from confer_contracts.subjects import Kind

IDS_MAX = 500
Ids = Annotated[list[Id], Field(min_length=1, max_length=IDS_MAX)]
Types = Annotated[list[NotificationType], Field(min_length=1, max_length=20)]
Priorities = Annotated[list[NotifyPriority], Field(min_length=1, max_length=20)]
FollowedKind = Literal["topic", "staff"]
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def _of_the_clock(text: str) -> str:
    if not _CLOCK.fullmatch(text):
        raise ValueError("must be a time of day from 00:00 to 23:59, as in 22:00")
    return text


TimeOfDay = Annotated[str, Field(strict=True, max_length=5), AfterValidator(_of_the_clock)]


class NotificationRead(Payload):
    """Marks notifications read: `ids`, or everything up to and including `up_to`, or `all: true`."""

    ids: Ids | None = None
    up_to: Id | None = None
    all: Literal[True] | None = None
    op: Id | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "NotificationRead":
        if sum(v is not None for v in (self.ids, self.up_to, self.all)) != 1:
            raise ValueError("exactly one of ids, up_to, all must be given")
        return self


class NotificationSeen(NotificationRead):
    """Marks notifications seen: the person has had them before their eyes. Named as by `notification_read`."""


class NotificationArchive(NotificationRead):
    """Puts notifications away, as `notification_read` names them; `undo: true` takes `ids` back into the inbox."""

    undo: Annotated[bool, Field(strict=True)] = False

    @model_validator(mode="after")
    def _by_name(self) -> "NotificationArchive":
        if self.undo and self.ids is None:
            raise ValueError("undo takes ids")
        return self


class NotificationReadFact(Body):
    """So that every tab of the person knows. `unread` and `unseen`: what is left."""

    ids: list[str] = []
    up_to: str | None = None
    unread: int
    op: str
    timestamp: str
    unseen: int | None = Field(default=None, exclude_if=lambda value: value is None)


class NotificationSeenFact(Body):
    ids: list[str] = []
    up_to: str | None = None
    unread: int
    unseen: int
    op: str
    timestamp: str


class NotificationArchiveFact(Body):
    ids: list[str] = []
    up_to: str | None = None
    undone: bool = False
    unread: int
    unseen: int
    op: str
    timestamp: str


class InboxQuery(Payload):
    """The inbox, newest first.

    before       the id of the last notification that you have
    unread_only  as state `unread`
    state        without it everything that is not archived; `unread`: unseen and seen; `all`: archived too
    since        only what was said from then on
    """

    limit: Annotated[int, Field(strict=True, ge=1, le=200)] = 50
    before: Id | None = None
    unread_only: Annotated[bool, Field(strict=True)] = False
    state: Literal["unseen", "unread", "read", "archived", "all"] | None = None
    types: Types | None = None
    priorities: Priorities | None = None
    group: Id | None = None
    since: Moment | None = None


class Followed(Body):
    """`topic` and the topic's id, or `staff` and the queue's."""

    kind: FollowedKind
    id: str

    @property
    def audience(self) -> str:
        """In token form."""
        return subjects.audience(Kind(self.kind), self.id)


class QuietHours(Payload):
    """Every day from `start` to `end` (the next day's, if that is earlier), in a time zone of the IANA database."""

    start: TimeOfDay
    end: TimeOfDay
    zone: Id

    @model_validator(mode="after")
    def _some_time(self) -> "QuietHours":
        if self.start == self.end:
            raise ValueError("start and end must differ")
        return self


class Digest(Payload):
    """Notes of these types are collected: one note tells of them, every so many seconds."""

    types: Types
    every_s: Annotated[int, Field(strict=True, ge=10, le=7 * 86400)] = 86400


class Preferences(Payload):
    """What a person wants to hear of. Notes that are critical are always told.

    mute    types that are kept, but neither counted nor to be shown when they come
    digest  types that are kept, but told together
    quiet   when notes are counted, but not to be shown when they come
    """

    mute: Annotated[list[NotificationType], Field(max_length=20)] = []
    digest: Digest | None = None
    quiet: QuietHours | None = None


class NotificationPreferences(Payload):
    """Tells the own preferences; those that are given replace them before."""

    preferences: Preferences | None = None
    op: Id | None = None


class NotificationPreferencesReply(Ok):
    preferences: Preferences


class NotificationPreferencesFact(Body):
    preferences: Preferences
    op: str
    timestamp: str


class Follow(Payload):
    """Exactly one of: a topic, or the staff of a queue."""

    topic: Id | None = None
    staff: Id | None = None
    op: Id | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Follow":
        if (self.topic is None) == (self.staff is None):
            raise ValueError("exactly one of topic, staff must be given")
        return self

    @property
    def followed(self) -> Followed:
        return Followed(kind="topic", id=self.topic) if self.topic else Followed(kind="staff", id=self.staff or "")


class FollowReply(Ok):
    """Everything that the person follows now."""

    follows: list[Followed]


class FollowFact(Body):
    """The person follows, or no longer follows, this."""

    kind: FollowedKind
    id: str
    op: str
    timestamp: str


class Inbox(Ok):
    """Newest first; also the notify part of the snapshot of a user's audience.

    `more`: another page follows, also where this one is shorter than asked for, to fit into a message. `trimmed`: even
    older ones are in the log, but the inbox no longer shows nor counts them. `quiet_until`: as of the counts.
    """

    as_of: dict[str, int] = {}
    unread: int = 0
    unseen: int = 0
    notifications: list[Notification] = []
    more: bool = False
    trimmed: bool = False
    follows: list[Followed] = []
    quiet_until: str | None = None


class Counts(Body):
    """What is neither archived nor muted: not yet read, and not even seen. `quiet_until`: the person's quiet hours have
    begun, and until then nothing that comes is to be shown by itself, unless it is critical."""

    unread: int
    unseen: int | None = Field(default=None, exclude_if=lambda value: value is None)
    quiet_until: str | None = Field(default=None, exclude_if=lambda value: value is None)
