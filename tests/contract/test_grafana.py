"""The dashboards for Grafana explain themselves, and find where their numbers and traces come from."""

import re
from pathlib import Path

import pytest

from confer_ops.dashboards.all import DASHBOARDS
from confer_ops.dashboards.model import COLUMNS, JAEGER, PROMETHEUS, Dashboard, Query

DEPLOY = Path(__file__).parents[2] / "deploy"
SOURCES = (DEPLOY / "grafana" / "provisioning" / "datasources" / "confer.yaml").read_text()
PROVIDER = (DEPLOY / "grafana" / "provisioning" / "dashboards" / "confer.yaml").read_text()
COMPOSE = (DEPLOY / "compose" / "observe.yml").read_text()


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.uid)
def test_a_dashboard_explains_itself(board: Dashboard) -> None:
    assert board.description
    chosen = {variable.name for variable in board.variables}
    for panel in board.panels:
        assert panel.title
        assert panel.description.endswith("."), panel.title
        assert panel.unit, panel.title
        said = " ".join(q.expression if isinstance(q, Query) else q.operation + q.trace for q in panel.queries)
        assert set(re.findall(r"\$(\w+)", said)) <= {*chosen, "__rate_interval"}, panel.title
    assert len({(panel.title, panel.description) for panel in board.panels}) == len(board.panels)


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.uid)
def test_no_panel_covers_another(board: Dashboard) -> None:
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in board.json()["panels"]):
        area = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not area & taken
        assert max(x for x, _ in area) < COLUMNS
        taken |= area


def test_the_sources_are_those_that_panels_ask() -> None:
    assert re.findall(r"uid: (\w+)\n    type: (\w+)", SOURCES) == [(s["uid"], s["type"]) for s in (PROMETHEUS, JAEGER)]
    for name in re.findall(r"url: http://(\w+):", SOURCES):
        assert f"\n  {name}:\n" in COMPOSE


def test_a_dot_leads_to_its_trace() -> None:
    assert re.findall(r"name: (\w+), datasourceUid: (\w+)", SOURCES) == [("trace_id", JAEGER["uid"])]
    exemplars = [
        q for board in DASHBOARDS for p in board.panels for q in p.queries if isinstance(q, Query) and q.exemplars
    ]
    assert all("_duration_seconds_bucket" in q.expression or "_delay_seconds_bucket" in q.expression for q in exemplars)
    assert "--enable-feature=exemplar-storage" in COMPOSE


def test_the_dashboards_are_where_grafana_looks() -> None:
    (inside,) = re.findall(r"path: (\S+) ", PROVIDER)
    assert f"- ./deploy/grafana/dashboards:{inside}:ro" in COMPOSE
    found = {path.stem for path in (DEPLOY / "grafana" / "dashboards").iterdir()}
    assert found == {board.uid for board in DASHBOARDS}
