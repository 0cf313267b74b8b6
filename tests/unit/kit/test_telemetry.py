"""Without an exporter nothing is recorded, and the trace id still travels: the activity log shows it."""

import json
import re
import subprocess
import sys

import pytest

from confer_contracts.subjects import Header
from confer_kit import telemetry

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_message_without_a_trace_begins_one_that_goes_on() -> None:
    with telemetry.span("receive", telemetry.Kind.SERVER, telemetry.incoming(None)):
        own, headers = telemetry.trace_id(), telemetry.inject()
    assert own is not None
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", headers[Header.TRACEPARENT])
    assert telemetry.trace_id_of(headers) == own
    with telemetry.span("process", telemetry.Kind.CONSUMER, telemetry.incoming(headers)):
        assert telemetry.trace_id() == own
    assert telemetry.trace_id() is None


def test_a_trace_that_came_in_goes_on() -> None:
    parent = telemetry.incoming({Header.TRACEPARENT: PARENT})
    with (
        telemetry.span("process", telemetry.Kind.CONSUMER, parent),
        telemetry.span("send", telemetry.Kind.PRODUCER),
    ):
        assert telemetry.inject() == {Header.TRACEPARENT: PARENT}
    assert telemetry.inject() == {}


def test_no_number_leads_to_a_trace_that_is_not_recorded() -> None:
    with telemetry.span("process", telemetry.Kind.CONSUMER, telemetry.incoming({Header.TRACEPARENT: PARENT})):
        assert telemetry.exemplar() is None


def test_each_root_is_another_trace() -> None:
    seen = set()
    for _ in range(100):
        with telemetry.span("receive", telemetry.Kind.SERVER, telemetry.incoming({})):
            seen.add(telemetry.trace_id())
    assert len(seen) == 100


def test_the_context_ends_with_the_block_even_when_it_raises() -> None:
    root = telemetry.incoming(None)
    with pytest.raises(ValueError, match="on"), telemetry.span("receive", telemetry.Kind.SERVER, root):
        raise ValueError("on")
    assert telemetry.trace_id() is None


@pytest.mark.parametrize("header", ["", "nonsense", "00-zz-zz-01", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "ก"])
def test_a_trace_header_that_is_none_does_no_harm(header: str) -> None:
    with telemetry.span("process", telemetry.Kind.CONSUMER, telemetry.incoming({Header.TRACEPARENT: header})):
        telemetry.inject()
    assert not telemetry.sampled({Header.TRACEPARENT: header})


def test_nothing_is_sampled_and_no_sdk_is_loaded_without_an_endpoint() -> None:
    assert not telemetry.sampled({Header.TRACEPARENT: PARENT})
    code = (
        "import sys; from confer_kit import telemetry; telemetry.setup('x', None, '0'); telemetry.shutdown(); "
        "sys.exit(any(name.startswith('opentelemetry.sdk') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_collector_that_is_away_is_one_json_line() -> None:
    code = (
        "from confer_kit import logs, telemetry; logs.configure('x', 'info', 'json'); "
        "telemetry.setup('x', 'set', '0'); import logging; "
        "log = logging.getLogger('opentelemetry.exporter.otlp'); "
        "[log.error('Failed to export %s', n) for n in range(3)]; log.warning('retrying'); "
        "logging.getLogger('asyncio').error('of a library')"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["level"], line.get("error"), line.get("library")) for line in lines] == [
        ("warning", "Failed to export 0", None), ("error", None, "asyncio"),
    ]  # fmt: skip
    assert done.stderr == ""


def resource() -> dict[str, str]:
    """What a process says of itself to whoever gets its traces."""
    code = (
        "import json; from opentelemetry import trace; from confer_kit import telemetry; "
        "telemetry.setup('sync-svc', 'set', '1.2.3'); "
        "print(json.dumps(dict(trace.get_tracer_provider().resource.attributes)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def test_a_process_says_who_it_is_and_an_operator_may_say_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    own = resource()
    told = {"service.namespace": "confer", "service.name": "sync-svc", "service.version": "1.2.3"}
    assert told.items() <= own.items()
    assert own["service.instance.id"] != resource()["service.instance.id"]
    said = "deployment.environment.name=staging,service.name=beaten,service.instance.id=pod-1"
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", said)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "sync-staging")
    other = resource()
    told |= {"service.name": "sync-staging", "service.instance.id": "pod-1", "deployment.environment.name": "staging"}
    assert told.items() <= other.items()
