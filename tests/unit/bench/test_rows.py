"""Ratios come from one repetition each, and a target knows in which direction it is met."""

from typing import Any

from bench.chart import svg
from bench.report import table
from bench.rows import ROWS, Row, Target, middle, ratio, values

ROW = Row("memory", "life", "kb", "kB", targets=(Target("node", 0.5),))


def results(*found: tuple[str, int, float | None], scenario: str = "life", quantity: str = "kb") -> dict[str, Any]:
    """(server, repetition, value); None: it failed."""
    return {
        "measurements": [
            {"scenario": scenario, "server": server, "repetition": n}
            | ({"failed": "gone"} if value is None else {quantity: value})
            for server, n, value in found
        ]
    }


def test_a_ratio_is_the_median_of_those_within_repetitions() -> None:
    noisy = results(("edge", 1, 4), ("node", 1, 10), ("edge", 2, 50), ("node", 2, 100), ("edge", 3, 9), ("node", 3, 10))
    assert ratio(noisy, ROW, ROW.targets[0]) == 0.5
    assert middle(noisy, ROW, "edge") == 9


def test_a_repetition_in_which_one_failed_does_not_count() -> None:
    broken = results(("edge", 1, 4), ("node", 1, None), ("edge", 2, 6), ("node", 2, 10))
    assert ratio(broken, ROW, ROW.targets[0]) == 0.6
    assert values(broken, "life", "node", "kb") == {2: 10}
    assert ratio(results(("edge", 1, 4)), ROW, ROW.targets[0]) is None


def test_a_target_has_a_direction() -> None:
    assert Target("node", 0.5).met(0.5)
    assert not Target("node", 0.5).met(0.51)
    assert Target("node", 3, at_least=True).met(3.1)
    assert not Target("node", 3, at_least=True).met(2.9)


def test_the_table_says_what_was_missed() -> None:
    row = next(r for r in ROWS if r.quantity == "kb_per_client" and r.ours == "edge")
    measured = results(("edge", 1, 9.0), ("node", 1, 18.0), scenario=row.scenario, quantity=row.quantity)
    text = "\n".join(table(measured))
    assert "| 18.0 |  | **9.00** | ≤ 0.4 × Node: **0.50** **missed** |" in text


def test_of_what_is_better_when_higher_the_chart_shows_the_cost() -> None:
    row = next(r for r in ROWS if r.targets and r.targets[0].at_least)
    measured = results(("edge", 1, 400.0), ("node", 1, 100.0), scenario=row.scenario, quantity=row.quantity)
    assert ">25%<" in svg(measured)
