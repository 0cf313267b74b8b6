"""What happens to notifications later: those that wait for their time, and those that somebody must acknowledge.

A sender's scheduled notes are one aggregate, `log.notify.user.<sender token>.schedule`. A note that must be
acknowledged has one of its own, `log.notify.<kind>.<id>.ack_<note>`, guarded over `log.notify.*.*.ack_<note>`, for its
facts go to each audience that was told.
"""

from typing import Annotated, Literal

from pydantic import Field

from confer_contracts.message import Body, Id, Ok, Payload

REPEAT_S_MIN, REPEAT_S_MAX = 1, 24 * 3600
REPEATS_MAX = 100
LEVELS_MAX = 5
RESENT_MAX = 100  # with one call

AcknowledgeState = Literal["open", "acknowledged", "cancelled", "superseded", "expired", "given_up"]


class Acknowledgement(Body):
    """Of a note that somebody must acknowledge. `id` is what `notification_acknowledge` wants: that of the note which
    was sent first, also where this one escalates it. `by` and `at`: who ended it, and when."""

    id: str
    state: AcknowledgeState = "open"
    by: str | None = None
    at: str | None = None


class NotificationAcknowledge(Payload):
    """For everybody whom the note was for: reminders and escalation end."""

    id: Id
    op: Id | None = None


class AcknowledgeReply(Ok):
    """How it stands now: perhaps somebody else was first, and `by` names them."""

    acknowledge: Acknowledgement


class NotificationCancel(Payload):
    """An own note: one that waits is not sent; of one that was, reminders and escalation end."""

    id: Id
    op: Id | None = None


class ScheduledQuery(Payload):
    """The own notes that wait for their time, the next one first."""

    limit: Annotated[int, Field(strict=True, ge=1, le=200)] = 100


class ScheduledNote(Body):
    """`to`: the audience, as people know it. `at`, `created_at`: ISO 8601."""

    id: str
    at: str
    to: str
    type: str
    priority: str
    title: str
    message: str
    created_at: str


class ScheduledList(Ok):
    """`total`: of all that wait; `limit`: how many may."""

    scheduled: list[ScheduledNote] = []
    total: int = 0
    limit: int = 0


class Reminder(Body):
    """The note again, for those who were told last; `number` counts from 1."""

    acknowledge: Acknowledgement
    number: int
    type: str
    priority: str
    title: str
    message: str
    from_user: str
    link: str | None = None
    timestamp: str


class Escalated(Body):
    """Nobody acknowledged in time: `to` is told as well from now on."""

    acknowledge: Acknowledgement
    level: int
    to: str
    timestamp: str


class Closed(Body):
    """No longer to be acknowledged; `acknowledge` says why, and by whom."""

    acknowledge: Acknowledgement
    timestamp: str


class DeadLetterQuery(Body):
    """What webhooks did not take, the latest first."""

    webhook: str | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 50


class DeadLetter(Body):
    """The note `id` to `audience`, given up after so many attempts; `error`: of the last one."""

    webhook: str
    id: str
    audience: str
    title: str
    attempts: int
    error: str
    timestamp: str


class DeadLetterList(Ok):
    letters: list[DeadLetter] = []
    total: int = 0


class DeadLettersResend(Body):
    """These notes, which webhooks did not take, are to be sent to them again; `webhook`: only to this one."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=RESENT_MAX)]
    webhook: str | None = None


class DeadLettersResent(Ok):
    """Those of `ids` that are on their way again, once for each webhook; the others were not aside."""

    ids: list[str] = []
