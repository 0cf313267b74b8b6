"""What happened in a queue, by minute and station."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from queue_svc.domain import statistics
from queue_svc.domain.estimate import BASIS_MAX, Service
from queue_svc.domain.statistics import KEPT_S, STATIONS_MAX, Course, Statistics, Tally
from queue_svc.domain.ticket import Change, Claim, Status, Ticket, TicketChanged

T0 = 1_700_000_000.0
TICKET = Ticket(id="t1", patient_id="p", priority="normal", arrival=1, created_at=T0)


class Day:
    """Facts of one queue, taken in as they come."""

    def __init__(self) -> None:
        self.statistics = Statistics()
        self.sequence = 0

    def happens(
        self, change: Change, status: Status, at: float, *, ticket: str = "t1", station: str | None = "1"
    ) -> None:
        claim = None if status == "waiting" else Claim("ana", "s", "token", at + 60, station)
        made = Ticket(
            id=ticket, patient_id="p", priority="normal", arrival=1, created_at=T0, status=status, claim=claim
        )
        self.sequence += 1
        event = TicketChanged(change=change, ticket=made, user="ana", op="o", at=T0 + at)
        self.statistics.take(event, self.sequence)

    def serves(
        self, at: float, *, ticket: str = "t1", station: str | None = "1", wait: float = 60, took: float = 30
    ) -> None:
        """From coming to going, which is at `at`."""
        self.happens(Change.QUEUED, "waiting", at - took - wait, ticket=ticket)
        self.happens(Change.CALLED, "called", at - took - 5, ticket=ticket, station=station)
        self.happens(Change.SERVING, "serving", at - took, ticket=ticket, station=station)
        self.happens(Change.DONE, "done", at, ticket=ticket, station=station)

    def since(self, at: float = 0) -> dict[str | None, Tally]:
        return self.statistics.since(T0 + at)


def test_waits_last_until_the_first_call_and_services_from_their_beginning() -> None:
    day = Day()
    day.serves(1000, wait=205, took=300)
    assert day.since() == {"1": Tally(called=1, served=1, waited_s=200, service_s=300)}
    assert list(day.statistics.services) == [Service(T0 + 1000, 300, "1")]
    assert day.statistics.courses == {}


def test_who_is_called_again_has_waited_once() -> None:
    day = Day()
    day.happens(Change.QUEUED, "waiting", 0)
    day.happens(Change.CALLED, "called", 60)
    day.happens(Change.RETURNED, "waiting", 90)
    day.happens(Change.CALLED, "called", 600)
    assert day.since() == {"1": Tally(called=1, waited_s=60)}
    assert day.statistics.courses == {"t1": Course(T0, 1, called=T0 + 600, was_called=True)}


def test_news_of_staff_does_not_begin_a_service_anew() -> None:
    day = Day()
    day.happens(Change.QUEUED, "waiting", 0)
    day.happens(Change.CALLED, "called", 10)
    day.happens(Change.STAFF_JOINED, "called", 20)
    day.happens(Change.SERVING, "serving", 30)
    day.happens(Change.STAFF_LEFT, "serving", 40)
    assert day.statistics.courses == {"t1": Course(T0, 1, called=T0 + 10, began=T0 + 30, was_called=True)}


def test_who_did_not_come_and_who_was_taken_out_is_counted() -> None:
    day = Day()
    day.happens(Change.QUEUED, "waiting", 0)
    day.happens(Change.CALLED, "called", 10)
    day.happens(Change.NO_SHOW, "no_show", 20)
    day.happens(Change.QUEUED, "waiting", 30, ticket="t2")
    day.happens(Change.CANCELLED, "cancelled", 40, ticket="t2", station=None)
    assert day.since() == {"1": Tally(called=1, no_shows=1, waited_s=10), None: Tally(cancelled=1)}


def test_a_window_is_what_happened_from_a_minute_on() -> None:
    day = Day()
    for minute, station in ((1, "1"), (50, "2"), (59, "2")):
        day.serves(minute * 60, ticket=f"t{minute}", station=station)
    assert {station: tally.served for station, tally in day.since(49 * 60).items()} == {"2": 2}
    assert {station: tally.served for station, tally in day.since().items()} == {"1": 1, "2": 2}


def test_a_clock_that_is_behind_makes_nothing_negative_and_loses_nothing() -> None:
    day = Day()
    day.serves(1000)
    day.happens(Change.QUEUED, "waiting", 500, ticket="t2")
    day.happens(Change.CALLED, "called", 400, ticket="t2")
    day.happens(Change.DONE, "done", 300, ticket="t2")
    tally = day.since(960)["1"]
    assert (tally.served, tally.waited_s, tally.service_s) == (2, 55, 30)


@given(st.lists(st.integers(0, int(10 * KEPT_S)), max_size=200).map(sorted))
def test_what_is_kept_is_bounded_and_the_last_day_is_in_it(times: list[int]) -> None:
    day = Day()
    for number, at in enumerate(times):
        day.serves(at, ticket=f"t{number}", station=f"{number % 3}")
    kept = day.statistics
    assert len(kept.minutes) <= KEPT_S / statistics.MINUTE_S + 1
    assert len(kept.services) == min(len(times), BASIS_MAX)
    if times:
        last_day = [at for at in times if T0 + at >= (T0 + times[-1] - 24 * 3600) // 60 * 60]
        assert sum(tally.served for tally in day.since(times[-1] - 24 * 3600).values()) == len(last_day)


def test_so_many_stations_are_told_apart() -> None:
    day = Day()
    for number in range(STATIONS_MAX + 5):
        day.happens(Change.NO_SHOW, "no_show", 0, ticket=f"t{number}", station=f"s{number}")
    found = day.since()
    assert len(found) == STATIONS_MAX + 1
    assert found[None].no_shows == 5


def test_where_no_station_is_named_whoever_holds_the_ticket_stands_for_it() -> None:
    claim = Claim("ana", "s", "token", T0, None)
    ticket = replace(TICKET, status="called", claim=claim)
    waiting = replace(ticket, claim=None, status="waiting")
    here = replace(ticket, claim=replace(claim, station="room 2"))
    assert statistics.places(iter([ticket, waiting, here])) == {"ana", "room 2"}
