"""`confer notify`: operators tell people something, at once or later, see what waits and what could not go out, and
send that again."""

import json
from enum import StrEnum
from typing import Annotated, Any, get_args

import typer
from nats.aio.client import Client
from pydantic import BaseModel, ValidationError

from confer_contracts.notify import (
    DEAD_LETTERS,
    DEAD_LETTERS_RESEND,
    NOTIFICATION_CANCEL,
    NOTIFICATION_SCHEDULED,
    NOTIFICATION_SEND,
    NotificationSend,
    NotifyPriority,
)
from confer_contracts.notify_plan import (
    RESENT_MAX,
    DeadLetterQuery,
    DeadLettersResend,
    NotificationCancel,
    ScheduledQuery,
)
from confer_contracts.route import Call
from confer_contracts.templates import KINDS, addressee
from confer_kit.serving import explain
from confer_ops.asking import HERE, Actor, NatsUrl, answer, by, doing
from confer_ops.console import table
from confer_ops.moments import moment
from confer_ops.trouble import Trouble

app = typer.Typer(no_args_is_help=True, help="Tell people something, and see what waits or could not go out.")

Json = Annotated[bool, typer.Option("--json", help="answer in JSON")]
Type = StrEnum("Type", {name: name for name in ("info", "success", "warning", "error")})  # type: ignore[misc]
Priority = StrEnum("Priority", {name: name for name in get_args(NotifyPriority)})  # type: ignore[misc]
_INFO, _NORMAL = Type("info"), Priority("normal")
_TO = f"all, or {', '.join(f'{kind}:<id>' for kind in KINDS)}"


@app.command()
def send(
    title: Annotated[str, typer.Argument(help="what is said, in a line")],
    *,
    to: Annotated[str, typer.Option(help=_TO)],
    message: Annotated[str, typer.Option(help="what else there is to say")] = "",
    kind: Annotated[Type, typer.Option("--type", help="how it is meant")] = _INFO,
    priority: Annotated[Priority, typer.Option(help="how urgent it is")] = _NORMAL,
    link: Annotated[str | None, typer.Option(help="where it leads")] = None,
    data: Annotated[str | None, typer.Option(help="more for the page, as a JSON object")] = None,
    group: Annotated[str | None, typer.Option(help="it replaces what they were told last in this group")] = None,
    expires: Annotated[str | None, typer.Option(help="when it leaves the inboxes, as --at")] = None,
    dedupe: Annotated[str | None, typer.Option(help="within an hour the same key is the same notification")] = None,
    at: Annotated[str | None, typer.Option(help="when, as of ISO 8601; UTC if it names no zone")] = None,
    in_s: Annotated[int | None, typer.Option("--in", help="in so many seconds", min=1)] = None,
    must_ack: Annotated[bool, typer.Option("--must-ack", help="remind until somebody acknowledges")] = False,
    repeat_s: Annotated[int | None, typer.Option(help="with --must-ack: seconds between reminders; 60")] = None,
    repeats: Annotated[int | None, typer.Option(help="with --must-ack: reminders before escalating; 3")] = None,
    escalate_to: Annotated[
        list[str] | None, typer.Option(help="with --must-ack: who is told when nobody acknowledges; again for more")
    ] = None,
    op: Annotated[str | None, typer.Option(help="operation id: the same one again sends nothing more")] = None,
    actor: Actor = None,
    as_json: Json = False,
    nats_url: NatsUrl = HERE,
) -> None:
    """Send a notification. It waits for whoever is away."""
    plan = {"repeat_s": repeat_s, "repeats": repeats, "escalate_to": [_to(each) for each in escalate_to or ()] or None}
    given = {name: value for name, value in plan.items() if value is not None}
    if given and not must_ack:
        raise Trouble("--repeat-s, --repeats and --escalate-to go with --must-ack.")
    request = _checked(
        NotificationSend,
        to=_to(to), title=title, message=message, type=kind.value, priority=priority.value, link=link,
        data=_data(data), group=group, expires_at=moment(expires), dedupe=dedupe, at=moment(at), in_s=in_s,
        must_acknowledge=given if must_ack else None,
    )  # fmt: skip
    told = _ask(nats_url, NOTIFICATION_SEND, request, actor, op)
    sentence = f"notification {told.id} " + (f"will be sent at {told.at}" if told.at else "is sent")
    print(json.dumps({"id": told.id, "at": told.at}) if as_json else sentence)


