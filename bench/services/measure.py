"""One measurement: start what it needs and nothing else, on a NATS server of its own; put the load on it."""

import asyncio
import itertools
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import process
from bench.backplane import Backplane, nats, running_service
from bench.measure import FIRST_PORT, arguments, loaded
from bench.scenarios import SYNC_UPDATE
from bench.servers import SERVERS, Start
from bench.services import notifications, queues
from bench.services.notifications import Notified
from bench.services.queues import Queued
from bench.services.scenarios import CALL, HEADERS, LOG_SUBJECT, MEMBERS, PADDING, ROOMS, UPDATE, Load
from bench.tools import Tools
from confer_contracts.catalogue import SERVICES
from confer_contracts.message import Identity
from confer_contracts.subjects import Header
from confer_kit import clock
from confer_kit.calls import encode_context
from confer_ops import streams
from confer_ops.connection import connected
from confer_ops.ports import next_free

_ALONE, _ALONE_SUBJECT = "BENCH", "bench.p%ROOM%"
_CALLS_WITHIN_S = 600


@dataclass
class ServicesBench:
    """Each NATS server is as we ship it, what it acknowledged is on disk, and empty: sync-svc reads the whole activity
    log when it starts, and would still be at it. Nothing is pinned to a core."""

    tools: Tools
    folder: Path
    stack: ExitStack

    def __post_init__(self) -> None:
        self._cores = frozenset[int]().union(*process.cores())
        self._turn = itertools.count()

    def measure(self, load: Load | Notified | Queued, name: str, *, quick: bool) -> dict[str, Any]:
        times = {"warmup": 0.5, "seconds": 1.5} if quick else {"warmup": 1.5, "seconds": 4.0}
        with ExitStack() as stack:
            self._there = stack.enter_context(nats(self.folder, f"nats{next(self._turn)}", self._cores, durable=True))
            asyncio.run(_add_stream(self._there))
            if isinstance(load, Notified):
                return notifications.measure(self, stack, load, name, times)
            if isinstance(load, Queued):
                return queues.measure(self._there, lambda each: self.service(stack, each), load, name, times)
            match name:
                case "publish":
                    return self._published(_ALONE_SUBJECT, load, times)
                case "log":
                    return self._published(LOG_SUBJECT, load, times)
                case "path":
                    return self._path(stack, load, times)
                case _:
                    return self._called(stack, load, times, replicas=2 if name == "replicas" else 1)

    @property
    def url(self) -> str:
        """Of the NATS server of this measurement."""
        return self._there.url

    def _published(self, subject: str, load: Load, times: dict[str, float]) -> dict[str, Any]:
        given = (self._there.url, self._there.pid, subject, load.in_flight, *times.values())
        return loaded([sys.executable, "-m", "bench.peers.publisher", *map(str, given)])

    def _called(self, stack: ExitStack, load: Load, times: dict[str, float], *, replicas: int) -> dict[str, Any]:
        pids = [self.service(stack, "sync", number) for number in range(replicas)]
        who = Identity(user_id="u1", name="u1", role="nurse", session="bench")
        headers = encode_context(who, "", clock.now() + _CALLS_WITHIN_S)
        headers |= {Header.OP: "bench-%SEQ%", Header.TRACEPARENT: dict(HEADERS)[Header.TRACEPARENT]}
        return self.by_call(
            pids, rooms=ROOMS, window=load.in_flight, subject=CALL, payload=UPDATE,
            headers="|".join(f"{name}: {value}" for name, value in headers.items()), **times,
        )  # fmt: skip

    def by_call(self, pids: list[int], **options: str | float) -> dict[str, Any]:
        """Calls over NATS."""
        return self._loaded(pids, mode="calls", port=self._there.port, nats=self._there.port, **options)

    def _path(self, stack: ExitStack, load: Load, times: dict[str, float]) -> dict[str, Any]:
        return self.through_edge(
            stack, mode="path", rooms=load.in_flight, members=MEMBERS, update=SYNC_UPDATE, **times
        )  # fmt: skip

    def through_edge(self, stack: ExitStack, **options: str | float) -> dict[str, Any]:
        """Clients by Socket.IO; everything runs."""
        pids = [self.service(stack, service) for service in SERVICES]
        edge, port = SERVERS["edge"], next_free(FIRST_PORT)
        command, more = edge.command(Start(self.tools, port, self._there, fed=False))
        log = self.folder / "edge.log"
        pid = stack.enter_context(process.running(command, more, log, self._cores, edge.is_ready(port)))
        return self._loaded([pid, *pids], port=port, query=edge.query, **options)

    def _loaded(self, pids: list[int], **options: str | float) -> dict[str, Any]:
        """CPU time is that of the first process, and of all together with the NATS server's and the load's."""
        others = ",".join(map(str, [*pids[1:], self._there.pid]))
        return loaded(arguments(self.tools, {"padding": PADDING, "pid": pids[0], "others": others, **options}))

    def service(self, stack: ExitStack, name: str, replica: int = 0) -> int:
        """Its pid."""
        return stack.enter_context(running_service(name, self._there, self.folder, self._cores, replica))


async def _add_stream(there: Backplane) -> None:
    """A log like any other, but nobody takes anything from it."""
    async with connected(there.url, "bench") as nc:
        subjects = [_ALONE_SUBJECT.replace("p%ROOM%", "*")]
        await nc.jetstream().add_stream(streams.logs()[0].evolve(name=_ALONE, subjects=subjects))
