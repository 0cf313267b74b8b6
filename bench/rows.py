"""The rows of the report: which measured quantity, of which server, against what target."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

Results = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """A ratio to another server's value in the same repetition, or (`scenario`) to the own one under another load.
    `quantity`: of the other, where it has another name."""

    against: str
    limit: float
    at_least: bool = False
    scenario: str | None = None
    quantity: str | None = None

    def text(self, names: Mapping[str, str]) -> str:
        other = " with 1,000" if self.scenario else ""
        return f"{'≥' if self.at_least else '≤'} {self.limit:g} × {names[self.against]}{other}"

    def met(self, ratio: float) -> bool:
        return ratio >= self.limit if self.at_least else ratio <= self.limit


@dataclass(frozen=True)
class Row:
    """`ours`: the server of ours whose value is judged. No targets: for information. `beside`: servers that do less;
    the ratio to them is shown and not judged."""

    title: str
    scenario: str
    quantity: str
    unit: str
    ours: str = "edge"
    targets: tuple[Target, ...] = ()
    beside: tuple[str, ...] = ()


NAMES = {"floor": "floor", "node": "Node", "stock": "stock Python", "transport": "transport", "edge": "edge"}
_FLOOR_AND_NODE = (Target("floor", 1.3), Target("node", 0.5))

ROWS = (
    Row("fan-out to a room of 1,000, one update in flight", "room", "cpu_us_per_delivery", "µs per delivery",
        targets=_FLOOR_AND_NODE),
    Row("200 rooms of 5, updates from NATS", "rooms", "cpu_us_per_update", "µs per update",
        targets=(Target("floor", 2.0), Target("node", 0.5))),
    Row("the same at 400 updates a second", "rooms-paced", "cpu_us_per_update", "µs per update"),
    Row("200 rooms of 5, updates from members; ours by way of sync-svc, its log and LIVE", "calls",
        "cpu_us_per_update", "µs per update"),
    Row("burst to a room of 1,000, 32 updates in flight", "burst", "deliveries_per_cpu_s", "deliveries per CPU second",
        targets=(Target("node", 3.0, at_least=True),)),
    Row("memory of a connection, browser headers", "life", "kb_per_client", "kB",
        targets=(Target("node", 0.4),)),
    Row("the same, transport alone", "life", "kb_per_client", "kB", ours="transport"),
    Row("CPU of an idle connection", "life", "idle_us_per_client_s", "µs per second",
        targets=(Target("node", 0.35),)),
    Row("connect, transport alone: upgrade, Engine.IO, Socket.IO", "life", "cpu_us_per_connect", "µs", ours="transport",
        targets=(Target("node", 0.6),)),
    Row("connect with identity, greetings, inbox asked over NATS, session stored: no peer does", "life",
        "cpu_us_per_connect", "µs", targets=(Target("edge", 1.25, scenario="life-fewer"),), beside=("node",)),
    Row("disconnect, transport alone, 5,000 at once", "life", "cpu_us_per_disconnect", "µs", ours="transport",
        targets=(Target("node", 1.0), Target("transport", 1.25, scenario="life-fewer"))),
    Row("disconnect with the loss of each session stored: no peer does, 5,000 at once", "life",
        "cpu_us_per_disconnect", "µs", targets=(Target("edge", 1.25, scenario="life-fewer"),), beside=("node",)),
    Row("5 of 100 members stop reading: 99% of the others' deliveries within", "slow", "p99_us", "µs"),
    Row("the same: memory that the server grew by", "slow", "rss_growth_kb", "kB"),
)  # fmt: skip


def values(results: Results, scenario: str, server: str, quantity: str) -> dict[int, float]:
    """By repetition; without those that failed."""
    return {
        m["repetition"]: float(m[quantity])
        for m in results["measurements"]
        if m["scenario"] == scenario and m["server"] == server and quantity in m
    }


def middle(results: Results, row: Row, server: str) -> float | None:
    found = values(results, row.scenario, server, row.quantity)
    return median(found.values()) if found else None


def ratio(results: Results, row: Row, target: Target) -> float | None:
    """The median over repetitions: the two values of each were measured within minutes of one another."""
    ours = values(results, row.scenario, row.ours, row.quantity)
    others = values(results, target.scenario or row.scenario, target.against, target.quantity or row.quantity)
    found = [ours[n] / others[n] for n in ours.keys() & others.keys() if others[n] > 0]
    return median(found) if found else None
