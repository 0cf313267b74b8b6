"""What queue-svc shows: every queue's table, projected from its own log, as the portal draws it."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, Protocol

from pydantic import TypeAdapter

from confer_contracts.ids import token, untoken
from confer_contracts.queue import DEFAULT_QUEUE, QUEUE_UPDATED, DashboardQuery, QueueDashboard, QueueRow, QueueTable
from confer_contracts.route import View
from confer_kit.clock import iso
from confer_kit.facts import StoredFact
from queue_svc.codec import QueueCodec
from queue_svc.domain.policy import PolicyDeclared
from queue_svc.domain.queue import Queue
from queue_svc.domain.ticket import CLAIMED, Change, Ticket

TABLE_BYTES_MAX: Final = 512 * 1024  # half of what NATS carries in one message
_TABLE: Final = TypeAdapter(list[QueueRow])
_DEFAULT_KEY: Final = token(DEFAULT_QUEUE)


class Coalescing(Protocol):
    """The one thing that a table needs of the kit's views."""

    def coalesce(self, view: View, ident: str, render: Callable[[], tuple[bytes, int]]) -> None: ...


def rows(queue: Queue) -> Iterator[QueueRow]:
    """The table in order. `estimated_completion` is absent until it can be known."""
    for position, ticket in enumerate(queue.in_order(), start=1):
        yield QueueRow(
            patient_id=ticket.patient_id,
            queue_position=position,
            current_step=ticket.step,
            priority=ticket.priority,
            staff_working=ticket.working,
            status=ticket.status,
            ticket=ticket.id,
            number=ticket.shown_number,
            created_at=iso(ticket.created_at),
        )


def bounded(table: Iterable[QueueRow]) -> list[QueueRow]:
    """The first rows, as many as one message carries; those who want all keep their own table from the facts."""
    first, size = [], 0
    for row in table:
        ids = (row.patient_id, row.ticket, *row.staff_working)
        size += 256 + sum(2 * len(one.encode()) + 3 for one in ids)  # at worst, every character is escaped
        if size > TABLE_BYTES_MAX:
            break
        first.append(row)
    return first


class Tables:
    """All queues in which somebody is, as of the follower's position; one that empties is forgotten, with no policy.

    `screened` counts the tickets of the default queue that were done, since the log began.
    """

    def __init__(self, views: Coalescing, position: Callable[[], int]) -> None:
        self._views = views
        self._position = position
        self._codec = QueueCodec()
        self._queues: dict[str, Queue] = {}
        self.screened = 0

    def apply(self, fact: StoredFact) -> tuple[str, Ticket] | None:
        """Take in a fact of the log; answers the queue's token and the ticket that changed."""
        key, event = self._codec.aggregate(fact.subject), self._codec.decode(fact)
        if key is None or event is None:
            return None
        queue = self._codec.evolve(self._queues.pop(key, Queue()), event)
        if queue.tickets or queue.policy.version:
            self._queues[key] = queue
        if isinstance(event, PolicyDeclared):
            return None
        if key == _DEFAULT_KEY and event.change is Change.DONE:
            self.screened += 1
        return key, event.ticket

    def clear(self) -> None:
        """The log began anew."""
        self._queues.clear()
        self.screened = 0

    def claimed(self) -> Iterator[tuple[str, Ticket]]:
        """Every ticket that somebody holds, with its queue's token."""
        for key, queue in self._queues.items():
            for ticket in queue.tickets.values():
                if ticket.status in CLAIMED:
                    yield key, ticket

    def queues_of(self, patient: str) -> list[str]:
        """The tokens of the queues that a patient is in."""
        return [key for key, queue in self._queues.items() if patient in queue.of_patient]

    def changed(self, key: str) -> None:
        """The table of this queue is to be sent."""
        self._views.coalesce(QUEUE_UPDATED, key, lambda: (_TABLE.dump_json(self._rows(key)), self._position()))

    def announce(self) -> None:
        """All tables are to be sent."""
        for key in self._queues:
            self.changed(key)

    def table(self, key: str) -> QueueTable:
        """The queue part of a snapshot."""
        as_of = {self._codec.stream: self._position()}
        return QueueTable(as_of=as_of, queue=untoken(key), rows=self._rows(key))

    def dashboard(self, query: DashboardQuery) -> QueueDashboard:
        """`total_patients` are those in any queue now; `total_screenings` those who were done since the log began."""
        waiting = (row for row in rows(self._queue(_DEFAULT_KEY)) if row.status == "waiting")
        return QueueDashboard(
            pending_screenings=list(islice(waiting, query.limit)),
            total_patients=len({patient for queue in self._queues.values() for patient in queue.of_patient}),
            total_screenings=self.screened,
        )

    def _queue(self, key: str) -> Queue:
        return self._queues.get(key, Queue())

    def _rows(self, key: str) -> list[QueueRow]:
        return bounded(rows(self._queue(key)))
