"""Which edges have no connection to NATS any more: whoever asks such an edge is told at once that nobody is there, by
servers that know of each other's connections (ADR 42).

A frozen edge keeps its connection, and gives no answer: that is for its lease to judge.
"""

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


@dataclass(slots=True)
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

    async def ask(self, edges: Iterable[str]) -> None:
        """Each of them, at once. `edges` are all that count: others are forgotten."""
        counted = set(edges)
        self._known = {edge: known for edge, known in self._known.items() if edge in counted}
        answers = await together(*map(self._ask, counted))
        silent = [known for known in self._known.values() if known.nobody_since is not None]
        there = {self._nc.server, *filter(None, answers)}
        if unheard := {known.server for known in silent} - there:
            there |= await self._answering_of(unheard)
        for known in silent:
            if known.server not in there:  # not the edge is out of sight, but all that is at its server
                known.nobody_since = None

    def gone_since(self, edge: str) -> float | None:
        """Unix seconds; None: it is there, or nobody can say."""
        known = self._known.get(edge)
        return None if known is None else known.nobody_since

    async def _ask(self, edge: str) -> str | None:
        """The server that its answer came from."""
        known = self._known.get(edge)
        try:
            answer = await self._nc.request(alive(edge), b"", timeout=ANSWER_S)
        except nats.errors.NoRespondersError:
            if known is not None and known.nobody_since is None:
                known.nobody_since = clock.now()
            return None
        except (TimeoutError, nats.errors.Error):  # it is frozen, or we are cut off
            if known is not None:
                known.nobody_since = None
            return None
        server = EdgeAlive.model_validate_json(answer.data).server
        self._known[edge] = _Known(server)
        return server

    async def _answering_of(self, servers: Collection[str]) -> set[str]:
        """Those of them that answer, as each NATS server does that we are in touch with."""
        there: set[str] = set()
        inbox = await self._nc.subscribe(self._nc.new_inbox())
        until = clock.now() + ANSWER_S
        try:
            await self._nc.publish(SERVERS, b'{"limit":1}', reply=inbox.subject)
            while not there.issuperset(servers):
                answer = await inbox.next_msg(timeout=max(0.001, until - clock.now()))
                there.add(orjson.loads(answer.data)["server"]["id"])
        except (TimeoutError, nats.errors.Error, ValueError, KeyError):
            pass  # nobody else answers
        finally:
            await inbox.unsubscribe()
        return there
