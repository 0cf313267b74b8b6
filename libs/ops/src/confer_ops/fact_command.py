"""`confer fact`: one fact as its stream holds it, however old, and whether a service wrote it."""

import json
from dataclasses import asdict
from typing import Annotated, Final

import nats.errors
import nats.js.errors
import typer
from nats.aio.client import Client

from confer_contracts.catalogue import SERVICES
from confer_contracts.ids import plain
from confer_contracts.subjects import FactSubject, stream_of
from confer_kit.jetstream import is_foreign
from confer_ops.asking import HERE, NatsUrl, doing
from confer_ops.tail_command import Told, line, shown
from confer_ops.trouble import Trouble

LOGS: Final = tuple(map(stream_of, SERVICES))


def fact(
    stream: Annotated[str, typer.Argument(help="PRESENCE, SYNC, QUEUE or NOTIFY, as alerts and logs name it")],
    seq: Annotated[int, typer.Argument(help="its sequence there", min=1)],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="answer in JSON")] = False,
    nats_url: NatsUrl = HERE,
) -> None:
    """Show a fact of a service's stream, and whether a service wrote it. Exit status 1 where it is not there."""
    if stream.upper() not in LOGS:
        raise Trouble(f"{stream!r} is no stream of a service; there are {', '.join(LOGS)}.")
    told, foreign = doing(nats_url, lambda nc: _read(nc, stream.upper(), seq))
    if as_json:
        print(json.dumps({**asdict(told), "by_a_service": not foreign}, ensure_ascii=False))
    else:
        print(line(told))
        print("no service wrote it" if foreign else "a service wrote it")


async def _read(nc: Client, stream: str, seq: int) -> tuple[Told, bool]:
    try:
        raw = await nc.jetstream(timeout=5).get_msg(stream, seq)
    except nats.js.errors.NotFoundError:
        raise Trouble(f"{stream} has no fact {seq} (any more).") from None
    except (TimeoutError, nats.errors.Error, nats.js.errors.Error) as error:
        raise Trouble(f"The stream {stream} cannot be read ({error}).") from None
    assert raw.subject is not None
    assert raw.time is not None
    headers = raw.headers or {}
    told = shown(
        at=raw.time.timestamp(), seq=seq, audience=_audience(raw.subject), headers=headers, body=raw.data or b"",
        source=stream,
    )  # fmt: skip
    return told, is_foreign(headers)


def _audience(subject: str) -> str:
    try:
        found = FactSubject.parse(subject)
    except ValueError:
        return subject  # no service writes there
    return f"{found.kind}:{plain(found.ident)}"
