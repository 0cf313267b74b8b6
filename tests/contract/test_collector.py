"""The collector's and Jaeger's configuration: no binary of theirs is here, so what they would refuse is looked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = {"collector": DEPLOY / "otel" / "collector.yaml", "jaeger": DEPLOY / "jaeger" / "config.yaml"}
ROLES = ("receivers", "processors", "exporters", "extensions")
# the settings of these components, as their documentation lists them: a misspelt one keeps them from starting
KNOWN = {
    "otlp": {"protocols", "endpoint", "tls", "sending_queue", "retry_on_failure", "compression", "timeout", "headers"},
    "memory_limiter": {"check_interval", "limit_mib", "spike_limit_mib", "limit_percentage", "spike_limit_percentage"},
    "tail_sampling": {
        "decision_wait", "num_traces", "expected_new_traces_per_sec", "decision_cache", "policies",
        "sample_on_first_match", "drop_pending_traces_on_shutdown",
    },
    "batch": {"send_batch_size", "send_batch_max_size", "timeout"},
    "health_check": {"endpoint", "path"},
    "healthcheckv2": {"use_v2", "http", "grpc", "component_health"},
    "jaeger_storage": {"backends", "metric_backends"},
    "jaeger_query": {"storage", "http", "grpc", "ui", "base_path"},
    "jaeger_storage_exporter": {"trace_storage"},
}  # fmt: skip
POLICIES = {"status_code": {"status_codes"}, "latency": {"threshold_ms"}, "probabilistic": {"sampling_percentage"}}


def config(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load(FILES[name].read_text()))


def pipelines(of: dict[str, Any]) -> Iterator[dict[str, list[str]]]:
    yield from of["service"]["pipelines"].values()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("role", ROLES)
def test_what_is_used_is_declared_and_the_other_way_round(name: str, role: str) -> None:
    told = config(name)
    used = told["service"]["extensions"] if role == "extensions" else [n for p in pipelines(told) for n in p[role]]
    assert set(used) == set(told[role])


@pytest.mark.parametrize("name", FILES)
def test_each_component_has_settings_that_it_knows(name: str) -> None:
    told = config(name)
    for role in ROLES:
        for component, settings in told[role].items():
            assert set(settings) <= KNOWN[component.partition("/")[0]], component


def test_whole_traces_are_decided_about_before_they_are_cut_into_batches() -> None:
    (traces,) = pipelines(config("collector"))
    assert traces["processors"] == ["memory_limiter", "tail_sampling", "batch"]


def test_errors_and_slowness_force_it_on() -> None:
    policies = {p["type"]: p for p in config("collector")["processors"]["tail_sampling"]["policies"]}
    assert {kind: set(policies[kind][kind]) for kind in policies} == POLICIES
    assert policies["status_code"]["status_code"]["status_codes"] == ["ERROR"]
    assert policies["latency"]["latency"]["threshold_ms"] <= 1000


def test_each_sends_where_the_next_one_listens() -> None:
    collector, jaeger = config("collector"), config("jaeger")
    host, _, port = collector["exporters"]["otlp/jaeger"]["endpoint"].partition(":")
    assert host == "jaeger"
    assert jaeger["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"] == f"0.0.0.0:{port}"
    assert collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"] == "0.0.0.0:4318"
    (storage,) = jaeger["extensions"]["jaeger_storage"]["backends"]
    assert jaeger["extensions"]["jaeger_query"]["storage"] == {"traces": storage}
    assert jaeger["exporters"]["jaeger_storage_exporter"] == {"trace_storage": storage}
