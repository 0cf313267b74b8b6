"""The services' tables: a target is a ratio within one repetition, whatever the other's quantity is called."""

from typing import Any

import pytest

from bench.services import queues
from bench.services.chart import svg
from bench.services.report import tables
from bench.services.rows import ROWS
from bench.services.scenarios import SCENARIOS


def measured(scenario: str, server: str, **quantities: float) -> dict[str, Any]:
    return {"scenario": scenario, "server": server, "repetition": 1, **quantities}


def shown(*measurements: dict[str, Any]) -> str:
    return "\n".join(tables({"measurements": list(measurements)}))


def test_the_last_receipt_is_judged_by_the_acknowledgement_of_a_publish() -> None:
    text = shown(
        measured("1", "publish", p50_us=1000),
        measured("1", "log", p50_us=2000),
        measured("1", "path", last_p50_us=5000),
    )
    assert (
        "| 1.00 | 2.00 | **5.00** | ≤ 3 × publish: **5.00** **missed**; ≤ 3 × publish into the log: **2.50** met |"
        in text
    )


@pytest.mark.parametrize(("rate", "verdict"), [(600, "**0.60** met"), (590, "**0.59** **missed**")])
def test_a_service_sustains_its_share_of_what_a_bare_client_reaches(rate: float, verdict: str) -> None:
    text = shown(measured("64", "publish", updates_per_s=1000), measured("64", "service", updates_per_s=rate))
    assert f"≥ 0.6 × publish: {verdict}" in text


def test_the_table_has_a_line_for_each_measurement() -> None:
    quantities = {
        "updates_per_s": 100.0,
        "p50_us": 1500,
        "p99_us": 9000,
        "cpu_us_per_update": 200.0,
        "all_cpu_us_per_update": 500.0,
    }
    lines = shown(
        measured("8", "service", **quantities), measured("8", "path", last_p50_us=2000, last_p99_us=12000, **quantities)
    )
    assert "| 8 | one sync-svc | 100 | 1.50 / 9.00 |  | 200 / 500 |" in lines
    assert "| 8 | whole path, 40 clients | 100 | 1.50 / 9.00 | 2.00 / 12.0 | 200 / 500 |" in lines


def test_every_target_is_of_a_load_that_is_run() -> None:
    run = {(load.key, server) for load in SCENARIOS for server in load.servers}
    for row in ROWS:
        assert {(row.scenario, row.ours), *((row.scenario, target.against) for target in row.targets)} <= run


def test_the_chart_has_a_line_for_what_was_measured() -> None:
    made = [measured(load.key, "path", updates_per_s=100.0 * load.in_flight, p50_us=2000) for load in SCENARIOS]
    chart = svg({"measurements": made})
    assert chart.count('<g class="path">') == 2
    assert chart.count("<circle") == 2 * len(SCENARIOS)


def test_notifications_have_a_line_for_each_measurement_and_none_where_there_is_none() -> None:
    quantities = {"updates_per_s": 100.0, "p50_us": 1500, "p99_us": 9000, "cpu_us_per_update": 200.0}
    text = shown(
        measured("notify-1000", "connected", last_p50_us=20_000, last_p99_us=50_000, **quantities),
        measured("notify-1000", "away", all_cpu_us_per_update=500.0, **quantities),
    )
    assert "| 1,000 | everybody has it | 100 | 1.50 / 9.00 | 20.0 / 50.0 | 200 |" in text
    assert "| 1,000 | acknowledged | 100 | 1.50 / 9.00 |  | 200 / 500 |" in text
    assert "10,000" not in text
    assert "Notifications" not in shown()


def test_what_staff_at_a_queue_do_has_a_table_where_it_was_measured() -> None:
    load = queues.SCENARIOS[0]
    quantities = {"updates_per_s": 250.0, "p50_us": 1500, "p99_us": 9000, "cpu_us_per_update": 900.0}
    lines = shown(measured(load.key, "queue", **quantities, all_cpu_us_per_update=2000.0))
    assert "| 1 | one queue, nobody waits | 250 | 1.50 / 9.00 | 900 / 2,000 |" in lines
    assert "## A queue" not in shown(measured("1", "path", last_p50_us=5000))
