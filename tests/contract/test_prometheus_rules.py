"""Rules and dashboards ask for metrics, labels and values that exist: what does not is never true, and nobody is woken.
Every alert says what it is about, and is explained."""

import re
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

import confer_edge.metrics
import confer_kit.metrics
import confer_ops.nats_metrics
import notify_svc.metrics
import presence_svc.metrics
import queue_svc.metrics
import sync_svc.metrics
from confer_kit.metrics import FORESEEN
from confer_ops.dashboards.all import DASHBOARDS
from confer_ops.dashboards.model import Query

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "confer.rules.yml"
MODULES = (
    confer_edge.metrics, confer_kit.metrics, confer_ops.nats_metrics, notify_svc.metrics, presence_svc.metrics,
    queue_svc.metrics, sync_svc.metrics,
)  # fmt: skip
SCRAPED = {"part", "instance", "job"}  # labels that Prometheus adds
_SELECTOR = re.compile(r"\b(confer_[a-z_]+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)(?:=~|!~|!=|=)"([^"]+)"')
_SUFFIX = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",)}


def metrics() -> dict[str, MetricWrapperBase]:
    return {
        family.name + suffix: metric
        for module in MODULES
        for metric in vars(module).values()
        if isinstance(metric, MetricWrapperBase)
        for family in metric.describe()
        for suffix in _SUFFIX[family.type]
    }


QUERIES = [query for board in DASHBOARDS for panel in board.panels for query in panel.queries]
EXPRESSIONS = [query.expression for query in QUERIES if isinstance(query, Query)]
SELECTORS = sorted(set(_SELECTOR.findall("\n".join([RULES.read_text(), *EXPRESSIONS]))))
RECORDED = set(re.findall(r"- record: (\S+)", RULES.read_text()))
ALERTS = {rule.partition("\n")[0]: rule for rule in RULES.read_text().split("- alert: ")[1:]}


@pytest.mark.parametrize(("name", "matchers"), SELECTORS)
def test_what_is_asked_for_exists(name: str, matchers: str) -> None:
    metric = metrics()[name]
    for label, values in _MATCHER.findall(matchers):
        if label in SCRAPED:
            continue
        assert label in metric._labelnames
        if not re.search(r"[$.*+]", values):
            assert set(values.split("|")) <= set(FORESEEN.get(metric, values.split("|")))


def test_rules_and_dashboards_were_found() -> None:
    assert len(SELECTORS) > 100
    assert len(ALERTS) > 20
    assert set(re.findall(r"\bconfer:\w+(?::\w+)*", "\n".join(EXPRESSIONS))) <= RECORDED


def test_every_metric_is_on_a_dashboard_or_wakes_somebody() -> None:
    assert {metrics()[name] for name, _ in SELECTORS} == {*metrics().values()}


def test_every_part_that_is_scraped_is_missed_when_it_is_away() -> None:
    scraped = re.findall(r"names: \[([\w-]+)\]", RULES.with_name("prometheus.yml").read_text())
    assert sorted(scraped) == sorted(re.findall(r'absent\(\S+part="([\w-]+)"', ALERTS["ConferPartAway"]))
    assert {"edge", "nats-metrics"} < set(scraped)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_it_is_about(name: str) -> None:
    rule = ALERTS[name]
    assert re.search(r"labels: \{ severity: (critical|warning) \}", rule)
    assert re.search(r'\n +summary: ".+"\n +description: ".+"\n', rule)
    assert f"runbook_url: docs/alerts.md#{name.lower()}\n" in rule


def test_every_alert_is_explained_and_no_other() -> None:
    explained = re.findall(r"^### (\w+)\n(.+?)(?=^#|\Z)", (ROOT / "docs" / "alerts.md").read_text(), re.M | re.S)
    assert sorted(name for name, _ in explained) == sorted(ALERTS)
    for name, text in explained:
        assert "\n- Look: " in text, name
        assert "\n- Do: " in text, name
