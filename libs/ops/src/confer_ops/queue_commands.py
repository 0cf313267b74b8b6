"""`confer queue`: which queues there are, who is in one, how it goes, what happened to a ticket."""

import json
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, TypeVar, get_args

import typer
from nats.aio.client import Client
from pydantic import BaseModel, ValidationError

from confer_contracts.queue import DEFAULT_QUEUE, OfQueue, TicketStatus
from confer_contracts.queue_reading import (
    GET,
    LIST,
    ROWS_MAX,
    STATISTICS,
    TICKET,
    EstimatedWait,
    Figures,
    QueueEntry,
    QueueFigures,
    QueueGet,
    QueuesQuery,
    QueueSummary,
    QueueTicket,
    TicketEvent,
    Window,
)
from confer_kit.serving import explain
from confer_ops.asking import HERE, Actor, NatsUrl, answer, by, doing
from confer_ops.console import table
from confer_ops.trouble import Trouble

app = typer.Typer(no_args_is_help=True, help="Show queues: who waits, how it goes, what happened to a ticket.")

Json = Annotated[bool, typer.Option("--json", help="answer in JSON")]
Queue = Annotated[str, typer.Argument(help="the queue's id")]
Status = StrEnum("Status", {status: status for status in get_args(TicketStatus)})  # type: ignore[misc]
R = TypeVar("R", bound=BaseModel)


@app.command("list")
def show_all(*, actor: Actor = None, as_json: Json = False, nats_url: NatsUrl = HERE) -> None:
    """Show every queue in which somebody is, or that has a policy."""

    async def ask(nc: Client) -> list[QueueSummary]:
        found: list[QueueSummary] = []
        query: QueuesQuery | None = QueuesQuery()
        while query is not None:
            page = await answer(nc, LIST, query, by(actor))
            found += page.queues
            query = None if page.next is None else QueuesQuery(after=page.next)
        return found

    queues = doing(nats_url, ask)
    if as_json:
        _print_json([queue.model_dump() for queue in queues])
    elif not queues:
        print("nobody is in any queue, and none has a policy")
    else:
        rows = [[q.queue, str(q.waiting), str(q.tickets), minutes(q.longest_wait_s)] for q in queues]
        _print_table(["queue", "waiting", "in all", "longest wait"], rows)


@app.command()
def show(
    queue: Queue = DEFAULT_QUEUE,
    *,
    status: Annotated[list[Status] | None, typer.Option(help="only these; again for more")] = None,
    station: Annotated[str | None, typer.Option(help="only those who were called there")] = None,
    limit: Annotated[int, typer.Option(help="tickets at most", min=1)] = 50,
    actor: Actor = None,
    as_json: Json = False,
    nats_url: NatsUrl = HERE,
) -> None:
    """Show who is in a queue, in calling order, and how long they are likely to wait."""
    statuses = [str(each) for each in status] if status else None
    query = _made(lambda: QueueGet.model_validate({"queue": queue, "statuses": statuses, "station": station}))

    async def ask(nc: Client) -> tuple[list[QueueEntry], int]:
        rows: list[QueueEntry] = []
        after: int | None = 0
        total = 0
        while after is not None and len(rows) < limit:
            step = {"after": after, "limit": min(ROWS_MAX, limit - len(rows))}
            page = await answer(nc, GET, query.model_copy(update=step), by(actor))
            rows += page.rows
            after, total = page.next, page.total
        return rows, total

    entries, total = doing(nats_url, ask)
    if as_json:
        _print_json({"queue": queue, "total": total, "rows": [entry.model_dump() for entry in entries]})
    elif not entries:
        print("there is no such ticket in the queue" if status or station else "nobody is in the queue")
    else:
        _print_table(["no.", "number", "patient", "priority", "status", "station", "wait"], map(_of_entry, entries))
        if total > len(entries):
            print(f"{len(entries)} of {total}; --limit shows more")


