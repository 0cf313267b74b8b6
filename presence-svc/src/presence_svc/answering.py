"""Which edges have no connection to NATS any more: whoever asks such an edge is told at once that nobody is there, by
servers that know of each other's connections (ADR 42).

A frozen edge keeps its connection, and gives no answer: that is for its lease to judge.
"""

import contextlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

import nats.errors
import orjson

from confer_contracts.presence import EdgeAlive
from confer_contracts.subjects import SERVERS, alive
from confer_kit import clock
from confer_kit.nats_client import DirectClient
from confer_kit.tasks import together

ANSWER_S: Final = 1.0
_NOBODY: Final = ""  # in the place of an answer


@dataclass(frozen=True, slots=True)
class _Known:
    """Of an edge that has answered: from which server, and since when nobody does."""

    server: str
    nobody_since: float | None = None


class Answering:
    """Only of edges that have answered before it is said that they are gone: those of an older version never do."""

    def __init__(self, nc: DirectClient) -> None:
        self._nc = nc
        self._known: dict[str, _Known] = {}

    def __len__(self) -> int:
        """How many can be told to be gone."""
        return len(self._known)

    def gone_since(self, edge: str) -> float | None:
        """Unix seconds; None: it is there, or nobody can say."""
        known = self._known.get(edge)
        return None if known is None else known.nobody_since

    async def ask(self, edges: Iterable[str]) -> None:
        """Each of them, at once. `edges` are all that count: others are forgotten."""
        counted = list(edges)
        servers = dict(zip(counted, await together(*map(self._ask, counted)), strict=True))
        there = {self._nc.server, *filter(None, servers.values())}
        nobody = {edge for edge in self._known if servers.get(edge) == _NOBODY}
        if unheard := {self._known[edge].server for edge in nobody} - there:
            there |= await self._answering_of(unheard)
        now, known = clock.now(), dict[str, _Known]()
        for edge, server in servers.items():
            before = self._known.get(edge)
            if server:
                known[edge] = _Known(server)
            elif before is not None:
                # else all that is at its server is out of sight, which says nothing of the edge
                is_gone = edge in nobody and before.server in there
                known[edge] = _Known(before.server, (before.nobody_since or now) if is_gone else None)
        self._known = known

    async def _ask(self, edge: str) -> str | None:
        """The server that it answers from; _NOBODY; None: it is frozen, or we are cut off."""
        try:
            answer = await self._nc.request(alive(edge), b"", timeout=ANSWER_S)
            return EdgeAlive.model_validate_json(answer.data).server
        except nats.errors.NoRespondersError:
            return _NOBODY
        except (TimeoutError, nats.errors.Error, ValueError):
            return None

    async def _answering_of(self, servers: Collection[str]) -> set[str]:
        """Those of them that answer, as each NATS server does that we are in touch with."""
        there: set[str] = set()
        until = clock.now() + ANSWER_S
        with contextlib.suppress(TimeoutError, nats.errors.Error, ValueError, KeyError):  # nobody else answers
            inbox = await self._nc.subscribe(self._nc.new_inbox())
            try:
                await self._nc.publish(SERVERS, b'{"limit":1}', reply=inbox.subject)
                while not there.issuperset(servers):
                    answer = await inbox.next_msg(timeout=max(0.001, until - clock.now()))
                    there.add(orjson.loads(answer.data)["server"]["id"])
            finally:
                await inbox.unsubscribe()
        return there
