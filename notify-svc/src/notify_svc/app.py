"""The composition root: everything of notify-svc is wired here."""

from confer_contracts import notify
from confer_contracts.subjects import Kind
from confer_kit.facts import StoredFact
from confer_kit.service import Service
from notify_svc.codec import AUDIENCES, NOTE, PERSONS, notification_of
from notify_svc.domain.person import Seen
from notify_svc.handlers import Handlers
from notify_svc.settings import Settings
from notify_svc.views import FLUSH_S, Counts, Inboxes, SeenLately


def build(service: Service, settings: Settings) -> None:
    inboxes = Inboxes(settings.notify_inbox_kept, settings.notify_window)
    lately = SeenLately(settings.notify_counted_people)
    handlers = Handlers(service, inboxes, lately)
    projection = Projection(inboxes, lately, Counts(service, handlers.persons, inboxes))

    service.serve(notify.NOTIFICATION_SEND, handlers.notification_send)
    service.serve(notify.NOTIFICATION_READ, handlers.notification_read)
    service.serve(notify.NOTIFICATION_INBOX, handlers.notification_inbox)
    service.serve(notify.SEND_MESSAGE, handlers.send_message)
    service.serve(notify.DASHBOARD, handlers.dashboard)
    service.snapshot(Kind.USER, handlers.snapshot)
    service.follow(projection.follow, start="all")
    service.on_caught_up(projection.go_live)
    service.on_reset(inboxes.clear)
    service.every(FLUSH_S, projection.counts.flush)


class Projection:
    """Brings each fact of the log to those who read from it."""

    def __init__(self, inboxes: Inboxes, lately: SeenLately, counts: Counts) -> None:
        self._inboxes = inboxes
        self._lately = lately
        self.counts = counts
        self._live = False

    def go_live(self) -> None:
        """From now on facts are news; those before had their counts when they were."""
        self._live = True

    def follow(self, fact: StoredFact) -> None:
        changed = self._note(fact) if fact.subject.key == NOTE else self._state(fact)
        if self._live:
            self.counts.changed(changed)

    def _note(self, fact: StoredFact) -> list[str]:
        """The tokens of those whose inbox has a new note."""
        sent = AUDIENCES.decode(fact)
        if sent is None:
            return []
        self._inboxes.add(fact.subject, fact.seq, notification_of(sent))
        return self._lately.told_by(fact.subject)

    def _state(self, fact: StoredFact) -> list[str]:
        """The token of whoever read something."""
        event = PERSONS.decode(fact)
        if isinstance(event, Seen):
            self._lately.saw(fact.subject.ident, event.role)
            return []
        return [fact.subject.ident]
