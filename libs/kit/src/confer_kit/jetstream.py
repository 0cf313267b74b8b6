"""The event log on JetStream: the only file that knows its headers and error codes (nats-server ADR-8, ADR-31)."""

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from confer_contracts.subjects import FactSubject, stream_of
from confer_kit import telemetry
from confer_kit.event_log import Conflict, OutcomeUnknown, Unavailable
from confer_kit.facts import NewFact, StoredFact

_WRONG_LAST_SEQUENCE = {10071, 10164}
_NO_MESSAGE = 10037
_BATCH = 500
_EXPECTED = "Nats-Expected-Last-Subject-Sequence"
_EXPECTED_UNDER = "Nats-Expected-Last-Subject-Sequence-Subject"
_READ_TIMEOUT_S = 5.0


class JetStreamEventLog:
    """An EventLog over the streams that provisioning made; each service's stream is named by its facts' subject."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc
        self._js = nc.jetstream()

    async def append(self, fact: NewFact, *, guard: str, expected: int, timeout: float) -> int:
        subject = str(fact.subject)
        route = fact.subject.template
        with telemetry.span(f"send {route}", telemetry.Kind.PRODUCER, attributes={telemetry.ROUTE: route}) as span:
            headers = fact.headers() | telemetry.inject() | {_EXPECTED: str(expected)}
            if guard != subject:
                headers[_EXPECTED_UNDER] = guard
            try:
                ack = await self._js.publish(subject, fact.body, timeout=timeout, headers=headers)
            except nats.js.errors.NoStreamResponseError as error:
                raise Unavailable(str(error)) from error
            except nats.js.errors.APIError as error:
                if error.err_code in _WRONG_LAST_SEQUENCE:
                    raise Conflict(guard) from error
                raise Unavailable(str(error)) from error
            except (TimeoutError, nats.errors.Error) as error:
                raise OutcomeUnknown(str(error)) from error
            span.set_attribute(telemetry.SEQUENCE, ack.seq)
        return int(ack.seq)

    async def last(self, guard: str) -> StoredFact | None:
        with _reading():
            try:
                raw = await self._js.get_last_msg(_stream(guard), guard)
            except nats.js.errors.NotFoundError as error:
                if error.err_code == _NO_MESSAGE:
                    return None
                raise
        assert raw.subject is not None and raw.seq is not None and raw.time is not None
        return StoredFact(
            subject=FactSubject.parse(raw.subject),
            seq=raw.seq,
            at=raw.time.timestamp(),
            body=raw.data or b"",
            headers=raw.headers or {},
        )

    async def read(self, guard: str, *, after: int, upto: int) -> Sequence[StoredFact]:
        facts: list[StoredFact] = []
        while after < upto:
            batch = [f async for f in self._batch(guard, after + 1)]
            if not batch:
                break
            facts += [f for f in batch if f.seq <= upto]
            after = batch[-1].seq
        return facts

    async def _batch(self, guard: str, start: int) -> AsyncIterator[StoredFact]:
        """One batch of direct gets; nats-py has no call for it, so the request is written out."""
        inbox = self._nc.new_inbox()
        with _reading():
            replies = await self._nc.subscribe(inbox)
            try:
                query = json.dumps({"seq": start, "next_by_subj": guard, "batch": _BATCH}).encode()
                await self._nc.publish(f"$JS.API.DIRECT.GET.{_stream(guard)}", query, reply=inbox)
                while True:
                    msg = await replies.next_msg(timeout=_READ_TIMEOUT_S)
                    if not msg.headers or "Nats-Sequence" not in msg.headers:
                        return  # 204 ends a batch, 404 says that nothing matches
                    yield _direct(msg)
            finally:
                with contextlib.suppress(nats.errors.Error):
                    await replies.unsubscribe()


@contextlib.contextmanager
def _reading() -> Any:
    """Whatever goes wrong while reading, nothing was written: the log is unavailable."""
    try:
        yield
    except (TimeoutError, nats.errors.Error, nats.js.errors.Error) as error:
        raise Unavailable(f"{type(error).__name__}: {error}") from error


def _stream(subject: str) -> str:
    return stream_of(subject.split(".")[1])


def _direct(msg: Msg) -> StoredFact:
    headers = msg.headers or {}
    return StoredFact(
        subject=FactSubject.parse(headers["Nats-Subject"]),
        seq=int(headers["Nats-Sequence"]),
        at=_unix(headers["Nats-Time-Stamp"]),
        body=msg.data,
        headers=headers,
    )


def _unix(stamp: str) -> float:
    """Go writes up to nine decimals, which Python's parser refuses."""
    seconds, _, fraction = stamp.removesuffix("Z").partition(".")
    return datetime.fromisoformat(seconds + "+00:00").timestamp() + float(f"0.{fraction or 0}")
