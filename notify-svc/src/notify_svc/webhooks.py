"""Notes that leave for other systems: signed, tried again with backoff, and put aside when it is no use.

Signed as of Standard Webhooks 1.0.0 (github.com/standard-webhooks): HMAC-SHA256 over id, time and body. A receiver
gets each note at least once and tells repetitions by `webhook-id`, which is the note's id.
"""

import base64
import hashlib
import hmac
import random
from collections.abc import Sequence
from functools import partial
from typing import Final

import orjson
import urllib3
from urllib3.exceptions import HTTPError

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.notify import SERVICE
from confer_contracts.notify_plan import (
    DeadLetter,
    DeadLetterList,
    DeadLetterQuery,
    DeadLettersResend,
    DeadLettersResent,
)
from confer_contracts.portal import shown_name
from confer_contracts.subjects import Kind
from confer_kit import clock
from confer_kit.calls import Context
from confer_kit.event_log import EventLog, Unavailable
from confer_kit.facts import StoredFact
from confer_kit.ledger import Ledger
from confer_kit.logs import logger
from confer_kit.service import Service
from confer_kit.threads import apart
from notify_svc import metrics
from notify_svc.codec import AUDIENCES, NOTE, notification_of
from notify_svc.dead_letters import AGAIN, DEAD_LETTERS, KIND, Again, Dead, PutAside, Source
from notify_svc.domain.audience import Sent
from notify_svc.domain.preferences import CRITICAL
from notify_svc.owed import ACT_S
from notify_svc.people import People
from notify_svc.settings import Settings
from notify_svc.webhook_file import Webhook

log = logger(__name__)
DeadLetters = Ledger[PutAside, Dead | Again]

EVENT: Final = "notification.sent"
BACKOFF_FACTOR, BACKOFF_MAX_S, JITTER = 4.0, 3600.0, 0.25
SPARE_S: Final = 15.0  # beyond an attempt's own time, before the server hands it to another replica
ERROR_CHARS: Final = 200
_GONE: Final = 410  # the receiver wants no more: tried once


