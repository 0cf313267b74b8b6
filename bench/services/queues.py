"""What the calls of staff at a queue cost: into many queues, and around one, short or long."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from bench.backplane import Backplane
from bench.document import number
from bench.measure import loaded
from bench.rows import Results, Row, middle
from confer_contracts import presence, queue

WAITING: Final = {"queue": 0, "long": 5000}  # who wait before the measurement; one queue takes 10,000
NAMES: Final = {"queue": "one queue, nobody waits", "long": f"one queue, {WAITING['long']:,} wait"}


@dataclass(frozen=True)
class Queued:
    """So many people at one queue, each of whom sends the next call when the one before is answered."""

    staff: int

    @property
    def key(self) -> str:
        return f"queue-{self.staff}"

    @property
    def servers(self) -> tuple[str, ...]:
        return tuple(NAMES)


SCENARIOS: Final = (Queued(1), Queued(8), Queued(64))


def measure(
    there: Backplane, start: Callable[[str], int], load: Queued, name: str, times: dict[str, float]
) -> dict[str, Any]:
    """`start` starts a service and answers its pid. Presence is asked who is with each patient who comes."""
    pids = [start(queue.SERVICE), start(presence.SERVICE), there.pid]
    given = (there.url, ",".join(map(str, pids)), load.staff, WAITING[name], *times.values())
    return loaded([sys.executable, "-m", "bench.peers.staff", *map(str, given)])


def tables(results: Results) -> Iterator[str]:
    """Medians; nothing where nothing of it was measured."""
    lines = [line for load in SCENARIOS for name in NAMES if (line := _line(results, load, name))]
    if not lines:
        return
    yield from (
        "",
        "## A queue",
        "",
        "| staff at once | where | calls per second | answered: half, 99% within, ms | CPU of queue-svc / of all, µs |",
        "|---:|---|---:|---:|---:|",
        *lines,
        "",
        "Each of the staff puts a patient into the queue, calls the next one, and finishes that one, again and again, "
        "over NATS as an edge asks: three calls, each one append on the queue's expected sequence, so that all of "
        "one queue take turns. The client is Python; it, presence-svc and NATS are in the CPU of all. Compare with one "
        "sync-svc above, whose calls go to different records.",
    )


def _line(results: Results, load: Queued, name: str) -> str | None:
    def shown(quantity: str, scale: float = 1) -> str:
        found = middle(results, Row("", load.key, quantity, ""), name)
        return "" if found is None else number(found / scale)

    if not (rate := shown("updates_per_s")):
        return None
    answered = " / ".join(shown(each, 1000) for each in ("p50_us", "p99_us"))
    cpu = " / ".join(shown(each) for each in ("cpu_us_per_update", "all_cpu_us_per_update"))
    return f"| {load.staff} | {NAMES[name]} | {rate} | {answered} | {cpu} |"
