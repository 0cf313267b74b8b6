"""The event log on JetStream: the only file that knows its headers and error codes (nats-server ADR-8, ADR-31)."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import nats.errors
import nats.js.errors
import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from opentelemetry.trace import Span

from confer_contracts.subjects import FactSubject, stream_of
from confer_kit import clock, metrics, telemetry
from confer_kit.direct import NO_MESSAGE, read, reading
from confer_kit.event_log import Append, Conflict, OutcomeUnknown, Unavailable
from confer_kit.facts import NewFact, StoredFact
from confer_kit.nats_client import DirectClient, nobody_answers

_WRONG_LAST_SEQUENCE = {10071, 10164}
_OUTCOMES: dict[type, str] = {Conflict: "conflict", OutcomeUnknown: "outcome_unknown", Unavailable: "unavailable"}
_APPENDED = metrics.APPENDS.labels("stored")
_EXPECTED = "Nats-Expected-Last-Subject-Sequence"
_EXPECTED_UNDER = "Nats-Expected-Last-Subject-Sequence-Subject"
_BATCH, _BATCH_SEQUENCE, _BATCH_COMMIT = "Nats-Batch-Id", "Nats-Batch-Sequence", "Nats-Batch-Commit"


class JetStreamEventLog:
    """An EventLog over the streams that provisioning made; each service's stream is named by its facts' subject."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc
        self._js = nc.jetstream()

    async def append(self, fact: NewFact, *, guard: str, expected: int, timeout: float) -> int:
        subject = str(fact.subject)
        with telemetry.sending(fact.subject.template) as span:
            headers = fact.headers() | telemetry.inject()
            if guard != subject:
                headers[_EXPECTED_UNDER] = guard
            seq = await replace(self._nc, subject, fact.body, expected=expected, timeout=timeout, headers=headers)
            _noted(span, fact, seq)
        return seq

    async def append_all(self, appends: Sequence[Append], *, timeout: float) -> int:
        """An atomic batch (nats-server ADR-50): what comes before its last message is not answered."""
        batch = clock.new_id()
        with telemetry.sending(appends[0].fact.subject.template) as span:
            messages = [
                (str(fact.subject), fact.body, fact.headers() | telemetry.inject() | {
                    _EXPECTED: str(expected), _EXPECTED_UNDER: guard, _BATCH: batch, _BATCH_SEQUENCE: str(number),
                })
                for number, (fact, guard, expected) in enumerate(appends, 1)
            ]  # fmt: skip
            *first, (subject, body, headers) = messages
            try:
                for each in first:
                    await self._nc.publish(each[0], each[1], headers=each[2])
            except nats.errors.Error as error:
                raise Unavailable(str(error)) from error
            request = self._nc.request(subject, body, timeout=timeout, headers=headers | {_BATCH_COMMIT: "1"})
            seq = await _sequence(subject, request)
            _noted(span, appends[-1].fact, seq)
            span.set_attribute(telemetry.BATCH, len(appends))
        return seq

    async def last(self, guard: str) -> StoredFact | None:
        with reading():
            try:
                raw = await self._js.get_last_msg(_stream(guard), guard)
            except nats.js.errors.NotFoundError as error:
                if error.err_code == NO_MESSAGE:
                    return None
                raise
        assert raw.subject is not None and raw.seq is not None and raw.time is not None
        return StoredFact(
            subject=FactSubject.parse(raw.subject),
            seq=raw.seq,
            at=raw.time.timestamp(),
            body=raw.data or b"",
            headers=raw.headers or {},
            foreign=is_foreign(raw.headers or {}),
        )

    async def read(self, guard: str, *, after: int, upto: int, limit: int | None = None) -> Sequence[StoredFact]:
        messages = await read(self._nc, _stream(guard), guard, after=after, upto=upto, limit=limit)
        return [
            StoredFact(
                subject=FactSubject.parse(m.subject),
                seq=m.seq,
                at=m.at,
                body=m.data,
                headers=m.headers,
                foreign=is_foreign(m.headers),
            )
            for m in messages[:limit]
        ]


def is_foreign(headers: Mapping[str, str]) -> bool:
    """Whether no service appended the fact: the server keeps with each of theirs the sequence that it expected."""
    return _EXPECTED not in headers


def _noted(span: Span, fact: NewFact, seq: int) -> None:
    if span.is_recording():
        told: dict[str, str | int] = {
            telemetry.AUDIENCE_KIND: fact.subject.kind,
            telemetry.SEQUENCE: seq,
            telemetry.OUTCOME: "ok",
        }
        span.set_attributes({**told, **telemetry.ids({"messaging.destination.name": str(fact.subject)})})


async def replace(
    nc: Client, subject: str, body: bytes, *, expected: int | None, timeout: float,
    headers: dict[str, str] | None = None,
) -> int:  # fmt: skip
    """Store a message if `expected` is the subject's last sequence (0: none yet; None: whatever was there, this one
    counts now); answers its sequence. Raises as `EventLog.append` does."""
    condition = {} if expected is None else {_EXPECTED: str(expected)}
    request = nc.request(subject, body, timeout=timeout, headers={**(headers or {}), **condition})
    return await _sequence(subject, request)


async def replace_later(
    nc: DirectClient, subject: str, body: bytes, *, expected: int, timeout: float
) -> Callable[[], Awaitable[int]]:
    """Send what `replace` sends, and answer with a function that waits for what `replace` answers: many may be under
    way at once. OutcomeUnknown when it cannot even be sent."""
    try:
        return partial(_sequence, subject, await nc.ask(subject, body, timeout, {_EXPECTED: str(expected)}))
    except nats.errors.Error as error:
        raise OutcomeUnknown(str(error)) from error


async def _sequence(subject: str, request: Awaitable[Msg]) -> int:
    """In the answer to a publish, which is counted."""
    began = time.perf_counter()
    try:
        seq = _stored(subject, await _answer(request))
    except (Conflict, OutcomeUnknown, Unavailable) as error:
        metrics.APPENDS.labels(_OUTCOMES[type(error)]).inc()
        raise
    finally:
        metrics.APPEND_SECONDS.observe(time.perf_counter() - began, telemetry.exemplar())
    _APPENDED.inc()
    return seq


async def _answer(request: Awaitable[Msg]) -> dict[str, Any]:
    try:
        answer = await request
        if nobody_answers(answer):
            raise nats.errors.NoRespondersError
        return dict(orjson.loads(answer.data))
    except nats.errors.NoRespondersError:
        raise Unavailable("no stream has this subject, or none answers") from None
    except (TimeoutError, nats.errors.Error, ValueError) as error:
        raise OutcomeUnknown(str(error)) from error


def _stored(subject: str, answer: dict[str, Any]) -> int:
    """The sequence in JetStream's answer (nats-server ADR-1). Conflict; Unavailable for any other refusal."""
    refused = answer.get("error")
    if refused is None:
        return int(answer["seq"])
    if refused.get("err_code") in _WRONG_LAST_SEQUENCE:
        raise Conflict(subject)
    raise Unavailable(str(refused.get("description") or refused))


def _stream(guard: str) -> str:
    return stream_of(guard.split(".")[1])
