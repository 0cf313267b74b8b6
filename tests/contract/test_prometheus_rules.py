"""The rules ask for metrics, labels and values that exist: what does not is never true, and nobody is woken."""

import re
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

import confer_edge.metrics
import confer_kit.metrics
from confer_kit.metrics import FORESEEN

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "confer.rules.yml"
_SELECTOR = re.compile(r"\b(confer_[a-z_]+)(?:\{(\w+)(?:=~|!=|=)\"([^\"]+)\"\})?")
_SUFFIX = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",)}


def metrics() -> dict[str, MetricWrapperBase]:
    declared = [*vars(confer_kit.metrics).values(), *vars(confer_edge.metrics).values()]
    return {
        family.name + suffix: metric
        for metric in declared
        if isinstance(metric, MetricWrapperBase)
        for family in metric.describe()
        for suffix in _SUFFIX[family.type]
    }


SELECTORS = sorted(set(_SELECTOR.findall(RULES.read_text())))


@pytest.mark.parametrize(("name", "label", "values"), SELECTORS)
def test_what_a_rule_asks_for_exists(name: str, label: str, values: str) -> None:
    metric = metrics()[name]
    if label:
        assert label in metric._labelnames
        assert set(values.split("|")) <= set(FORESEEN.get(metric, values.split("|")))


def test_the_rules_were_found() -> None:
    assert len(SELECTORS) > 10
