"""`confer activity`: who did what when, as a table, as JSON lines, or as FHIR AuditEvents."""

import json
import sys
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Annotated, Any, get_args

import typer
from nats.aio.client import Client
from pydantic import ValidationError

from confer_contracts.activity import ROWS_MAX, ActivityChange, ActivityKind, ActivityQuery, ActivityReply, ActivityRow
from confer_contracts.sync import ACTIVITY_LOG
from confer_kit.serving import explain
from confer_ops.asking import HERE, Actor, NatsUrl, answer, by, doing
from confer_ops.console import table
from confer_ops.moments import moment
from confer_ops.trouble import Trouble

TABLE_ROWS = 50
VALUE_CHARS = 30
Kind = StrEnum("Kind", {kind: kind for kind in get_args(ActivityKind)})  # type: ignore[misc]


class Format(StrEnum):
    TABLE = "table"
    JSONL = "jsonl"
    FHIR = "fhir"


def activity(
    *,
    record: Annotated[str | None, typer.Option(help="of this patient's record")] = None,
    session: Annotated[str | None, typer.Option(help="of this hospital_mobile session's record")] = None,
    user: Annotated[str | None, typer.Option(help="by this person")] = None,
    kind: Annotated[
        list[Kind] | None, typer.Option(help="only this; again for more. If not given: all but read and refusal")
    ] = None,
    since: Annotated[str | None, typer.Option(help="from then on, as of ISO 8601; UTC if it names no zone")] = None,
    until: Annotated[str | None, typer.Option(help="before then")] = None,
    form: Annotated[
        Format, typer.Option("--format", help="a table, JSON lines, or FHIR R4 AuditEvents, one a line")
    ] = Format.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="the same as --format jsonl")] = False,
    limit: Annotated[int | None, typer.Option(help="rows at most; 50 for a table, else all", min=1)] = None,
    actor: Actor = None,
    nats_url: NatsUrl = HERE,
) -> None:
    """Show who did what, newest first: in a record, by a person, or both. That you asked is kept, too."""
    form = Format.JSONL if as_json and form is Format.TABLE else form
    try:
        query = ActivityQuery(
            patient_id=record, session_id=session, user=user, kinds=kind and [k.value for k in kind],
            since=moment(since), until=moment(until), format="fhir" if form is Format.FHIR else "rows",
        )  # fmt: skip
    except ValidationError as error:
        raise Trouble(_in_options(explain(error).message)) from None
    most = limit or (TABLE_ROWS if form is Format.TABLE else None)

    async def show(nc: Client) -> bool:
        rows: list[ActivityRow] = []
        trimmed = False
        async for page in _pages(nc, query, by(actor), most):
            trimmed = page.trimmed
            if form is Format.TABLE:
                rows += page.rows
            else:
                for one in page.events or [row.model_dump() for row in page.rows]:
                    print(json.dumps(one, ensure_ascii=False))
        if form is Format.TABLE:
            print("\n".join(table([_HEAD, *map(_cells, rows)], indent="")) if rows else "there is no such activity")
        return trimmed

    if doing(nats_url, show):
        print("older rows are no longer listed", file=sys.stderr)


async def _pages(nc: Client, query: ActivityQuery, actor: str, most: int | None) -> AsyncIterator[ActivityReply]:
    """Page by page until there are no older ones, or `most` rows were told."""
    told = 0
    while True:
        limit = ROWS_MAX if most is None else min(ROWS_MAX, most - told)
        page = await answer(nc, ACTIVITY_LOG, query.model_copy(update={"limit": limit}), actor)
        yield page
        told += len(page.rows) + len(page.events)
        if page.before is None or (most is not None and told >= most):
            return
        query = query.model_copy(update={"before": page.before})


_HEAD = ("when", "who", "kind", "where", "what", "outcome", "trace")


def _cells(row: ActivityRow) -> list[str]:
    called = row.detail.get("call") if isinstance(row.detail, dict) else None
    what = ", ".join(map(_changed, row.changes)) or str(called or row.event)
    return [row.timestamp, row.user_id, row.kind, row.audience, what, row.outcome, row.trace_id or ""]


def _changed(change: ActivityChange) -> str:
    if change.omitted:
        return f"{change.name}: (long)"
    old = "?" if change.unknown else _short(change.old)
    return f"{change.name}: {old} -> {_short(change.new)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= VALUE_CHARS else text[: VALUE_CHARS - 1] + "…"


def _in_options(message: str) -> str:
    """A refusal of the call, in the words of the command line."""
    return message.replace("patient_id", "--record").replace("session_id", "--session").replace(" user", " --user")
