"""`confer drain`: edges send their clients away, and end; what runs them starts them again."""

import asyncio
import json
from collections.abc import Callable
from typing import Annotated

import nats.errors
import orjson
import typer
from nats.aio.client import Client

from confer_contracts.subjects import drain as subject_of
from confer_ops.asking import HERE, NatsUrl, doing
from confer_ops.processes import EDGE, Process, found
from confer_ops.trouble import Trouble

TIMEOUT_S = 120.0
ANSWER_S = 5.0
LOOK_S = 0.5
NO_ANSWER = "The edge {} does not answer: has this NATS user the rights of an operator? SIGTERM does the same."


def drain(
    edge: Annotated[str | None, typer.Argument(help="its instance, or how that begins (`confer status`)")] = None,
    *,
    every: Annotated[
        bool, typer.Option("--all", help="all edges, one after the other, each when the one before is back")
    ] = False,
    timeout: Annotated[float, typer.Option(help="seconds that each may take", min=1)] = TIMEOUT_S,
    as_json: Annotated[bool, typer.Option("--json", help="answer in JSON")] = False,
    nats_url: NatsUrl = HERE,
) -> None:
    """Let an edge send its clients to the others, answer what is under way, and end, as after SIGTERM. Whatever runs it
    (`./run`, compose, systemd) starts it again: to keep it away, stop it there."""
    if (edge is None) != every:
        raise Trouble("Name an edge, or say --all, and not both; `confer status` lists them.")
    say: Callable[[str], None] = (lambda _: None) if as_json else (lambda text: print(text, flush=True))

    async def work(nc: Client) -> list[str]:
        edges = await _edges(nc)
        chosen = edges if every else [_one(edges, edge or "")]
        for number, each in enumerate(chosen):
            last = number + 1 == len(chosen)
            try:
                async with asyncio.timeout(timeout):
                    await _send_away(nc, each, say)
                    if not last:
                        await _until_back(nc, len(edges), say)
            except TimeoutError:
                raise Trouble(_too_long(each, timeout, last)) from None
        return [each.id for each in chosen]

    drained = doing(nats_url, work)
    if as_json:
        print(json.dumps({"drained": drained}))


def _too_long(edge: Process, timeout: float, last: bool) -> str:
    why = "it is still there" if last else "it is still there, or nothing started it again"
    return f"The edge {edge.id} took longer than {timeout:g} s: {why}. The edges after it were left alone."


async def _edges(nc: Client) -> list[Process]:
    return [process for process in await found(nc) if process.name == EDGE]


def _one(edges: list[Process], name: str) -> Process:
    fits = [each for each in edges if each.id.startswith(name)]
    if len(fits) != 1:
        running = ", ".join(each.id for each in edges) or "none"
        raise Trouble(f"{'No edge is' if not fits else 'Several edges are'} called {name!r}; running: {running}.")
    return fits[0]


async def _send_away(nc: Client, edge: Process, say: Callable[[str], None]) -> None:
    """Ask, again and again, until nobody is there to answer."""
    left: int | None = None
    while True:
        try:
            clients = orjson.loads((await nc.request(subject_of(edge.id), b"", timeout=ANSWER_S)).data)["clients"]
        except nats.errors.NoRespondersError:
            break
        except (TimeoutError, nats.errors.TimeoutError):
            if left is None:
                raise Trouble(NO_ANSWER.format(edge.id)) from None
            continue
        if clients != left:
            say(f"edge {edge.id}: {'draining, ' if left is None else ''}{clients} clients left")
            left = clients
        await asyncio.sleep(LOOK_S)
    say(f"edge {edge.id}: gone")


async def _until_back(nc: Client, count: int, say: Callable[[str], None]) -> None:
    say("waiting until as many edges are ready as before")
    while sum(each.ready for each in await _edges(nc)) < count:  # noqa: ASYNC110 - of other processes
        await asyncio.sleep(LOOK_S)
