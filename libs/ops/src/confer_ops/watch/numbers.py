"""The vital numbers, from what the processes show to Prometheus; read when somebody looks, not otherwise."""

import asyncio
import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from confer_contracts.errors import FAILURES
from confer_ops.fetching import body_of

WINDOW_S: Final = 60.0  # over which rates are told
SCRAPE_S: Final = 2.0  # how long a process may take
APART_S: Final = 1.0
ANSWER_BYTES_MAX: Final = 4 * 1024 * 1024
_CALLS: Final = ("confer_edge_calls_total", "confer_requests_total")
_SECONDS: Final = ("confer_edge_call_duration_seconds_bucket", "confer_request_duration_seconds_bucket")
_CLIENTS, _PENDING = "confer_edge_clients", "confer_follower_pending"
_FEED: Final = "confer_edge_feed_delay_seconds_bucket"


class Scrape(NamedTuple):
    """What one process showed `at` (seconds of the loop's clock): sums over labels; histograms by upper bound."""

    at: float
    calls: float = 0
    failures: float = 0
    clients: float | None = None  # None: it has none
    lag: float = 0  # messages that it has not read yet
    seconds: Mapping[float, float] = {}
    feed: Mapping[float, float] = {}


def read(text: str, at: float) -> Scrape:
    """From the text that Prometheus gets."""
    calls = failures = lag = 0.0
    clients: float | None = None
    seconds: dict[float, float] = {}
    feed: dict[float, float] = {}
    for family in text_string_to_metric_families(text):
        for name, labels, value, *_ in family.samples:
            if name in _CALLS:
                calls += value
                failures += value if labels["outcome"] in FAILURES else 0
            elif name == _CLIENTS:
                clients = (clients or 0) + value
            elif name == _PENDING:
                lag += value
            elif name in _SECONDS or name == _FEED:
                into, bound = feed if name == _FEED else seconds, float(labels["le"])
                into[bound] = into.get(bound, 0) + value
    return Scrape(at, calls, failures, clients, lag, seconds, feed)


def quantile(q: float, before: Mapping[float, float], now: Mapping[float, float]) -> float | None:
    """Of a histogram between two scrapes, as Prometheus' histogram_quantile; None: nothing was observed."""
    rises = [(bound, count - before.get(bound, 0)) for bound, count in sorted(now.items())]
    if not rises or rises[-1][1] <= 0:
        return None
    wanted = q * rises[-1][1]
    low, below = 0.0, 0.0
    for bound, count in rises:
        if count >= wanted:
            inside = (wanted - below) / (count - below) if count > below else 1
            return low if math.isinf(bound) else low + (bound - low) * inside
        low, below = bound, count
    raise AssertionError("unreachable: the last bound has all of them")


class Numbers:
    """`ports`: of the processes' metrics, by their names."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self._ports = {name: port for name, port in ports.items() if port}
        self._scrapes: dict[str, deque[Scrape]] = {name: deque() for name in self._ports}
        self._read_at = -math.inf
        self._reading = asyncio.Lock()

    async def now(self) -> list[dict[str, Any]]:
        """By process: calls and failures a second, p50 and p99 and the feed's delay in ms, clients, lag; `None` where
        there is nothing to tell. `up`: it answered."""
        async with self._reading:
            at = asyncio.get_running_loop().time()
            if at - self._read_at >= APART_S:
                self._read_at = at
                await asyncio.gather(*(self._scrape(name, at) for name in self._ports))
        return [_shown(name, list(scrapes)) for name, scrapes in self._scrapes.items()]

    async def _scrape(self, name: str, at: float) -> None:
        scrapes = self._scrapes[name]
        body = await body_of(self._ports[name], "/metrics", within_s=SCRAPE_S, bytes_max=ANSWER_BYTES_MAX)
        if body is None:
            scrapes.clear()  # its counters begin anew when it is back
            return
        scrape = read(body.decode(), at)
        if scrapes and scrape.calls < scrapes[-1].calls:
            scrapes.clear()
        scrapes.append(scrape)
        while at - scrapes[0].at > WINDOW_S:
            scrapes.popleft()


def _shown(name: str, scrapes: Sequence[Scrape]) -> dict[str, Any]:
    if not scrapes:
        return {"process": name, "up": False}
    first, last = scrapes[0], scrapes[-1]
    seconds = last.at - first.at
    if not seconds:  # of its whole life, as long as there is no second look
        first = Scrape(first.at)
    return {
        "process": name,
        "up": True,
        "calls": (last.calls - first.calls) / seconds if seconds else None,  # a second
        "failures": (last.failures - first.failures) / seconds if seconds else None,
        "p50": _ms(quantile(0.5, first.seconds, last.seconds)),
        "p99": _ms(quantile(0.99, first.seconds, last.seconds)),
        "feed": _ms(quantile(0.5, first.feed, last.feed)),
        "clients": last.clients,
        "lag": last.lag,
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
