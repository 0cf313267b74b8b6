"""`confer tail`: the facts of an audience as they reach its members, with who did it and the trace."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import nats.errors
import nats.js.errors
import typer
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig, DeliverPolicy

from confer_contracts.ids import plain
from confer_contracts.subjects import LIVE, Header, Kind
from confer_kit import clock
from confer_kit.telemetry import trace_id_of
from confer_ops.asking import HERE, NatsUrl, doing
from confer_ops.audiences import FORMS, audience_of
from confer_ops.moments import moment
from confer_ops.trouble import Trouble

BODY_CHARS = 120
DONE_S = 0.5  # with --no-follow: so long nothing more came
_UNIT_S = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, slots=True)
class Told:
    """A fact. `at` (ISO) and `seq` are LIVE's; `audience` is `<kind>:<id>`; `event` None: clients do not get it."""

    at: str
    seq: int
    audience: str
    event: str | None
    actor: str | None
    op: str | None
    trace: str | None
    source: str | None
    body: Any


def tail(
    audience: Annotated[str | None, typer.Argument(help=f"{FORMS}; everything if not given")] = None,
    *,
    since: Annotated[
        str | None, typer.Option(help="from then on: ISO 8601 (UTC if it names no zone), or 30s, 5m, 1h ago; else now")
    ] = None,
    event: Annotated[list[str] | None, typer.Option(help="only this event; again for more")] = None,
    user: Annotated[str | None, typer.Option(help="only what this user did")] = None,
    trace: Annotated[str | None, typer.Option(help="only of this trace id")] = None,
    count: Annotated[int | None, typer.Option(help="end after so many", min=1)] = None,
    seconds: Annotated[float | None, typer.Option("--for", help="end after so many seconds", min=0.1)] = None,
    follow: Annotated[bool, typer.Option(help="go on with what comes")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="a line of JSON for each")] = False,
    nats_url: NatsUrl = HERE,
) -> None:
    """Follow facts until Ctrl-C. LIVE holds ten minutes; what is older: `confer activity`."""
    subject = ">" if audience is None else audience_of(audience)
    begin = None if since is None else beginning(since)

    async def show(nc: Client) -> None:
        left = count
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for fact in _facts(nc, subject, begin, follow):
                    wanted = (not event or fact.event in event) and user in (None, fact.actor)
                    if wanted and trace in (None, fact.trace):
                        print(json.dumps(asdict(fact), ensure_ascii=False) if as_json else line(fact), flush=True)
                        left = left and left - 1
                        if left == 0:
                            return

    try:
        doing(nats_url, show)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:  # whoever read has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def beginning(text: str) -> datetime:
    """`5m` is five minutes ago."""
    if text[:-1].isdecimal() and text[-1:] in _UNIT_S:
        return datetime.fromtimestamp(clock.now() - int(text[:-1]) * _UNIT_S[text[-1]], UTC)
    return datetime.fromisoformat(moment(text) or text)


def line(fact: Told) -> str:
    body = json.dumps(fact.body, ensure_ascii=False)
    short = body if len(body) <= BODY_CHARS else body[: BODY_CHARS - 1] + "…"
    return "  ".join([fact.at, fact.audience, fact.event or "-", fact.actor or "-", fact.trace or "-", short])


async def _facts(nc: Client, subject: str, begin: datetime | None, follow: bool) -> AsyncIterator[Told]:
    """Those of LIVE, in order; an edge's own ticks are nobody's."""
    policy = DeliverPolicy.NEW if begin is None else DeliverPolicy.BY_START_TIME
    config = ConsumerConfig(deliver_policy=policy, opt_start_time=begin)
    try:
        feed = await nc.jetstream().subscribe(subject, stream=LIVE, ordered_consumer=True, config=config)
    except (TimeoutError, nats.errors.Error, nats.js.errors.Error) as error:
        raise Trouble(f"The stream {LIVE} cannot be read ({error}): is it provisioned (`confer provision`)?") from None
    while True:
        try:
            message = await feed.next_msg(timeout=None if follow else DONE_S)
        except nats.errors.TimeoutError:
            return
        except nats.errors.Error as error:
            raise Trouble(f"NATS has ended the connection ({error}).") from None
        if not message.subject.startswith(f"{Kind.PROBE}."):
            yield told(message)


def told(message: Msg) -> Told:
    kind, ident = message.subject.split(".", 1)
    headers = message.headers or {}
    return shown(
        at=message.metadata.timestamp.timestamp(), seq=message.metadata.sequence.stream,
        audience=f"{kind}:{plain(ident)}", headers=headers, body=message.data,
        source=headers.get(Header.SOURCE, "").partition(":")[0].partition(" ")[0] or None,
    )  # fmt: skip


def shown(
    *, at: float, seq: int, audience: str, headers: Mapping[str, str], body: bytes, source: str | None
) -> Told:  # fmt: skip
    """Whoever wrote it, and whatever: none of it ends what shows it."""
    actor, op = headers.get(Header.ACTOR), headers.get(Header.OP)
    return Told(
        at=clock.iso(at), seq=seq, audience=audience, event=headers.get(Header.EVENT),
        actor=actor and plain(actor), op=op and plain(op), trace=trace_id_of(headers), source=source, body=_body(body),
    )  # fmt: skip


def _body(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None
