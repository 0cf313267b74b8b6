"""`./run bench traces`: what tracing costs a field update, in CPU time of the edge and of sync-svc.

Three whole systems stand side by side: without tracing, with a sampler that records nothing, recording everything. They
take turns within each round, and a ratio is the median of the ratios within rounds: compare nothing across runs.
"""

import asyncio
import json
import statistics
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from confer_kit.testing import System, running_system
from confer_kit.testing.client import Client
from confer_kit.testing.otlp import otlp_sink

TARGET: Final = 1.05  # not sampled, of what a call costs without tracing
VARIANTS: Final[dict[str, dict[str, str]]] = {
    "without": {},
    "not sampled": {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"},
    "recorded": {"OTEL_TRACES_SAMPLER": "parentbased_always_on"},
}
MEASURED: Final = ("edge", "sync-svc")
CLIENTS, CALLS, ROUNDS = 8, 100, 12  # calls of each client in a turn
WARM_UP: Final = 2  # rounds that do not count


class Bench:
    """One system and its clients, each alone in a room."""

    def __init__(self, system: System, clients: Sequence[Client]) -> None:
        self._system, self._clients = system, clients

    async def turn(self, calls: int) -> float:
        """CPU microseconds of a call."""
        before = self._cpu_ns()
        await asyncio.gather(*(self._update(number, client, calls) for number, client in enumerate(self._clients)))
        return (self._cpu_ns() - before) / 1000 / (calls * len(self._clients))

    @staticmethod
    async def _update(number: int, client: Client, calls: int) -> None:
        for value in range(calls):
            await client.until_ok("field_update", patient_id=f"p{number}", field="notes", value=f"{value}")

    def _cpu_ns(self) -> int:
        """Of the threads of the measured processes, by the scheduler's own clock."""
        pids = [process.process.pid for name in MEASURED if (process := self._system.processes[name]).process]
        files = (file for pid in pids for file in Path(f"/proc/{pid}/task").glob("*/schedstat"))
        return sum(int(file.read_text().split()[0]) for file in files)


async def measured(calls: int, rounds: int) -> dict[str, list[float]]:
    """CPU microseconds of a call, by variant, for each round."""
    found: dict[str, list[float]] = {name: [] for name in VARIANTS}
    async with AsyncExitStack() as stack:
        sink = stack.enter_context(otlp_sink())
        benches = {name: await _bench(stack, sink.endpoint, more) for name, more in VARIANTS.items()}
        for number in range(WARM_UP + rounds):
            order = list(benches)[number % len(benches) :] + list(benches)[: number % len(benches)]
            for name in order:
                cost = await benches[name].turn(calls)
                if number >= WARM_UP:
                    found[name].append(cost)
            sink.spans.clear()
            sink.text = ""
    return found


async def _bench(stack: AsyncExitStack, endpoint: str, more: Mapping[str, str]) -> Bench:
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **more} if more else {}
    system = await stack.enter_async_context(running_system(**told))
    clients = [Client(f"u{number}") for number in range(CLIENTS)]
    for number, client in enumerate(clients):
        stack.push_async_callback(client.close)
        await client.connect(system.url())
        await client.until_ok("join_patient_room", patient_id=f"p{number}")
    return Bench(system, clients)


def table(found: Mapping[str, Sequence[float]]) -> list[str]:
    lines = ["| traces | CPU us per call, median (lowest) | of without, median |", "|---|---:|---:|"]
    for name, costs in found.items():
        ratio = statistics.median(cost / base for cost, base in zip(costs, found["without"], strict=True))
        lines.append(f"| {name} | {statistics.median(costs):.0f} ({min(costs):.0f}) | {ratio:.3f} |")
    return [*lines, "", f"Target: not sampled at most {TARGET}."]


def main(*, quick: bool, raw: Path | None) -> None:
    found = asyncio.run(measured(CALLS // 5 if quick else CALLS, 2 if quick else ROUNDS))
    if raw:
        raw.write_text(json.dumps(found, indent=1) + "\n")
    print("\n".join(table(found)))
