"""A queue's table: as models for snapshots; and as bytes, drawn after each change, for which all of a row is kept that
does not depend on the others."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Final

import orjson

from confer_contracts.queue import QueueRow
from confer_kit.clock import iso
from queue_svc.domain.queue import Queue
from queue_svc.domain.statistics import Statistics
from queue_svc.domain.ticket import Ticket
from queue_svc.pace import Pace, Placed, pace_of, place_of, placed

TABLE_BYTES_MAX: Final = 512 * 1024  # half of what NATS carries in one message
_Parts = tuple[bytes, bytes, bytes]


def rows(queue: Queue, statistics: Statistics) -> Iterator[QueueRow]:
    """The table in order, as of the queue's latest fact, so that every replica draws the same."""
    pace = pace_of(queue, statistics, statistics.at)
    return (_row(each, pace, statistics) for each in placed(queue))


def first_rows(queue: Queue, statistics: Statistics, count: int, patient: str) -> Iterator[QueueRow]:
    """The first `count`, and those of a patient."""
    pace = pace_of(queue, statistics, statistics.at)
    own = (place for ticket in queue.tickets_of(patient) if (place := place_of(queue, ticket)).position > count)
    near = chain(islice(placed(queue), count), sorted(own))
    return (_row(each, pace, statistics) for each in near)


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


def _row(each: Placed, pace: Pace, statistics: Statistics) -> QueueRow:
    ticket = each.ticket
    return QueueRow(
        patient_id=ticket.patient_id,
        queue_position=each.position,
        current_step=ticket.step,
        priority=ticket.priority,
        staff_working=ticket.working,
        status=ticket.status,
        ticket=ticket.id,
        number=ticket.shown_number,
        estimated_completion=_completion(each, pace, statistics),
        created_at=iso(ticket.created_at),
    )


class TableDrawing:
    """Of one queue. A row is what `QueueRow` makes of the ticket, byte for byte."""

    def __init__(self) -> None:
        self._parts: dict[str, _Parts] = {}  # before, between and after the position and the completion

    def changed(self, ticket: str) -> None:
        self._parts.pop(ticket, None)

    def draw(self, queue: Queue, statistics: Statistics) -> bytes:
        """The first rows, as many as one message carries, as of the queue's latest fact."""
        pace = pace_of(queue, statistics, statistics.at)
        rows, left = list[bytes](), TABLE_BYTES_MAX - 2
        for each in placed(queue):
            row = self._row(each, pace, statistics)
            left -= len(row) + 1
            if left < 0:
                break
            rows.append(row)
        return b"[%b]" % b",".join(rows)

    def _row(self, each: Placed, pace: Pace, statistics: Statistics) -> bytes:
        ticket = each.ticket
        parts = self._parts.get(ticket.id)
        if parts is None:
            parts = self._parts[ticket.id] = _parts_of(ticket)
        done = None if pace.basis is None else _completion(each, pace, statistics)
        return b"%b%d%b%b%b" % (
            parts[0], each.position, parts[1], b"null" if done is None else b'"%b"' % done.encode(), parts[2],
        )  # fmt: skip


def _completion(each: Placed, pace: Pace, statistics: Statistics) -> str | None:
    """By when the ticket is likely to be done (ISO 8601); None where that cannot be known, or it is on hold."""
    if each.ticket.status == "held":
        return None
    done = pace.completion(each.ahead, statistics.courses.get(each.ticket.id))
    return None if done is None else iso(done)


def _parts_of(ticket: Ticket) -> _Parts:
    middle = {
        "current_step": ticket.step,
        "priority": ticket.priority,
        "staff_working": ticket.working,
        "status": ticket.status,
        "ticket": ticket.id,
        "number": ticket.shown_number,
    }
    return (
        b'{"patient_id":%b,"queue_position":' % orjson.dumps(ticket.patient_id),
        b',%b,"estimated_completion":' % orjson.dumps(middle)[1:-1],
        b',"created_at":"%b"}' % iso(ticket.created_at).encode(),
    )
