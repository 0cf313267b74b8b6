"""NATS with the streams of an installation; with or without the four services behind it."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import process
from confer_contracts.catalogue import SERVICES
from confer_ops import nats_process
from confer_ops.connection import connected
from confer_ops.ports import next_free
from confer_ops.provision import provision

FIRST_PORT = 14222
_CONFIG = """
listen: "127.0.0.1:{port}"
jetstream {{ store_dir: "{store}"{sync} }}
"""


@dataclass(frozen=True)
class Backplane:
    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"


@contextmanager
def backplane(folder: Path, chosen: frozenset[int], *, services: bool) -> Iterator[Backplane]:
    """On these cores. With services it is as we ship it. Without, facts are published into the log by the load
    generator; it does not wait for the disk then, because the edge's CPU time is measured and not the log's."""
    with ExitStack() as stack:
        there = stack.enter_context(nats(folder, "whole" if services else "log", chosen, durable=services))
        for service in SERVICES if services else ():
            stack.enter_context(running_service(service, there, folder, chosen))
        yield there


@contextmanager
def nats(folder: Path, name: str, chosen: frozenset[int], *, durable: bool) -> Iterator[Backplane]:
    """The server, with the streams of an installation; `durable`: what it acknowledged is on disk, as we ship it."""
    port = next_free(FIRST_PORT)
    config, store = folder / f"{name}.conf", folder / name
    sync = ", sync_interval: always" if durable else ""
    config.write_text(_CONFIG.format(port=port, store=store, sync=sync))
    command = [nats_process.binary(), "-c", str(config)]
    with process.running(command, {}, folder / f"{name}.log", chosen, partial(process.greets, port)) as pid:
        there = Backplane(port, pid)
        asyncio.run(_provision(there.url))
        yield there


@contextmanager
def running_service(
    service: str, there: Backplane, folder: Path, chosen: frozenset[int], replica: int = 0
) -> Iterator[int]:
    """The pid of a service that answers."""
    log = folder / f"{service}{replica}.log"
    log.unlink(missing_ok=True)  # of an earlier one, which was up
    settings = {"CONFER_NATS_URL": there.url, "CONFER_LOG_FORMAT": "text", "CONFER_METRICS_PORT": "0"}
    command = [sys.executable, "-m", f"{service}_svc"]
    up = f"{service}-svc is up"
    with process.running(command, settings, log, chosen, lambda: up in log.read_text(errors="replace")) as pid:
        yield pid


async def _provision(url: str) -> None:
    async with connected(url, "bench") as nc:
        await provision(nc)
