"""The public board of a queue: numbers and stations, and nothing that tells who they are."""

from itertools import islice

from confer_contracts.board import CALLED_MAX, NEXT_MAX, Board, BoardTicket
from confer_contracts.ids import untoken
from confer_kit.clock import iso
from queue_svc.domain.queue import Queue
from queue_svc.domain.statistics import Statistics
from queue_svc.domain.ticket import Ticket
from queue_svc.pace import pace_of, placed


def board(key: str, queue: Queue, statistics: Statistics) -> Board:
    """As of the queue's latest fact, so that every replica draws the same."""
    called = sorted(
        ((_called_at(ticket, statistics), ticket) for ticket in (queue.tickets[p.ticket] for p in queue.claimed)),
        key=lambda pair: (-pair[0], pair[1].arrival),
    )
    first = (each.ticket.shown_number for each in placed(queue) if each.ahead is not None)
    return Board(
        queue=untoken(key),
        called=[_shown(ticket, at) for at, ticket in called[:CALLED_MAX]],
        next=list(islice(first, NEXT_MAX)),
        waiting=len(queue.line),
        estimated_wait=pace_of(queue, statistics, statistics.at).wait(len(queue.line)),
    )


def _called_at(ticket: Ticket, statistics: Statistics) -> float:
    course = statistics.courses.get(ticket.id)
    return (course.called if course else None) or ticket.created_at


def _shown(ticket: Ticket, at: float) -> BoardTicket:
    station = ticket.claim.station if ticket.claim else None
    return BoardTicket(
        number=ticket.shown_number, station=station, serving=ticket.status == "serving", called_at=iso(at)
    )