@app.command()
def scheduled(*, actor: Actor = None, as_json: Json = False, nats_url: NatsUrl = HERE) -> None:
    """Show which of your notifications wait for their time."""
    found = _ask(nats_url, NOTIFICATION_SCHEDULED, ScheduledQuery(limit=200), actor)
    if as_json:
        print(json.dumps([note.model_dump() for note in found.scheduled], ensure_ascii=False))
    elif not found.scheduled:
        print("nothing waits")
    else:
        rows = [[note.at, note.to, note.priority, note.title, note.id] for note in found.scheduled]
        print("\n".join(table([["at", "to", "priority", "title", "id"], *rows], indent="")))


@app.command()
def cancel(
    note: Annotated[str, typer.Argument(help="the notification's id")],
    *, actor: Actor = None, as_json: Json = False, nats_url: NatsUrl = HERE,
) -> None:  # fmt: skip
    """Do not send a notification of yours that waits, or remind nobody of one any more."""
    _ask(nats_url, NOTIFICATION_CANCEL, _checked(NotificationCancel, id=note), actor)
    print(json.dumps({"id": note, "cancelled": True}) if as_json else f"notification {note} is cancelled")


@app.command()
def dead(
    *,
    webhook: Annotated[str | None, typer.Option(help="only of this webhook")] = None,
    limit: Annotated[int, typer.Option(help="rows at most", min=1, max=500)] = 50,
    actor: Actor = None,
    as_json: Json = False,
    nats_url: NatsUrl = HERE,
) -> None:
    """Show the notifications that webhooks did not take, the latest first."""
    found = _ask(nats_url, DEAD_LETTERS, DeadLetterQuery(webhook=webhook, limit=limit), actor)
    if as_json:
        print(json.dumps([letter.model_dump() for letter in found.letters], ensure_ascii=False))
    elif not found.letters:
        print("webhooks took everything so far")
    else:
        head = ["when", "webhook", "to", "title", "attempts", "why", "id"]
        rows = [
            [each.timestamp, each.webhook, each.audience, each.title, str(each.attempts), each.error, each.id]
            for each in found.letters
        ]
        print("\n".join(table([head, *rows], indent="")))


@app.command()
def resend(
    notes: Annotated[list[str] | None, typer.Argument(help="the notifications' ids, as `dead` shows them")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="all that `dead` shows")] = False,
    webhook: Annotated[str | None, typer.Option(help="only to this webhook")] = None,
    actor: Actor = None,
    as_json: Json = False,
    nats_url: NatsUrl = HERE,
) -> None:
    """Send notifications again that webhooks did not take."""
    if bool(notes) == every:
        raise Trouble("Name the notifications to send again, or --all of them.")
    if every:
        found = _ask(nats_url, DEAD_LETTERS, DeadLetterQuery(webhook=webhook, limit=500), actor)
        notes = [letter.id for letter in found.letters]
    ids, again = list(dict.fromkeys(notes or ())), set()
    for first in range(0, len(ids), RESENT_MAX):
        request = _checked(DeadLettersResend, ids=ids[first : first + RESENT_MAX], webhook=webhook)
        again |= set(_ask(nats_url, DEAD_LETTERS_RESEND, request, actor).ids)
    missing = [note for note in ids if note not in again]
    if as_json:
        print(json.dumps({"again": [note for note in ids if note in again], "not_aside": missing}))
    else:
        print(f"{len(again)} on their way again" + (f"; not aside: {', '.join(missing)}" if missing else ""))


def _ask(nats_url: str, call: Call[Any, Any], request: BaseModel, actor: str | None, op: str | None = None) -> Any:
    async def ask(nc: Client) -> Any:
        return await answer(nc, call, request, by(actor), op=op)

    return doing(nats_url, ask)


def _to(text: str) -> Any:
    try:
        return addressee(text)
    except ValueError as error:
        raise Trouble(f"{error}") from None


def _data(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise Trouble(f"--data is not JSON: {error}.") from None


def _checked(model: type[BaseModel], **given: Any) -> BaseModel:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise Trouble(explain(error).message) from None
