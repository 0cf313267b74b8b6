"""The rules ask for metrics, labels and values that exist: what does not is never true, and nobody is woken. Every
alert says what it is about, and is explained."""

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

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "confer.rules.yml"
MODULES = (
    confer_edge.metrics, confer_kit.metrics, confer_ops.nats_metrics, notify_svc.metrics, presence_svc.metrics,
    queue_svc.metrics, sync_svc.metrics,
)  # fmt: skip
SCRAPED = {"part", "instance", "job"}  # labels that Prometheus adds
_SELECTOR = re.compile(r"\b(confer_[a-z_]+)(?:\{(\w+)(?:=~|!=|=)\"([^\"]+)\"\})?")
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


SELECTORS = sorted(set(_SELECTOR.findall(RULES.read_text())))
ALERTS = {rule.partition("\n")[0]: rule for rule in RULES.read_text().split("- alert: ")[1:]}


@pytest.mark.parametrize(("name", "label", "values"), SELECTORS)
def test_what_a_rule_asks_for_exists(name: str, label: str, values: str) -> None:
    metric = metrics()[name]
    if label and label not in SCRAPED:
        assert label in metric._labelnames
        assert set(values.split("|")) <= set(FORESEEN.get(metric, values.split("|")))


def test_the_rules_were_found() -> None:
    assert len(SELECTORS) > 10
    assert len(ALERTS) > 20


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
