"""Reading a subject's messages by batches of direct gets; nats-py has no call for it (nats-server ADR-31)."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from confer_kit.event_log import Unavailable
from confer_kit.follower import Delivered

_BATCH = 500
_TIMEOUT_S = 5.0
_ATTEMPTS, _BEHIND_S = 4, 0.1
NO_MESSAGE = 10037  # error code: the stream is there, the message is not


async def read(
    nc: Client, stream: str, subject: str, *, after: int, upto: int, limit: int | None = None
) -> list[Delivered]:
    """The messages under `subject` (or a pattern) with `after < seq <= upto`, in order, at most about `limit`.

    Raises Unavailable. A replica may lag behind and leave out the last ones: compare the last sequence, or `read_all`.
    """
    found: list[Delivered] = []
    while after < upto and (limit is None or len(found) < limit):
        batch = await _batch(nc, stream, subject, after + 1)
        if not batch:
            break
        found += [message for message in batch if message.seq <= upto]
        after = batch[-1].seq
    return found


async def read_all(
    nc: Client, stream: str, subject: str, *, after: int, upto: int, limit: int | None = None
) -> list[Delivered]:
    """As `read`, and none is missing: the leader tells the subject's last message, and no answer counts that ends
    before it. Raises Unavailable."""
    last = await _last_seq(nc, stream, subject)
    for attempt in range(_ATTEMPTS):
        await asyncio.sleep(attempt * _BEHIND_S)
        found = await read(nc, stream, subject, after=after, upto=last, limit=limit)
        if last <= after or (found and found[-1].seq == last) or (limit is not None and len(found) >= limit):
            return [message for message in found if message.seq <= upto]
    raise Unavailable("replicas that lag behind answered")


async def first_since(nc: Client, stream: str, at: float) -> int | None:
    """The sequence of the first message that was stored at `at` (Unix seconds) or later; None: there is none. Raises
    Unavailable."""
    when = datetime.fromtimestamp(max(0.0, at), UTC).isoformat().replace("+00:00", "Z")
    found = await _get(nc, stream, {"start_time": when, "next_by_subj": ">", "batch": 1})
    return found[0].seq if found else None


async def _last_seq(nc: Client, stream: str, subject: str) -> int:
    """From the leader; 0: there is none."""
    with reading():
        try:
            return (await nc.jetstream(timeout=_TIMEOUT_S).get_last_msg(stream, subject)).seq or 0
        except nats.js.errors.NotFoundError as error:
            if error.err_code == NO_MESSAGE:
                return 0
            raise


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Whatever goes wrong while reading, nothing was written: the log is unavailable."""
    try:
        yield
    except (TimeoutError, nats.errors.Error, nats.js.errors.Error) as error:
        raise Unavailable(f"{type(error).__name__}: {error}") from error


async def _batch(nc: Client, stream: str, subject: str, start: int) -> list[Delivered]:
    return await _get(nc, stream, {"seq": start, "next_by_subj": subject, "batch": _BATCH})


async def _get(nc: Client, stream: str, query: dict[str, object]) -> list[Delivered]:
    inbox = nc.new_inbox()
    messages: list[Delivered] = []
    with reading():
        replies = await nc.subscribe(inbox)
        try:
            await nc.publish(f"$JS.API.DIRECT.GET.{stream}", json.dumps(query).encode(), reply=inbox)
            while True:
                msg = await replies.next_msg(timeout=_TIMEOUT_S)
                if not msg.headers or "Nats-Sequence" not in msg.headers:
                    return messages  # 204 ends a batch, 404 says that nothing matches
                messages.append(_delivered(msg, msg.headers))
        finally:
            with contextlib.suppress(nats.errors.Error):
                await replies.unsubscribe()


def _delivered(msg: Msg, headers: dict[str, str]) -> Delivered:
    return Delivered(
        subject=headers["Nats-Subject"],
        seq=int(headers["Nats-Sequence"]),
        at=_unix(headers["Nats-Time-Stamp"]),
        data=msg.data,
        headers=headers,
    )


def _unix(stamp: str) -> float:
    """Go writes up to nine decimals, which Python's parser refuses."""
    seconds, _, fraction = stamp.removesuffix("Z").partition(".")
    return datetime.fromisoformat(seconds + "+00:00").timestamp() + float(f"0.{fraction or 0}")
