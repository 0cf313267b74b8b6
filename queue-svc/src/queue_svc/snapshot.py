"""What a snapshot of the queues holds, as JSON: every fold, and what is shown of them.

A fold may be ahead of where following is, by what this replica has just appended: each has its own sequence.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import astuple, fields, replace
from operator import attrgetter
from typing import Any

import orjson

from confer_contracts.operations import OperationLog
from confer_kit.ledger import Folded, Ledger
from queue_svc.domain.estimate import BASIS_MAX, Service
from queue_svc.domain.queue import Event, Queue, standing
from queue_svc.domain.statistics import Course, Statistics, Tally
from queue_svc.domain.ticket import Ticket
from queue_svc.packing import packed, packed_policy, unpacked, unpacked_policy
from queue_svc.views import Tables

_COURSE = attrgetter(*(one.name for one in fields(Course)))  # there are as many as tickets


class Kept:
    """The service's state, for `confer_kit.snapshots`."""

    version = 2

    def __init__(self, ledger: Ledger[Queue, Event], tables: Tables) -> None:
        self._ledger = ledger
        self._tables = tables

    def capture(self) -> Callable[[], bytes] | None:
        folds = self._ledger.whole()
        if folds is None:
            return None
        queues = [(key, folded.seq, folded.guarded, folded.state.copy()) for key, folded in folds]
        statistics = {key: packed_statistics(of) for key, of in self._tables.all_statistics().items()}
        screened = self._tables.screened
        return lambda: orjson.dumps({
            "queues": [[key, seq, guarded, packed_queue(queue)] for key, seq, guarded, queue in queues],
            "statistics": statistics,
            "screened": screened,
        })  # fmt: skip

    def restore(self, body: bytes) -> None:
        told = orjson.loads(body)
        folds = {key: Folded(unpacked_queue(queue), seq, guarded) for key, seq, guarded, queue in told["queues"]}
        statistics = {key: unpacked_statistics(of) for key, of in told["statistics"].items()}
        for key, folded in folds.items():
            self._ledger.restore(key, replace(folded, state=folded.state.copy()))
        self._tables.restore(folds, statistics, told["screened"])


def packed_queue(queue: Queue) -> dict[str, Any]:
    """Tickets that several operations left the same are told once."""
    active = [queue.tickets[ticket] for tickets in queue.of_patient.values() for ticket in tickets]
    operations, seen = queue.operations, dict[int, int]()
    table = list[Ticket]()

    def number(ticket: Ticket) -> int:
        if id(ticket) not in seen:
            seen[id(ticket)] = len(table)
            table.append(ticket)
        return seen[id(ticket)]

    return {
        "policy": packed_policy(queue.policy),
        "active": [number(ticket) for ticket in active],
        "results": [[*who, at, number(left), weight] for who, (at, left, weight) in operations.results.items()],
        "forgotten": list(operations.forgotten.items()),
        "forgotten_until": operations.forgotten_until,
        "arrivals": queue.arrivals,
        "passes": queue.line.passes,
        "numbers": [queue.numbers.day, queue.numbers.count],
        "segment": [queue.segment, queue.facts],
        "table": [packed(ticket) for ticket in table],
    }


def unpacked_queue(told: dict[str, Any]) -> Queue:
    table = [unpacked(ticket) for ticket in told["table"]]
    queue = standing(unpacked_policy(told["policy"]), (table[number] for number in told["active"]))
    queue.arrivals, queue.line.passes = told["arrivals"], told["passes"]
    queue.numbers.day, queue.numbers.count = told["numbers"]
    queue.segment, queue.facts = told["segment"]
    results = {(user, op): (at, table[number], weight) for user, op, at, number, weight in told["results"]}
    weight = sum(weight for _, _, weight in results.values())
    queue.operations = OperationLog(results, weight, dict(told["forgotten"]), told["forgotten_until"])
    return queue


def packed_statistics(of: Statistics) -> list[Any]:
    return [
        of.at,
        {ticket: _COURSE(course) for ticket, course in of.courses.items()},
        [[minute, _pairs(stations.items())] for minute, stations in of.minutes],
        [astuple(service) for service in of.services],
    ]


def unpacked_statistics(told: list[Any]) -> Statistics:
    at, courses, minutes, services = told
    return Statistics(
        at,
        {ticket: Course(*course) for ticket, course in courses.items()},
        deque((minute, {station: Tally(*tally) for station, tally in stations}) for minute, stations in minutes),
        deque((Service(*service) for service in services), maxlen=BASIS_MAX),
    )


def _pairs(stations: Iterable[tuple[str | None, Tally]]) -> list[list[Any]]:
    return [[station, astuple(tally)] for station, tally in stations]
