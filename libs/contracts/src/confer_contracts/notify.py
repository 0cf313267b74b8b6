"""Notifications: to a user, role, room, queue, its staff, topic or everybody; inboxes and what became of their notes.
Owner: notify-svc.

Fan-out on read: one fact per notification, `log.notify.<kind>.<id>.note`; what a person did with theirs is
`log.notify.user.<user token>.state`.
"""

from typing import Any

from confer_contracts import subjects
from confer_contracts.inbox import (
    Counts,
    Digest,
    Follow,
    Followed,
    FollowFact,
    FollowReply,
    Inbox,
    InboxQuery,
    NotificationArchive,
    NotificationArchiveFact,
    NotificationPreferences,
    NotificationPreferencesFact,
    NotificationPreferencesReply,
    NotificationRead,
    NotificationReadFact,
    NotificationSeen,
    NotificationSeenFact,
    Preferences,
    QuietHours,
)
from confer_contracts.message import Body, Ok
from confer_contracts.notification import (
    Addressee,
    Link,
    MustAcknowledge,
    NewMessage,
    NoteState,
    Notification,
    NotificationData,
    NotificationSend,
    NotificationSendReply,
    NotificationTell,
    NotificationType,
    NotifyPriority,
    SendMessage,
    SendMessageReply,
    Title,
)
from confer_contracts.notify_plan import (
    AcknowledgeReply,
    Closed,
    DeadLetterList,
    DeadLetterQuery,
    DeadLettersResend,
    DeadLettersResent,
    Escalated,
    NotificationAcknowledge,
    NotificationCancel,
    Reminder,
    ScheduledList,
    ScheduledQuery,
)
from confer_contracts.route import Call, Fact, Snapshot, View
from confer_contracts.subjects import Kind

SERVICE = "notify"


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
                         further=lambda q: [to.audience for to in q.must_acknowledge.escalate_to]
                         if q.must_acknowledge else [],
                         doc="Tells somebody something; kept for those who are away.")  # fmt: skip
NOTIFICATION_TELL = Call(service=SERVICE, event="tell", request=NotificationTell, reply=NotificationSendReply,
                         public=False, doc="The same, for services.")  # fmt: skip
NOTIFICATION_SEEN = Call(service=SERVICE, event="notification_seen", request=NotificationSeen, reply=Ok,
                         with_withheld=True, doc="Marks own notifications as seen, on every tab.")  # fmt: skip
NOTIFICATION_READ = Call(service=SERVICE, event="notification_read", request=NotificationRead, reply=Ok,
                         with_withheld=True, doc="Marks own notifications as read, on every tab.")  # fmt: skip
NOTIFICATION_ARCHIVE = Call(service=SERVICE, event="notification_archive", request=NotificationArchive, reply=Ok,
                            with_withheld=True, doc="Puts own notifications away, on every tab.")  # fmt: skip
NOTIFICATION_INBOX = Call(service=SERVICE, event="notification_inbox", request=InboxQuery, reply=Inbox,
                          with_withheld=True, doc="A page of the own inbox.")  # fmt: skip
NOTIFICATION_PREFERENCES = Call(
    service=SERVICE, event="notification_preferences", request=NotificationPreferences,
    reply=NotificationPreferencesReply, doc="What the person wants to hear of, and when.",
)  # fmt: skip
TOPIC_FOLLOW = Call(service=SERVICE, event="topic_follow", request=Follow, reply=FollowReply,
                    audience=lambda q: q.followed.audience,
                    doc="From now on notes to the topic, or to the queue's staff, reach every tab of the person, and "
                    "the inbox.")  # fmt: skip
TOPIC_UNFOLLOW = Call(service=SERVICE, event="topic_unfollow", request=Follow, reply=FollowReply,
                      doc="They no longer do; those of before leave the inbox.")  # fmt: skip
SEND_MESSAGE = Call(service=SERVICE, event="send_message", request=SendMessage, reply=SendMessageReply,
                    audience=lambda q: subjects.audience(Kind.USER, q.target_user), reply_event="message_sent",
                    error_event=lambda q, text: ("message_error", {"error": text, "target_user": q.target_user}),
                    doc="A direct message to every tab of a person, or to the inbox.")  # fmt: skip
NOTIFICATION_SCHEDULED = Call(service=SERVICE, event="notification_scheduled", request=ScheduledQuery,
                              reply=ScheduledList, doc="The own notifications that wait for their time.")  # fmt: skip
NOTIFICATION_CANCEL = Call(service=SERVICE, event="notification_cancel", request=NotificationCancel, reply=Ok,
                           doc="Ends an own notification: one that waits, or that must be acknowledged.")  # fmt: skip
NOTIFICATION_ACKNOWLEDGE = Call(service=SERVICE, event="notification_acknowledge", request=NotificationAcknowledge,
                                reply=AcknowledgeReply, with_withheld=True,
                                doc="Acknowledges a notification for all whom it was for.")  # fmt: skip
