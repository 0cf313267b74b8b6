"""Notes that leave for other systems: signed, tried again with backoff, and put aside when it is no use.

Signed as of Standard Webhooks 1.0.0 (github.com/standard-webhooks): HMAC-SHA256 over id, time and body. A receiver
gets each note at least once and tells repetitions by `webhook-id`, which is the note's id.
"""

import base64
import hashlib
import hmac
import random
from functools import partial
from typing import Final

import orjson
import urllib3
from urllib3.exceptions import HTTPError

from confer_contracts.errors import Rejection
from confer_contracts.notify_plan import DeadLetter, DeadLetterList, DeadLetterQuery
from confer_contracts.portal import shown_name
from confer_kit import clock
from confer_kit.calls import Context
from confer_kit.facts import StoredFact
from confer_kit.logs import logger
from confer_kit.service import Service
from confer_kit.threads import apart
from notify_svc import metrics
from notify_svc.codec import AUDIENCES, notification_of
from notify_svc.dead_letters import DEAD_LETTERS, Dead
from notify_svc.domain.audience import Sent
from notify_svc.owed import ACT_S
from notify_svc.settings import Settings
from notify_svc.webhook_file import Webhook

log = logger(__name__)

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

    def __init__(self, service: Service, webhook: Webhook, settings: Settings) -> None:
        self.webhook = webhook
        self._key = webhook.key()
        self._attempts = settings.notify_webhook_attempts
        self._first_s = settings.notify_webhook_backoff_s
        self._age_s = settings.notify_webhook_age_s
        self._http = urllib3.PoolManager(
            retries=False, timeout=urllib3.Timeout(connect=webhook.timeout_s, read=webhook.timeout_s)
        )
        self._dead = service.ledger(DEAD_LETTERS)

    async def deliver(self, fact: StoredFact, attempt: int) -> float | None:
        """As `confer_kit.deliveries.Delivering` has it."""
        sent = AUDIENCES.decode(fact)
        key = f"{fact.subject.kind}.{fact.subject.ident}"
        audience = shown_name(key)
        if sent is None or not self.webhook.takes(audience, sent.content.type, sent.content.priority):
            return None
        if self._is_late(sent):
            metrics.WEBHOOKS.labels("late").inc()
            return None
        status, error = await self._post(sent, key)
        if error is None:
            metrics.WEBHOOKS.labels("delivered").inc()
            return None
        if attempt < self._attempts and status != _GONE:
            metrics.WEBHOOKS.labels("again").inc()
            log.info("a webhook did not take a note", webhook=self.webhook.name, attempt=attempt, reason=error)
            return backoff(attempt, self._first_s)
        return await self._put_aside(sent, audience, attempt, error)

    async def dead(self) -> list[DeadLetter]:
        """What was put aside, the latest first."""
        letters = (await self._dead.load(self.webhook.name)).state.letters.values()
        return [_shown(self.webhook.name, letter) for letter in reversed(letters)]

    def _is_late(self, sent: Sent) -> bool:
        """Whether it says nothing to anybody any more: an old one, of a webhook that was away, or an expired one."""
        expires_at, now = sent.content.expires_at, clock.now()
        return now - sent.at > self._age_s or (expires_at is not None and expires_at <= now)

    async def _post(self, sent: Sent, key: str) -> tuple[int | None, str | None]:
        """The status of the answer, if there was one, and why that is none that we want."""
        note = notification_of(sent, key).model_dump(mode="json")
        body = orjson.dumps({"type": EVENT, "timestamp": clock.iso(sent.at), "data": note})
        headers = {"content-type": "application/json", "user-agent": "confer"}
        headers |= signed(self._key, sent.id, int(clock.now()), body)
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

    async def _put_aside(self, sent: Sent, audience: str, attempts: int, error: str) -> float | None:
        name, now = self.webhook.name, clock.now()
        letter = Dead(
            note=sent.id, audience=audience, title=sent.content.title, attempts=attempts, error=error, at=now
        )  # fmt: skip
        try:
            await self._dead.transact(name, lambda state: DEAD_LETTERS.encode(name, letter, state), now + ACT_S)
        except Rejection:
            return backoff(1, self._first_s)
        metrics.WEBHOOKS.labels("dead").inc()
        log.error("a webhook's note was put aside", webhook=name, note=sent.id, attempts=attempts, reason=error)
        return None


class Deliveries:
    """All webhooks of an installation."""

    def __init__(self, service: Service, webhooks: tuple[Webhook, ...], settings: Settings) -> None:
        self._endpoints = [Endpoint(service, each, settings) for each in webhooks]
        for endpoint in self._endpoints:
            wait = 2 * endpoint.webhook.timeout_s + SPARE_S
            service.deliver(endpoint.webhook.name, ["log.notify.*.*.note"], endpoint.deliver, ack_wait_s=wait)

    async def dead_letters(self, query: DeadLetterQuery, context: Context) -> DeadLetterList:
        """Of the webhooks that the file names."""
        wanted = [e for e in self._endpoints if query.webhook in (None, e.webhook.name)]
        letters = [letter for endpoint in wanted for letter in await endpoint.dead()]
        letters.sort(key=lambda letter: letter.timestamp, reverse=True)
        return DeadLetterList(op=context.op, letters=letters[: query.limit], total=len(letters))


def _shown(webhook: str, letter: Dead) -> DeadLetter:
    return DeadLetter(
        webhook=webhook, id=letter.note, audience=letter.audience, title=letter.title, attempts=letter.attempts,
        error=letter.error, timestamp=clock.iso(letter.at),
    )  # fmt: skip
