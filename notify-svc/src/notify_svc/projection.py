"""Brings each fact of the log to those who read from it, and what time changes: expiry, and quiet hours that begin."""

from confer_kit import clock
from confer_kit.facts import StoredFact
from confer_kit.timers import Timers
from notify_svc.codec import AUDIENCES, NOTE
from notify_svc.digests import Digests
from notify_svc.domain.person import Followed, Preferred, Seen
from notify_svc.domain.preferences import Quiet
from notify_svc.handlers import Handlers
from notify_svc.inboxes import Entry, Inboxes
from notify_svc.person_codec import PERSONS, STATE
from notify_svc.plan_codec import ACK, SCHEDULE
from notify_svc.views import Counts, SeenLately

_EXPIRY = "expiry"


class Projection:
    def __init__(
        self,
        inboxes: Inboxes,
        lately: SeenLately,
        counts: Counts,
        digests: Digests,
        *,
        timers: Timers,
        handlers: Handlers,
    ) -> None:
        self._inboxes = inboxes
        self._lately = lately
        self._counts = counts
        self._digests = digests
        self._timers = timers
        self._scheduling = handlers.scheduling
        self._acknowledging = handlers.acknowledging
        self._live = False
        self._expiry: float | None = None  # when the timer fires
        self._quiet: dict[str, Quiet] = {}  # of those who have quiet hours

    def go_live(self) -> None:
        """From now on facts are news; those before had their counts when they were."""
        self._live = True
        self._scheduling.go_live()
        self._acknowledging.go_live()

    def clear(self) -> None:
        """The log was made anew."""
        self._inboxes.clear()
        self._lately.clear()
        self._quiet.clear()
        self._scheduling.clear()
        self._acknowledging.clear()
        self._timers.cancel(_EXPIRY)
        self._expiry = None

    def follow(self, fact: StoredFact) -> None:
        changed = self._changed(fact)
        if self._live:
            self._counts.changed(changed)

    def _changed(self, fact: StoredFact) -> list[str]:
        """The tokens of those who may have other counts now."""
        key = fact.subject.key
        if key == NOTE:
            return self._note(fact)
        if key == STATE:
            return self._state(fact)
        if key == SCHEDULE:
            self._scheduling.follow(fact)
        elif key.startswith(ACK):
            self._acknowledging.follow(fact)
        return []

    def _note(self, fact: StoredFact) -> list[str]:
        """The tokens of those whose inbox has a new note."""
        sent = AUDIENCES.decode(fact)
        if sent is None:
            return []
        audience = f"{fact.subject.kind}.{fact.subject.ident}"
        self._inboxes.add(Entry(fact.seq, audience, sent))
        self._scheduling.noted(sent)
        self._acknowledging.noted(audience, sent)
        if sent.content.expires_at is not None:
            self._wait_for_expiry()
        return self._lately.told_by(audience)

    def _state(self, fact: StoredFact) -> list[str]:
        """The token of whoever has other counts now."""
        user, event = fact.subject.ident, PERSONS.decode(fact)
        match event:
            case Seen():
                self._lately.saw(user, event.role)
                return []
            case Followed():
                self._lately.follows(user, event.audience, on=event.on)
            case Preferred():
                self._wait_for_quiet(user, event.preferences.quiet)
                self._digests.prefer(user, event.preferences)
        return [user]

    def _wait_for_expiry(self) -> None:
        due = self._inboxes.next_expiry
        if due is not None and due != self._expiry:
            self._expiry = due
            self._timers.set(_EXPIRY, due, self._expire)

    async def _expire(self) -> None:
        self._expiry = None
        for audience in self._inboxes.expire(clock.now()):
            self._counts.changed(self._lately.told_by(audience))
        self._wait_for_expiry()

    def _wait_for_quiet(self, user: str, quiet: Quiet | None) -> None:
        """When they begin, the person's pages are told until when."""
        if quiet is None:
            self._quiet.pop(user, None)
            self._timers.cancel(f"quiet {user}")
            return
        self._quiet[user] = quiet

        async def begins() -> None:
            self._counts.changed([user])
            self._wait_for_quiet(user, self._quiet.get(user))

        self._timers.set(f"quiet {user}", quiet.begins(clock.now()), begins)