def signed(key: bytes, note: str, at: int, body: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks, for a body that is sent at `at` (Unix seconds)."""
    digest = hmac.new(key, f"{note}.{at}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": note, "webhook-timestamp": str(at), "webhook-signature": signature}


def backoff(attempt: int, first_s: float) -> float:
    """Seconds after this attempt (from 1) until the next one, with jitter."""
    wait = min(BACKOFF_MAX_S, first_s * BACKOFF_FACTOR ** min(attempt - 1, 20))
    return wait * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - jitter


class Endpoint:
    """One webhook. Its address is the operator's, redirects are not followed, and no answer's body is read."""

    def __init__(
        self, notes: EventLog, people: People, dead: DeadLetters, webhook: Webhook, settings: Settings
    ) -> None:
        self.webhook = webhook
        self._key = webhook.key()
        self._attempts = settings.notify_webhook_attempts
        self._first_s = settings.notify_webhook_backoff_s
        self._age_s = settings.notify_webhook_age_s
        self._http = urllib3.PoolManager(
            retries=False, timeout=urllib3.Timeout(connect=webhook.timeout_s, read=webhook.timeout_s)
        )
        self._notes = notes
        self._people = people
        self._dead = dead

    @property
    def filters(self) -> list[str]:
        """The facts to deliver: all notes, and those that are to be sent to this webhook again."""
        return [f"log.{SERVICE}.*.*.{NOTE}", f"log.{SERVICE}.{KIND}.{self.webhook.name}.{AGAIN}"]

    async def deliver(self, fact: StoredFact, attempt: int) -> float | None:
        """As `confer_kit.deliveries.Delivering` has it."""
        asked = fact.subject.kind == KIND
        try:
            note = await self._asked_for(fact) if asked else fact
            sent = self._to_send(note, asked=asked) if note else None
            if note is None or sent is None:
                return None
            body = await self._body(sent, _audience(note))
        except (Unavailable, Rejection):
            return backoff(1, self._first_s)
        status, error = await self._post(sent.id, body)
        if error is None:
            metrics.WEBHOOKS.labels("delivered").inc()
            return None
        if attempt < self._attempts and status != _GONE:
            metrics.WEBHOOKS.labels("again").inc()
            log.info("a webhook did not take a note", webhook=self.webhook.name, attempt=attempt, reason=error)
            return backoff(attempt, self._first_s)
        return await self._put_aside(note, sent, attempt, error)

    async def resend(self, notes: Sequence[str], actor: str, deadline: float) -> list[str]:
        """Those of the notes that were aside, and are on their way again."""
        name = self.webhook.name
        letters = (await self._dead.load(name)).state.letters
        again = [note for note in notes if note in letters and letters[note].source]
        for note in again:
            await self._dead.transact(name, partial(DEAD_LETTERS.again, name, note, actor), deadline)
        return again

    async def dead(self) -> list[DeadLetter]:
        """What was put aside, the latest first."""
        letters = (await self._dead.load(self.webhook.name)).state.letters.values()
        return [_shown(self.webhook.name, letter) for letter in reversed(letters)]

    async def _asked_for(self, fact: StoredFact) -> StoredFact | None:
        """The note that somebody wants to be sent again; None: it was erased."""
        again = DEAD_LETTERS.decode(fact)
        assert isinstance(again, Again)
        subject, seq = again.source
        return next(iter(await self._notes.read(subject, after=seq - 1, upto=seq, limit=1)), None)

    def _to_send(self, note: StoredFact, *, asked: bool) -> Sent | None:
        """None: it is none of this webhook's, or says nothing to anybody any more. What somebody has asked for is sent
        however old it is."""
        sent = AUDIENCES.decode(note)
        if sent is None:
            return None
        content = sent.content
        if not asked and not self.webhook.takes(shown_name(_audience(note)), content.type, content.priority):
            return None
        now, expires_at = clock.now(), content.expires_at
        if (not asked and now - sent.at > self._age_s) or (expires_at is not None and expires_at <= now):
            metrics.WEBHOOKS.labels("late").inc()
            return None
        return sent

    async def _body(self, sent: Sent, audience: str) -> bytes:
        """The note; one to a single person also with what that person's preferences say now."""
        note, content = notification_of(sent, audience), sent.content
        kind, _, user = audience.partition(".")
        quiet: dict[str, str] = {}
        if kind == Kind.USER:
            wish = (await self._people.person(user)).preferences
            muted = content.covers is None and wish.silent(content.type, content.priority)
            note = note.model_copy(update={"muted": muted})
            until = None if content.priority == CRITICAL else wish.quiet_until(clock.now())
            quiet = {"quiet_until": clock.iso(until)} if until else {}
        data = note.model_dump(mode="json") | quiet
        return orjson.dumps({"type": EVENT, "timestamp": clock.iso(sent.at), "data": data})

    async def _post(self, note: str, body: bytes) -> tuple[int | None, str | None]:
        """The status of the answer, if there was one, and why that is none that we want."""
        headers = {"content-type": "application/json", "user-agent": "confer"}
        headers |= signed(self._key, note, int(clock.now()), body)
        try:
            status = await apart(partial(self._status, body, headers))
        except (HTTPError, OSError) as error:
            return None, f"{type(error).__name__}: {error}"[:ERROR_CHARS]
        return status, None if status in range(200, 300) else f"it answered {status}"

    def _status(self, body: bytes, headers: dict[str, str]) -> int:
        """In a thread."""
        answer = self._http.request(
            "POST", self.webhook.url, body=body, headers=headers, redirect=False, retries=False, preload_content=False
        )
        answer.close()
        return int(answer.status)

    async def _put_aside(self, note: StoredFact, sent: Sent, attempts: int, error: str) -> float | None:
        name, now = self.webhook.name, clock.now()
        letter = Dead(
            note=sent.id, audience=shown_name(_audience(note)), title=sent.content.title, attempts=attempts,
            error=error, at=now, source=Source(str(note.subject), note.seq),
        )  # fmt: skip
        try:
            await self._dead.transact(name, partial(DEAD_LETTERS.put_aside, name, letter), now + ACT_S)
        except Rejection:
            return backoff(1, self._first_s)
        metrics.WEBHOOKS.labels("dead").inc()
        log.error("a webhook's note was put aside", webhook=name, note=sent.id, attempts=attempts, reason=error)
        return None


class Deliveries:
    """All webhooks of an installation."""

    def __init__(self, service: Service, people: People, settings: Settings) -> None:
        self._service = service
        self._people = people
        self._settings = settings
        self._dead: DeadLetters = service.ledger(DEAD_LETTERS)
        self._endpoints: dict[str, Endpoint] = {}  # by the name of its delivery

    def use(self, webhooks: tuple[Webhook, ...]) -> None:
        """From now on these, and no others; what was under way to one that has changed is tried anew."""
        known = {endpoint.webhook: name for name, endpoint in self._endpoints.items()}
        for gone in known.keys() - webhooks:
            if gone.name not in {webhook.name for webhook in webhooks}:
                self._service.leave(known[gone])
            del self._endpoints[known[gone]]
        for webhook in (each for each in webhooks if each not in known):
            endpoint = Endpoint(self._service.log, self._people, self._dead, webhook, self._settings)
            wait = 2 * webhook.timeout_s + SPARE_S
            name = self._service.deliver(webhook.name, endpoint.filters, endpoint.deliver, ack_wait_s=wait)
            self._endpoints[name] = endpoint

    async def dead_letters(self, query: DeadLetterQuery, context: Context) -> DeadLetterList:
        """Of the webhooks that the file names."""
        wanted = [e for e in self._endpoints.values() if query.webhook in (None, e.webhook.name)]
        letters = [letter for endpoint in wanted for letter in await endpoint.dead()]
        letters.sort(key=lambda letter: letter.timestamp, reverse=True)
        return DeadLetterList(op=context.op, letters=letters[: query.limit], total=len(letters))

    async def dead_letters_resend(self, request: DeadLettersResend, context: Context) -> DeadLettersResent:
        """Rejection(not_found) for a webhook that the file does not name."""
        wanted = [e for e in self._endpoints.values() if request.webhook in (None, e.webhook.name)]
        if not wanted:
            known = [e.webhook.name for e in self._endpoints.values()]
            text = f"webhook: there is none of this name; there are {', '.join(known) or 'none'}"
            raise Rejection(ErrorCode.NOT_FOUND, text, field="webhook", details={"known": known})
        actor = context.identity.user_id
        again = [note for e in wanted for note in await e.resend(request.ids, actor, context.deadline)]
        return DeadLettersResent(op=context.op, ids=again)


def _shown(webhook: str, letter: Dead) -> DeadLetter:
    return DeadLetter(
        webhook=webhook, id=letter.note, audience=letter.audience, title=letter.title, attempts=letter.attempts,
        error=letter.error, timestamp=clock.iso(letter.at),
    )  # fmt: skip


def _audience(note: StoredFact) -> str:
    return f"{note.subject.kind}.{note.subject.ident}"
