"""What this edge is asked over NATS: by operators (`confer status`, `confer drain`); by presence, if it is there."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from confer_contracts.errors import FAILURES
from confer_contracts.presence import EdgeAlive
from confer_contracts.subjects import LIVE, alive, drain
from confer_edge import metrics
from confer_edge.feed import Feed
from confer_edge.probe import Probe
from confer_kit.logs import logger
from confer_kit.micro import Micro
from confer_kit.nats_link import Link

log = logger(__name__)


class Desk:
    """`address`: where the edge listens. `leave` is called when it is asked to end."""

    def __init__(
        self, link: Link, incarnation: str, address: str, *, probe: Probe, feed: Feed, clients: Callable[[], int],
        leave: Callable[[], None],
    ) -> None:  # fmt: skip
        self._nc = link.nc
        self._incarnation, self._address = incarnation, address
        self._probe, self._feed, self._clients, self._leave = probe, feed, clients, leave
        self._leaving = False
        self._micro = Micro(link.nc, "confer-edge", group="edge", state=self._state, failures=lambda _: 0)

    async def open(self) -> None:
        await self._micro.open({drain(self._incarnation): self._drain, alive(self._incarnation): self._alive})

    def _state(self) -> dict[str, Any]:
        calls = [sample for family in metrics.CALLS.collect() for sample in family.samples]
        complaint = self._probe.complaint
        return {
            "edge": self._incarnation, "address": self._address, "clients": self._clients(),
            "stream": LIVE, "position": self._feed.position, "ready": complaint is None, "reason": complaint,
            "calls": int(sum(sample.value for sample in calls)),
            "errors": int(sum(sample.value for sample in calls if sample.labels["outcome"] in FAILURES)),
        }  # fmt: skip

    def _alive(self, reply: str, body: bytes, headers: Mapping[str, str]) -> Awaitable[None] | None:
        """Presence asks, for whom it is news that there is an answer, and where we are."""
        told = EdgeAlive(server=self._nc.server).model_dump_json().encode()
        return self._nc.publish(reply, told) if reply else None

    def _drain(self, reply: str, body: bytes, headers: Mapping[str, str]) -> Awaitable[None] | None:
        """As SIGTERM: who started this process decides whether it starts again. Asked again, it tells how many clients
        are left."""
        clients = self._clients()
        if not self._leaving:
            log.info("asked by an operator to drain", clients=clients)
            self._leaving = True
            self._leave()
        told = orjson.dumps({"status": "ok", "clients": clients})
        return self._nc.publish(reply, told) if reply else None
