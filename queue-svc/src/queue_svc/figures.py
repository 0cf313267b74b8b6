"""Statistics of all queues, kept from the log, and as clients see them."""

from collections import OrderedDict
from typing import Any, Final

from confer_contracts.queue_reading import Figures, StationFigures, Window
from confer_kit.clock import iso
from queue_svc.domain.queue import Queue
from queue_svc.domain.statistics import KEPT_S, Statistics, Tally
from queue_svc.domain.ticket import TicketChanged

QUEUES_MAX: Final = 10_000  # whose statistics are kept; those that were quiet longest go first
STATIONS_SHOWN: Final = 200


class AllStatistics:
    """By queue token, those that were quiet longest first."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, Statistics] = OrderedDict()

    def take(self, key: str, event: TicketChanged, sequence: int) -> None:
        statistics = self._of.setdefault(key, Statistics())
        statistics.take(event, sequence)
        self._of.move_to_end(key)
        quiet, oldest = next(iter(self._of.items()))
        if len(self._of) > QUEUES_MAX or oldest.at < event.at - KEPT_S:
            if oldest.courses and len(self._of) <= QUEUES_MAX:
                self._of.move_to_end(quiet)  # somebody is in it
            else:
                del self._of[quiet]

    def of(self, key: str) -> Statistics:
        """Empty for a queue in which nothing has happened lately."""
        return self._of.get(key) or Statistics()

    def all(self) -> dict[str, Statistics]:
        return dict(self._of)

    def restore(self, of: dict[str, Statistics]) -> None:
        """In the order of `all`."""
        self._of = OrderedDict(of)

    def clear(self) -> None:
        self._of.clear()


def window(statistics: Statistics, since: float) -> Window:
    """What happened from a moment (Unix seconds) on."""
    stations, whole = statistics.since(since), Tally()
    for tally in stations.values():
        whole.add(tally)
    busiest = sorted(stations.items(), key=lambda item: (-item[1].served, -item[1].called, item[0] or ""))
    return Window(
        since=iso(since), **_figures(whole),
        stations=[StationFigures(station=name, **_figures(tally)) for name, tally in busiest[:STATIONS_SHOWN]],
    )  # fmt: skip


def longest_wait_s(queue: Queue, statistics: Statistics, now: float) -> float | None:
    """Of those who wait; None: nobody does."""
    since = [
        course.since
        for ticket in queue.tickets.values()
        if ticket.status == "waiting" and (course := statistics.courses.get(ticket.id)) is not None
    ]
    return round(max(0.0, now - min(since)), 1) if since else None


def average_wait_s(statistics: Statistics, since: float) -> float | None:
    """Of those who were called from a moment (Unix seconds) on; None: nobody was."""
    tallies = statistics.since(since).values()
    return _average(sum(tally.waited_s for tally in tallies), sum(tally.called for tally in tallies))


def _figures(tally: Tally) -> dict[str, Any]:
    return Figures(
        called=tally.called,
        served=tally.served,
        no_shows=tally.no_shows,
        cancelled=tally.cancelled,
        average_wait_s=_average(tally.waited_s, tally.called),
        average_service_s=_average(tally.service_s, tally.served),
    ).model_dump()


def _average(seconds: float, count: int) -> float | None:
    return round(seconds / count, 1) if count else None
