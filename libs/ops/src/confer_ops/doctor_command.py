"""`confer doctor`: looks at everything, and says what to do."""

import asyncio
import http.client
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer
from nats.aio.client import Client

from confer_kit.settings import without_environment
from confer_ops import doctor_nats, doctor_settings
from confer_ops.asking import HERE, NatsUrl
from confer_ops.checkout import root
from confer_ops.child import environment
from confer_ops.connection import connected
from confer_ops.findings import Finding, Level, note, ok, wrong
from confer_ops.health import Answer, answer_of
from confer_ops.processes import EDGE, WAIT_S, complaints, found, versions
from confer_ops.status_command import painted
from confer_ops.trouble import Trouble

PATIENCE_S: Final = 60.0
_COLOURS: Final = {Level.OK: 32, Level.NOTE: 33, Level.WRONG: 31}


def doctor(
    *,
    edge: Annotated[str, typer.Option(help="an edge, or what stands before it", envvar="CONFER_EDGE_URL")] = (
        "http://127.0.0.1:9014"
    ),
    monitoring: Annotated[
        str, typer.Option(help="monitoring ports of NATS, separated by commas", envvar="CONFER_NATS_MONITORING")
    ] = "http://127.0.0.1:8222",
    env_file: Annotated[Path | None, typer.Option(help="look at the settings in this file, not at ours")] = None,
    wait: Annotated[float, typer.Option(help="seconds for processes to answer", min=0.1, max=60)] = WAIT_S,
    as_json: Annotated[bool, typer.Option("--json", help="answer in JSON")] = False,
    nats_url: NatsUrl = HERE,
) -> None:
    """Look at settings, NATS, streams, clocks, disk, every process and an edge; say what is wrong and what to do. Exit
    status 1 when something is wrong; a note is for you to judge."""
    findings = [*_settings(env_file), *asyncio.run(_findings(nats_url, monitoring, edge, wait))]
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
    else:
        _show(findings, colour=sys.stdout.isatty() and not environment({}).get("NO_COLOR"))
    raise SystemExit(1 if any(finding.level is Level.WRONG for finding in findings) else 0)


def _settings(file: Path | None) -> list[Finding]:
    documents = [path for path in (root() / "docs" / "settings.md", root() / ".env.example") if path.is_file()]
    if file is None:
        return list(doctor_settings.look(environment({}), documents))
    told = doctor_settings.read_file(file)
    with without_environment():
        return list(doctor_settings.look(told, documents))


async def _findings(nats_url: str, monitoring: str, edge: str, wait_s: float) -> list[Finding]:
    """In time, whatever hangs."""
    findings: list[Finding] = []
    try:
        async with asyncio.timeout(PATIENCE_S + wait_s):
            async for finding in _look(nats_url, monitoring, edge, wait_s):
                findings.append(finding)
    except TimeoutError:
        findings.append(wrong("doctor", f"gave up after {PATIENCE_S:g} s", "Something hangs: what is not named above."))
    return findings


async def _look(nats_url: str, monitoring: str, edge: str, wait_s: float) -> AsyncIterator[Finding]:
    try:
        async with connected(nats_url) as nc:
            for look in (doctor_nats.server(nc), doctor_nats.stored(nc), _processes(nc, wait_s)):
                async for finding in look:
                    yield finding
    except Trouble as trouble:
        yield wrong(
            "NATS",
            str(trouble),
            "Is it running, is this its address (--nats-url, CONFER_NATS_URL), and is the key an operator's? What "
            "needs it was not looked at.",
        )
    async for finding in doctor_nats.monitoring(monitoring):
        yield finding
    yield await _edge(edge)


async def _processes(nc: Client, wait_s: float) -> AsyncIterator[Finding]:
    running = await found(nc, wait_s)
    said = complaints(running)
    for sentence in said:
        yield wrong(
            "processes",
            sentence,
            "Its log says why (`docker compose logs`, or the lines of `./run`); is it there and silent, it hangs: "
            "docs/alerts.md, ConferPartAway, ConferProcessAway and ConferProcessBehind.",
        )
    if not said:
        yield ok(
            "processes", f"{len(running)} answer and are ready, {sum(p.name == EDGE for p in running)} of them edges"
        )
    if len(which := versions(running)) > 1:
        yield note("processes", f"different versions run: {', '.join(which)}", "Finish the upgrade, services first.")
    skewed = [finding for p in running for finding in doctor_nats.clock_of(f"{p.name} {p.id}", p.ahead)]
    for finding in skewed:
        yield finding
    if not skewed:
        yield ok("clocks", f"no process is more than {doctor_nats.CLOCK_S:g} s off")


async def _edge(url: str) -> Finding:
    try:
        told: Answer = await answer_of(f"{url.rstrip('/')}/readyz")
    except (OSError, TimeoutError, ValueError, http.client.HTTPException) as error:
        return wrong(
            "edge",
            f"{url} does not answer ({type(error).__name__}: {error})",
            "Is it started, and is this its address (--edge)? In containers it is published as 9014.",
        )
    if told.status != 200:
        return wrong(
            "edge",
            f"{url}/readyz says {told.status}: {told.text}",
            "It takes no clients: docs/alerts.md, ConferFeedSilent.",
        )
    return ok("edge", f"{url} is ready")


def _show(findings: list[Finding], *, colour: bool) -> None:
    for finding in findings:
        level = f"{finding.level.value:<5}"
        print(f"{painted(level, _COLOURS[finding.level]) if colour else level}  {finding.about}: {finding.said}")
        if finding.do:
            print(f"       {finding.do}")