@app.command()
def stats(
    queue: Queue = DEFAULT_QUEUE, *, actor: Actor = None, as_json: Json = False, nats_url: NatsUrl = HERE
) -> None:
    """Show how a queue goes: now, in the last hour, and today, by station."""
    query = _made(lambda: OfQueue(queue=queue))

    async def ask(nc: Client) -> QueueFigures:
        return await answer(nc, STATISTICS, query, by(actor))

    found = doing(nats_url, ask)
    if as_json:
        _print_json(found.model_dump(exclude={"status", "op"}))
        return
    longest = f", the longest for {minutes(found.longest_wait_s)}" if found.waiting else ""
    print(f"{found.waiting} waiting{longest}; whoever comes now: {estimate(found.estimated_wait)}")
    head = ["", "called", "served", "did not come", "taken out", "average wait", "average service"]
    _print_table(head, [*_of_window("last hour", found.hour), *_of_window("today", found.today)])


@app.command()
def ticket(
    ticket: Annotated[str, typer.Argument(help="the ticket's id")],
    *,
    queue: Annotated[str, typer.Option(help="its queue")] = DEFAULT_QUEUE,
    patient: Annotated[str | None, typer.Option(help="its patient: needed once it is over")] = None,
    actor: Actor = None,
    as_json: Json = False,
    nats_url: NatsUrl = HERE,
) -> None:
    """Show what happened to a ticket: who did what, when and why."""
    query = _made(lambda: QueueTicket(queue=queue, ticket=ticket, patient_id=patient, limit=ROWS_MAX))

    async def ask(nc: Client) -> list[TicketEvent]:
        events: list[TicketEvent] = []
        after: int | None = 0
        while after is not None:
            page = await answer(nc, TICKET, query.model_copy(update={"after": after}), by(actor))
            events += page.history
            after = page.next
        return events

    events = doing(nats_url, ask)
    if as_json:
        _print_json([event.model_dump() for event in events])
    else:
        rows = [[e.timestamp, e.user_id, e.change, e.status, e.station or "", e.reason or e.note or ""] for e in events]
        _print_table(["when", "who", "what", "then", "station", "reason"], rows)


def minutes(seconds: float | None) -> str:
    """`-` for what is not known."""
    if seconds is None:
        return "-"
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.0f} min"


def estimate(wait: EstimatedWait | None) -> str:
    """A range of minutes with its basis."""
    if wait is None:
        return "not known"
    first, last = wait.from_s // 60, -(-wait.to_s // 60)
    places = f"{wait.stations} station{'s' if wait.stations > 1 else ''}"
    return f"{f'{first}-{last}' if first < last else last} min (the last {wait.services} services at {places})"


def _of_entry(entry: QueueEntry) -> list[str]:
    wait = entry.estimated_wait
    likely = "" if wait is None else estimate(wait).partition(" (")[0]
    return [
        str(entry.queue_position), entry.number or "", entry.patient_id, entry.priority, entry.status,
        entry.station or "", likely,
    ]  # fmt: skip


def _of_window(name: str, window: Window) -> list[list[str]]:
    stations = [[f"  {each.station or '(no station)'}", *_of_figures(each)] for each in window.stations]
    return [[name, *_of_figures(window)], *stations]


def _of_figures(figures: Figures) -> list[str]:
    counts = (figures.called, figures.served, figures.no_shows, figures.cancelled)
    return [*map(str, counts), minutes(figures.average_wait_s), minutes(figures.average_service_s)]


def _made(make: Callable[[], R]) -> R:
    """A request; Trouble in its words where it cannot be one."""
    try:
        return make()
    except ValidationError as error:
        raise Trouble(explain(error).message) from None


def _print_table(head: list[str], rows: Any) -> None:
    print("\n".join(table([head, *rows], indent="")))


def _print_json(told: Any) -> None:
    print(json.dumps(told, ensure_ascii=False))