DEAD_LETTERS = Call(service=SERVICE, event="dead_letters", request=DeadLetterQuery, reply=DeadLetterList, public=False,
                    ordered=False, doc="What webhooks did not take.")  # fmt: skip
DEAD_LETTERS_RESEND = Call(service=SERVICE, event="dead_letters_resend", request=DeadLettersResend,
                           reply=DeadLettersResent, public=False, doc="Sends some of them again.")  # fmt: skip
DASHBOARD = Call(service=SERVICE, event="dashboard", request=DashboardQuery, reply=NotifyDashboard, public=False,
                 ordered=False, with_withheld=True, doc="The notifications' part of a role's dashboard.")  # fmt: skip


def counts_of(part: dict[str, Any]) -> dict[str, Any]:
    """The body of `notification_counts` in a snapshot's part; a part of an older service has no `unseen`."""
    return Counts(unread=part["unread"], unseen=part.get("unseen"), quiet_until=part.get("quiet_until")).model_dump()


COUNTS = View(service=SERVICE, event="notification_counts", kind=Kind.USER, name="counts", body=Counts,
              of_snapshot=counts_of, doc="How many are unread, and unseen.")  # fmt: skip

CALLS = (
    NOTIFICATION_SEND, NOTIFICATION_TELL, NOTIFICATION_SEEN, NOTIFICATION_READ, NOTIFICATION_ARCHIVE,
    NOTIFICATION_INBOX, NOTIFICATION_PREFERENCES, TOPIC_FOLLOW, TOPIC_UNFOLLOW, SEND_MESSAGE, DASHBOARD,
    NOTIFICATION_SCHEDULED, NOTIFICATION_CANCEL, NOTIFICATION_ACKNOWLEDGE, DEAD_LETTERS,
    DEAD_LETTERS_RESEND,
)  # fmt: skip
SNAPSHOTS = (Snapshot(service=SERVICE, kind=Kind.USER, reply=Inbox),)
FACTS = (
    *(Fact(service=SERVICE, event="notification", kind=kind, body=Notification, doc="A notification.")
      for kind in (Kind.USER, Kind.ROLE, Kind.ROOM, Kind.QUEUE, Kind.STAFF, Kind.TOPIC, Kind.ALL)),
    Fact(service=SERVICE, event="new_message", kind=Kind.USER, body=NewMessage, doc="A direct message."),
    Fact(service=SERVICE, event="notification_seen", kind=Kind.USER, body=NotificationSeenFact,
         doc="The person has seen notifications, on some tab."),
    Fact(service=SERVICE, event="notification_read", kind=Kind.USER, body=NotificationReadFact,
         doc="The person read notifications, on some tab."),
    Fact(service=SERVICE, event="notification_archive", kind=Kind.USER, body=NotificationArchiveFact,
         doc="The person put notifications away, or took them back."),
    Fact(service=SERVICE, event="notification_preferences", kind=Kind.USER, body=NotificationPreferencesFact,
         doc="The person wants to hear of other things from now on."),
    Fact(service=SERVICE, event="topic_followed", kind=Kind.USER, body=FollowFact, doc="The person follows this."),
    Fact(service=SERVICE, event="topic_unfollowed", kind=Kind.USER, body=FollowFact,
         doc="The person no longer follows this."),
    *(Fact(service=SERVICE, event=event, kind=kind, body=body, doc=doc)
      for event, body, doc in (
          ("notification_reminder", Reminder, "Nobody has acknowledged a notification yet."),
          ("notification_escalated", Escalated, "Nobody has: somebody else is told as well."),
          ("notification_closed", Closed, "It need no longer be acknowledged. The sender is told as well."),
      )
      for kind in (Kind.USER, Kind.ROLE, Kind.STAFF, Kind.TOPIC, Kind.ALL)),
)  # fmt: skip
VIEWS = (COUNTS,)

__all__ = [
    "CALLS", "COUNTS", "FACTS", "SERVICE", "SNAPSHOTS", "VIEWS", "Addressee", "Counts", "Digest", "Follow",
    "FollowFact", "FollowReply", "Followed", "Inbox", "InboxQuery", "Link", "MustAcknowledge", "NewMessage",
    "NoteState", "Notification", "NotificationArchive", "NotificationArchiveFact", "NotificationData",
    "NotificationPreferences", "NotificationPreferencesFact", "NotificationPreferencesReply", "NotificationRead",
    "NotificationReadFact", "NotificationSeen", "NotificationSeenFact", "NotificationSend", "NotificationSendReply",
    "NotificationTell",
    "NotificationType", "NotifyPriority", "Preferences", "QuietHours", "SendMessage", "SendMessageReply", "Title",
]  # fmt: skip
