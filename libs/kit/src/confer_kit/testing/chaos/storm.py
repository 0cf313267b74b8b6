"""A storm over a running system: a crowd, and one fault after the other; then the verdict."""

import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from confer_kit import clock
from confer_kit.settings import KitSettings
from confer_kit.testing.chaos.crowd import Crowd
from confer_kit.testing.chaos.faults import FOR_LONG_ON_THREE, ON_ONE_SERVER, ON_THREE_SERVERS, Fault
from confer_kit.testing.chaos.person import Person
from confer_kit.testing.chaos.truth import Recorder
from confer_kit.testing.javascript import Node
from confer_kit.testing.system import System, running_system
from confer_kit.testing.tcp_proxy import TcpProxy, tcp_proxy

ENVIRONMENT: Final = {
    "CONFER_PING_INTERVAL_S": "2", "CONFER_PING_TIMEOUT_S": "2", "CONFER_DROP_GRACE_S": "3", "CONFER_BEAT_S": "2",
    "CONFER_PRESENCE_SETTLE_S": "3",
}  # fmt: skip


class Storm(Crowd):
    """`long`: faults last as long as they do in life; else a few seconds."""

    def __init__(self, system: System, seed: int, *, long: bool, say: Callable[[str], None]) -> None:
        recorder = Recorder(KitSettings(nats_url=system.nats.url), "chaos")
        super().__init__(recorder, self._edges_serve, random.Random(seed))  # noqa: S311 - repeatable
        self.system = system
        self.edges: list[str] = ["edge", "second"]
        self.doors: list[TcpProxy] = []
        self.history: list[str] = []
        self.line: TcpProxy
        self._long = long
        self._say = say
        self._began = clock.now()

    def seconds(self, short: float, long: float) -> float:
        return long if self._long else short

    def note(self, text: str) -> None:
        told = f"{clock.now() - self._began:7.1f} s  {text}"
        self.history.append(told)
        self._say(told)

    def edges_with_writers(self) -> list[str]:
        """Where somebody writes just now."""
        at = {p.url for p in self.members if isinstance(p, Person) and p.connected}
        return [edge for edge, door in zip(self.edges, self.doors, strict=True) if door.url in at]

    async def _edges_serve(self) -> None:
        for edge in self.edges:
            await self.system.healthy(edge)

    async def blow(self, faults: Sequence[Fault], *, until: float = 0.0) -> None:
        """Each once, or again and again in any order `until` then (Unix seconds)."""
        for fault in faults:
            await self._suffer(fault)
        while clock.now() < until:
            await self._suffer(self.dice.choice(faults))

    async def _suffer(self, fault: Fault) -> None:
        self.note(f"{fault.__name__.replace('_', ' ')}  ({self.state()})")
        await fault(self)
        await self.settle()


@asynccontextmanager
async def storm(
    *,
    seed: int,
    people: int,
    node: Node | None = None,
    clustered: bool = False,
    long: bool = False,
    say: Callable[[str], None] = print,
) -> AsyncIterator[Storm]:
    """Two edges, one of them behind a line that can break, doors for clients before both, and everybody in."""
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(running_system(clustered, **ENVIRONMENT))
        made = Storm(system, seed, long=long, say=say)
        server = system.nats.nodes[0] if hasattr(system.nats, "nodes") else system.nats
        made.line = await stack.enter_async_context(tcp_proxy(server.port))
        await system.add_edge(
            "second", **({} if clustered else {"CONFER_NATS_URL": f"nats://127.0.0.1:{made.line.port}"})
        )
        await system.healthy("second")
        for edge in made.edges:
            made.doors.append(await stack.enter_async_context(tcp_proxy(system.ports[edge])))
        await made.begin(stack, [door.url for door in made.doors], people, node)
        try:
            yield made
        except BaseException:
            print(f"seed {seed}\n" + "\n".join(made.history))
            raise


FAULTS: Final[dict[bool, tuple[Fault, ...]]] = {False: ON_ONE_SERVER, True: ON_THREE_SERVERS}
FAULTS_FOR_LONG: Final[dict[bool, tuple[Fault, ...]]] = {False: ON_ONE_SERVER, True: FOR_LONG_ON_THREE}
