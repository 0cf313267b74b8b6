"""What queue-svc shows: every queue's table as the portal draws it, and its board, projected from its own log."""

from collections.abc import Callable, Collection, Iterator
from itertools import islice
from typing import Final, Protocol

from confer_contracts.board import QUEUE_BOARD, Board
from confer_contracts.ids import patient_of, token, untoken
from confer_contracts.queue import DEFAULT_QUEUE, QUEUE_UPDATED, DashboardQuery, QueueDashboard, QueueRow, QueueTable
from confer_contracts.route import View
from confer_kit.facts import StoredFact
from confer_kit.ledger import Folded
from queue_svc.board import board
from queue_svc.codec import QueueCodec
from queue_svc.domain.queue import Queue
from queue_svc.domain.statistics import Statistics
from queue_svc.domain.ticket import CLAIMED, Change, Ticket, TicketChanged
from queue_svc.figures import AllStatistics
from queue_svc.table import TableDrawing, bounded, first_rows, rows

ROWS_BESIDE: Final = 50
_DEFAULT_KEY: Final = token(DEFAULT_QUEUE)


class Coalescing(Protocol):
    """The one thing that a table needs of the kit's views."""

    def coalesce(self, view: View, ident: str, render: Callable[[], tuple[bytes, int]]) -> None: ...


class Tables:
    """All queues in which somebody is, or that have a policy, as of the follower's position; of others only statistics.

    `screened` counts the tickets of the default queue that were done, since the log began. `rows_beside`: how many rows
    a room's snapshot has of it.
    """

    def __init__(self, views: Coalescing, position: Callable[[], int], rows_beside: int = ROWS_BESIDE) -> None:
        self._views = views
        self._rows_beside = rows_beside
        self.position = position
        self._codec = QueueCodec()
        self._queues: dict[str, Queue] = {}
        self._known: dict[str, int] = {}  # up to where a snapshot told what a queue is like
        self._statistics = AllStatistics()
        self._drawings: dict[str, TableDrawing] = {}
        self.screened = 0

    def apply(self, fact: StoredFact) -> tuple[str, Ticket] | None:
        """Take in a fact of the log; answers the queue's token and the ticket that changed."""
        key, event = self._codec.aggregate(fact.subject), self._codec.decode(fact)
        if key is None or event is None:
            return None
        if fact.seq > self._known.get(key, 0):
            queue = self._codec.evolve(self._queues.pop(key, Queue()), event)
            if queue.tickets or queue.policy.version:
                self._queues[key] = queue
        if not isinstance(event, TicketChanged):
            return None
        self._statistics.take(key, event, fact.seq)
        self._redraw(key, event.ticket)
        if key == _DEFAULT_KEY and event.change is Change.DONE:
            self.screened += 1
        return key, event.ticket

    def restore(self, folds: dict[str, Folded[Queue]], statistics: dict[str, Statistics], screened: int) -> None:
        """As a snapshot tells: each queue as of a sequence, all else as of where following goes on."""
        queues = {key: folded.state for key, folded in folds.items()}
        self._queues = {key: queue for key, queue in queues.items() if queue.tickets or queue.policy.version}
        self._known = {key: folded.seq for key, folded in folds.items()}
        self._statistics.restore(statistics)
        self.screened = screened

    def all_statistics(self) -> dict[str, Statistics]:
        """By queue token."""
        return self._statistics.all()

    def clear(self) -> None:
        """The log began anew."""
        self._known.clear()
        self._queues.clear()
        self._statistics.clear()
        self._drawings.clear()
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
        """The table and the board of this queue are to be sent."""
        self._views.coalesce(QUEUE_UPDATED, key, lambda: (self._drawn(key), self.position()))
        self._views.coalesce(QUEUE_BOARD, key, lambda: (self.board(key).model_dump_json().encode(), self.position()))

    def announce(self) -> None:
        """All tables are to be sent."""
        for key in self._queues:
            self.changed(key)

    def table(self, key: str) -> QueueTable:
        """The queue part of a snapshot."""
        return self._table(key, self._rows(key))

    def beside(self, room: str) -> QueueTable:
        """That of a room's snapshot: the first rows of the default queue, and those of the room's own patient."""
        found = first_rows(
            self.queue(_DEFAULT_KEY), self.statistics(_DEFAULT_KEY), self._rows_beside, patient_of(room) or ""
        )
        return self._table(_DEFAULT_KEY, bounded(found))

    def board(self, key: str) -> Board:
        return board(key, self.queue(key), self.statistics(key))

    def _table(self, key: str, table: list[QueueRow]) -> QueueTable:
        as_of = {self._codec.stream: self.position()}
        return QueueTable(as_of=as_of, queue=untoken(key), rows=table, total=len(self.queue(key).tickets))

    def dashboard(self, query: DashboardQuery) -> QueueDashboard:
        """`total_patients` are those in any queue now; `total_screenings` those who were done since the log began."""
        table = rows(self.queue(_DEFAULT_KEY), self.statistics(_DEFAULT_KEY))
        waiting = (row for row in table if row.status == "waiting")
        return QueueDashboard(
            pending_screenings=list(islice(waiting, query.limit)),
            total_patients=len({patient for queue in self._queues.values() for patient in queue.of_patient}),
            total_screenings=self.screened,
        )

    def queues(self) -> Collection[str]:
        """The tokens of those in which somebody is."""
        return self._queues.keys()

    def queue(self, key: str) -> Queue:
        return self._queues.get(key) or Queue()

    def statistics(self, key: str) -> Statistics:
        return self._statistics.of(key)

    def _redraw(self, key: str, ticket: Ticket) -> None:
        if (drawing := self._drawings.get(key)) is not None:
            drawing.changed(ticket.id)
            if key not in self._queues:
                del self._drawings[key]

    def _drawn(self, key: str) -> bytes:
        drawing = self._drawings.setdefault(key, TableDrawing()) if key in self._queues else TableDrawing()
        return drawing.draw(self.queue(key), self.statistics(key))

    def _rows(self, key: str) -> list[QueueRow]:
        return bounded(rows(self.queue(key), self.statistics(key)))
