"""The composition root: everything of notify-svc is wired here."""

from functools import partial

from confer_contracts import notify
from confer_contracts.subjects import Kind
from confer_kit.service import Service
from notify_svc import metrics
from notify_svc.codec import AUDIENCES
from notify_svc.digests import Digests
from notify_svc.handlers import Handlers
from notify_svc.inboxes import Inboxes
from notify_svc.own import Own
from notify_svc.people import People
from notify_svc.projection import Projection
from notify_svc.ruling import Ruling, rules_of
from notify_svc.settings import Settings
from notify_svc.views import FLUSH_S, Counts, SeenLately
from notify_svc.webhook_file import webhooks_of
from notify_svc.webhooks import Deliveries


def build(service: Service, settings: Settings) -> None:
    inboxes = Inboxes(settings.notify_inbox_kept, settings.notify_window)
    lately = SeenLately(settings.notify_counted_people)
    people = People(service)
    audiences = service.ledger(AUDIENCES)
    handlers = Handlers(service, audiences, inboxes, lately, people, settings=settings)
    own = Own(service, inboxes, people, handlers.acknowledging, follows_max=settings.notify_follows_max)
    counts = Counts(service, people.ledger, inboxes, lately)
    digests = Digests(service, audiences, people, inboxes)
    projection = Projection(inboxes, lately, counts, digests, timers=service.timers, handlers=handlers)
    deliveries = Deliveries(service, people, settings)
    ruling = Ruling(service, handlers.notification_send, settings.notify_rules_age_s)
    rules_file, webhooks_file = settings.notify_rules_file, settings.notify_webhooks_file
    rules = partial(rules_of, repeat_min_s=settings.notify_repeat_min_s)
    service.use_file("CONFER_NOTIFY_RULES_FILE", rules_file, rules, "rules", ruling.use)
    service.use_file("CONFER_NOTIFY_WEBHOOKS_FILE", webhooks_file, webhooks_of, "webhooks", deliveries.use)
    metrics.UNREAD.set_function(lately.unread)
    metrics.PEOPLE.set_function(lambda: lately.people)
    metrics.SCHEDULED.set_function(lambda: len(handlers.scheduling))
    metrics.UNACKNOWLEDGED.set_function(lambda: handlers.acknowledging.open)

    service.serve(notify.NOTIFICATION_SEND, handlers.notification_send)
    service.serve(notify.NOTIFICATION_TELL, handlers.notification_send)
    service.serve(notify.NOTIFICATION_SCHEDULED, handlers.scheduling.notification_scheduled)
    service.serve(notify.NOTIFICATION_CANCEL, handlers.notification_cancel)
    service.serve(notify.NOTIFICATION_ACKNOWLEDGE, handlers.acknowledging.notification_acknowledge)
    service.serve(notify.DEAD_LETTERS, deliveries.dead_letters)
    service.serve(notify.DEAD_LETTERS_RESEND, deliveries.dead_letters_resend)
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
