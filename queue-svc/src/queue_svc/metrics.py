"""The numbers that queue-svc keeps beside those of every process. Each replica has the whole: ask for the largest.

Queues have a name here where a policy is declared for them, and the default one does: the others are `other`.
"""

from collections.abc import Callable, Iterable, Set
from functools import partial
from typing import Final

from confer_contracts.ids import token
from confer_contracts.queue import DEFAULT_QUEUE
from confer_kit import clock
from confer_kit.metrics import Gauge
from queue_svc.domain.queue import Queue
from queue_svc.figures import average_wait_s, longest_wait_s
from queue_svc.views import Tables

OTHER: Final = "other"
LATELY_S: Final = 900.0

TICKETS: Final = Gauge("confer_queue_tickets", "In a queue; state: waiting, claimed or held", ["queue", "state"])
LONGEST: Final = Gauge(
    "confer_queue_longest_wait_seconds", "Of those who wait, since they came; 0: nobody does", ["queue"]
)
AVERAGE: Final = Gauge(
    "confer_queue_average_wait_seconds", "Of those who were called in the last quarter of an hour; 0: nobody was",
    ["queue"],
)  # fmt: skip

_STATES: Final[dict[str, Callable[[Queue], int]]] = {
    "waiting": lambda queue: len(queue.line),
    "claimed": lambda queue: len(queue.claimed),
    "held": lambda queue: len(queue.held),
}


def observe(tables: Tables, declared: Iterable[str], most: int) -> None:
    """Show what is in the tables when somebody asks; `most` queues by name. Again, when others are declared."""
    for gauge in (TICKETS, LONGEST, AVERAGE):
        gauge.clear()
    named = dict.fromkeys([DEFAULT_QUEUE, *declared])
    names = {name: token(name) for name in [*named][:most]}
    named_keys = frozenset(names.values())
    for state, count in _STATES.items():
        for name, key in names.items():
            TICKETS.labels(name, state).set_function(partial(_count, tables, count, key))
        TICKETS.labels(OTHER, state).set_function(partial(_count_others, tables, count, named_keys))
    for name, key in names.items():
        LONGEST.labels(name).set_function(partial(_longest, tables, key))
        AVERAGE.labels(name).set_function(partial(_average, tables, key))


def _count(tables: Tables, count: Callable[[Queue], int], key: str) -> int:
    return count(tables.queue(key))


def _count_others(tables: Tables, count: Callable[[Queue], int], named: Set[str]) -> int:
    return sum(count(tables.queue(key)) for key in tables.queues() if key not in named)


def _longest(tables: Tables, key: str) -> float:
    return longest_wait_s(tables.queue(key), tables.statistics(key), clock.now()) or 0.0


def _average(tables: Tables, key: str) -> float:
    return average_wait_s(tables.statistics(key), clock.now() - LATELY_S) or 0.0
