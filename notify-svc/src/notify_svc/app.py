"""The composition root: everything of notify-svc is wired here."""

from confer_contracts import notify
from confer_contracts.subjects import Kind
from confer_kit.service import Service
from notify_svc.codec import AUDIENCES
from notify_svc.digests import Digests
from notify_svc.handlers import Handlers
from notify_svc.inboxes import Inboxes
from notify_svc.own import Own
from notify_svc.people import People
from notify_svc.projection import Projection
from notify_svc.settings import Settings
from notify_svc.views import FLUSH_S, Counts, SeenLately


def build(service: Service, settings: Settings) -> None:
    inboxes = Inboxes(settings.notify_inbox_kept, settings.notify_window)
    lately = SeenLately(settings.notify_counted_people)
    people = People(service)
    audiences = service.ledger(AUDIENCES)
    handlers = Handlers(service, audiences, inboxes, lately, people, dedupe_s=settings.notify_dedupe_s)
    own = Own(service, inboxes, people)
    counts = Counts(service, people.ledger, inboxes)
    digests = Digests(service, audiences, people, inboxes)
    projection = Projection(inboxes, lately, counts, digests, service.timers)

    service.serve(notify.NOTIFICATION_SEND, handlers.notification_send)
    service.serve(notify.SEND_MESSAGE, handlers.send_message)
    service.serve(notify.DASHBOARD, handlers.dashboard)
    service.serve(notify.NOTIFICATION_INBOX, own.notification_inbox)
    service.serve(notify.NOTIFICATION_SEEN, own.notification_seen)
    service.serve(notify.NOTIFICATION_READ, own.notification_read)
    service.serve(notify.NOTIFICATION_ARCHIVE, own.notification_archive)
    service.serve(notify.NOTIFICATION_PREFERENCES, own.notification_preferences)
    service.serve(notify.TOPIC_FOLLOW, own.topic_follow)
    service.serve(notify.TOPIC_UNFOLLOW, own.topic_unfollow)
    service.snapshot(Kind.USER, handlers.snapshot)
    service.follow(projection.follow, start="all")
    service.on_caught_up(projection.go_live)
    service.on_reset(projection.clear)
    service.every(FLUSH_S, counts.flush)
