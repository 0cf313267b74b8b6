"""What a display shows: who was called, the latest first, who is next, and nothing that tells who they are."""

from dataclasses import replace

from confer_contracts.board import CALLED_MAX, NEXT_MAX
from queue_svc.board import board
from queue_svc.domain.queue import Queue, evolve
from queue_svc.domain.statistics import Statistics
from queue_svc.domain.ticket import Change, Claim, Ticket, TicketChanged

T0 = 1_700_000_000.0


class Day:
    """Facts of one queue, as its board is drawn from them."""

    def __init__(self) -> None:
        self.queue, self.statistics, self.sequence = Queue(), Statistics(), 0

    def happens(self, change: Change, ticket: Ticket, at: float) -> None:
        self.sequence += 1
        event = TicketChanged(change=change, ticket=ticket, user="ana", op=f"o{self.sequence}", at=T0 + at)
        self.statistics.take(event, self.sequence)
        self.queue = evolve(self.queue, event)

    def queued(self, number: int) -> Ticket:
        made = Ticket(id=f"t{number}", patient_id=f"p{number}", priority="normal", arrival=number, created_at=T0)
        self.happens(Change.QUEUED, made, number)
        return made

    def called(self, ticket: Ticket, at: float, station: str | None = "1") -> Ticket:
        claimed = replace(ticket, status="called", claim=Claim("ana", "s", "token", T0 + 9999, station))
        self.happens(Change.CALLED, claimed, at)
        return claimed


def test_the_latest_call_is_first_and_who_is_served_stays() -> None:
    day = Day()
    first, second, third, _ = (day.queued(number) for number in (1, 2, 3, 4))
    served = day.called(first, 10, station=None)
    day.called(second, 20, station="room 2")
    day.happens(Change.SERVING, replace(served, status="serving"), 30)
    shown = board("eyes=2E", day.queue, day.statistics)
    assert [(one.number, one.station, one.serving) for one in shown.called] == [
        ("#2", "room 2", False),
        ("#1", None, True),
    ]
    assert [one.called_at for one in shown.called] == ["2023-11-14T22:13:40.000Z", "2023-11-14T22:13:30.000Z"]
    assert (shown.queue, shown.next, shown.waiting) == ("eyes.", ["#3", "#4"], 2)
    assert third.patient_id not in shown.model_dump_json()


def test_it_is_bounded() -> None:
    day = Day()
    for number in range(1, 2 * (CALLED_MAX + NEXT_MAX)):
        ticket = day.queued(number)
        if number % 2:
            day.called(ticket, number)
    shown = board("q", day.queue, day.statistics)
    assert (len(shown.called), len(shown.next)) == (CALLED_MAX, NEXT_MAX)
    assert shown.waiting == CALLED_MAX + NEXT_MAX - 1
    assert shown.called[0].number == f"#{2 * (CALLED_MAX + NEXT_MAX) - 1}"


def test_an_empty_queue_has_an_empty_board() -> None:
    shown = board("q", Queue(), Statistics())
    assert (shown.called, shown.next, shown.waiting, shown.estimated_wait) == ([], [], 0, None)
