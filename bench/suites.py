"""What `./run bench` can measure: the edge, the services."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bench import chart, report, scenarios
from bench.document import Report
from bench.measure import EdgeBench
from bench.services import chart as services_chart
from bench.services import notifications, queues
from bench.services import report as services_report
from bench.services import scenarios as services_scenarios
from bench.services.measure import ServicesBench
from bench.tools import Tools


class Scenario(Protocol):
    @property
    def key(self) -> str: ...
    @property
    def servers(self) -> tuple[str, ...]:
        """What gets the load, one after the other."""
        ...


class Measuring(Protocol):
    def measure(self, scenario: Any, name: str, *, quick: bool) -> dict[str, Any]:
        """One server under the load of a scenario; Failed where that gave no result."""
        ...


@dataclass(frozen=True)
class Suite:
    """`pinned`: what is measured has a core of its own."""

    report: Report
    scenarios: Sequence[Scenario]
    measuring: Callable[[Tools, Path, ExitStack], Measuring]
    with_node: bool
    pinned: bool
    only_table: Callable[[Any], list[str]]  # of a trial


SUITES = {
    "edge": Suite(
        Report("edge", report.page, chart.svg), scenarios.SCENARIOS, EdgeBench, with_node=True, pinned=True,
        only_table=report.table,
    ),
    "services": Suite(
        Report("services", services_report.page, services_chart.svg),
        (*services_scenarios.SCENARIOS, *queues.SCENARIOS, *notifications.SCENARIOS),
        ServicesBench,
        with_node=False, pinned=False, only_table=services_report.tables,
    ),
}  # fmt: skip
