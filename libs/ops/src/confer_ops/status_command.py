"""`confer status`: every process that runs, and what is missing."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from confer_kit import clock
from confer_ops.asking import HERE, NatsUrl, doing
from confer_ops.child import environment
from confer_ops.console import table
from confer_ops.processes import WAIT_S, Process, complaints, found, versions

Json = Annotated[bool, typer.Option("--json", help="answer in JSON")]
Wait = Annotated[float, typer.Option(help="seconds to wait for answers while something is missing", min=0.1, max=60)]
_GOOD, _BAD = 32, 31


def status(*, wait: Wait = WAIT_S, as_json: Json = False, nats_url: NatsUrl = HERE) -> None:
    """Show every process: version, instance, age, calls, errors, lag. Exit status 1 when something is missing."""
    processes = doing(nats_url, lambda nc: found(nc, wait))
    wrong = complaints(processes)
    if as_json:
        rows = [{**asdict(p), "started": clock.iso(p.started), "now": p.now and clock.iso(p.now)} for p in processes]
        told = {"processes": rows, "versions": versions(processes), "complaints": wrong}
        print(json.dumps(told, ensure_ascii=False))
    else:
        shown(processes, wrong, colour=sys.stdout.isatty() and not environment({}).get("NO_COLOR"))
    raise SystemExit(1 if wrong else 0)


def shown(processes: Sequence[Process], wrong: Sequence[str], *, colour: bool) -> None:
    head = ["process", "instance", "version", "up", "calls", "errors", "lag", "clients", "state"]
    if processes:
        lines = table([head, *map(_cells, processes)], indent="")
        print(lines[0])
        for process, line in zip(processes, lines[1:], strict=True):
            print(painted(line, _GOOD if process.ready else _BAD) if colour else line)
    if len(which := versions(processes)) > 1:
        print(f"different versions run, as during an upgrade: {', '.join(which)}")
    for sentence in wrong:
        print(painted(sentence, _BAD) if colour else sentence)
    if not wrong:
        print(painted("all of it runs", _GOOD) if colour else "all of it runs")


def painted(text: str, code: int) -> str:
    return f"\x1b[{code}m{text}\x1b[0m"


def _cells(process: Process) -> list[str]:
    state = "ready" if process.ready else process.reason or ""
    up = age((process.now or clock.now()) - process.started)
    lag, clients = ("-" if number is None else str(number) for number in (process.lag, process.clients))
    counts = [str(process.calls), str(process.errors), lag, clients]
    return [process.name, process.id, process.version, up, *counts, state]


def age(seconds: float) -> str:
    """In the two largest units: `3 d 4 h`, `12 min 5 s`."""
    whole = max(0, int(seconds))
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s")]
    first = next((n for n, (number, _) in enumerate(parts) if number), len(parts) - 1)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2])
