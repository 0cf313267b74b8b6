"""Each alert of deploy/prometheus/ by promtool: quiet while all is well, firing when it is not, quiet again."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytestmark = pytest.mark.prometheus

RULES = Path(__file__).parents[3] / "deploy" / "prometheus" / "confer.rules.yml"
ALERTS = re.findall(r"- alert: (\w+)", RULES.read_text())
EVERY = "30s"
WELL, ILL = "10m", "30m"  # when it is looked, and once more when what is asked about is past
WELL_AGAIN = {"ConferWebhooksDead": "95m"}  # it asks for the last hour
WELL_FOR, ILL_FOR, WELL_AFTER = 21, 38, 160  # samples after the first one of each


class Case(NamedTuple):
    """`series`: each with how much it grows by, or (`=`) what it is, each time while all is well, before and after, and
    while it is not. `flaps`: 0, and not there, in turn."""

    alert: str
    series: dict[str, tuple[str, str]]
    labels: str = ""


def seconds(name: str, well: str, ill: str, labels: str = "") -> dict[str, tuple[str, str]]:
    """A histogram, all of whose values were below `well` seconds, and then between that and `ill`."""
    return {
        f'{name}_bucket{{le="{well}"{labels}}}': ("+10", "+0"),
        f'{name}_bucket{{le="{ill}"{labels}}}': ("+10", "+10"),
        f'{name}_bucket{{le="+Inf"{labels}}}': ("+10", "+10"),
    }


EDGE = 'part="edge",instance="e:1"'
SYNC = 'part="sync-svc",instance="s:1"'
PARTS = ("edge", "presence-svc", "sync-svc", "queue-svc", "notify-svc", "nats-metrics")
CASES = [
    *(
        Case("ConferPartAway", {f'confer_build_info{{part="{part}"}}': ("=1", "stale" if part == away else "=1")
                                for part in PARTS}, f'part="{away}"')
        for away in PARTS
    ),
    Case("ConferProcessAway", {f'up{{job="confer",{SYNC}}}': ("=1", "=0")}, SYNC),
    Case("ConferProcessRestarts", {f'process_start_time_seconds{{job="confer",{SYNC}}}': ("=1", "+1")}, SYNC),
    Case("ConferProcessBusy", seconds("confer_event_loop_delay_seconds", "0.1", "0.5", f",{EDGE}"), EDGE),
    Case("ConferProcessBehind", {f'confer_follower_current{{stream="SYNC",{SYNC}}}': ("=1", "=0"),
                                 f'confer_follower_current{{stream="ACTIVITY",{SYNC}}}': ("=0", "=0")}),
    Case("ConferNatsServerAway", {'confer_nats_server_up{server="n1:8222"}': ("=1", "=0")}, 'server="n1:8222"'),
    Case("ConferNatsAway", {f"confer_nats_connected{{{SYNC}}}": ("=1", "=0")}, SYNC),
    Case("ConferNatsAway", {f"confer_nats_connected{{{SYNC}}}": ("=1", "flaps")}, SYNC),
    Case("ConferFactForged", {f'confer_facts_foreign_total{{stream="SYNC",{SYNC}}}': ("+0", "+1")}, 'stream="SYNC"'),
    Case("ConferNatsForbidden",
         {f'confer_nats_permission_violations_total{{operation="publish",{SYNC}}}': ("+0", "+1")}, SYNC),
    Case("ConferNatsStranger",
         {'confer_nats_server_refused_total{server="n1:8222",reason="tls"}': ("+0", "+1"),
          'confer_nats_server_refused_total{server="n1:8222",reason="authentication"}': ("+0", "+0")},
         'server="n1:8222",reason="tls"'),
    Case("ConferNatsCertificateEnds",
         {'confer_nats_server_certificate_end_timestamp_seconds{server="n1:8222"}': ("=9999999", "=600000")},
         'server="n1:8222"'),
    Case("ConferNatsSlowConsumer", {'confer_nats_server_slow_consumers_total{server="n1:8222"}': ("+0", "+1")}),
    Case("ConferStreamCopiesMissing", {'confer_jetstream_stream_replicas{stream="SYNC"}': ("=3", "=2"),
                                       'confer_jetstream_stream_replicas_wanted{stream="SYNC"}': ("=3", "=3")}),
    Case("ConferStreamFull", {'confer_jetstream_stream_messages{stream="ACCESS"}': ("=100", "=170000"),
                              'confer_jetstream_stream_limit{stream="ACCESS",what="messages"}': ("=200000", "=200000")},
         'stream="ACCESS"'),
    Case("ConferStreamFull", {'confer_jetstream_stream_bytes{stream="SYNC"}': ("=100", "=900"),
                              'confer_jetstream_stream_limit{stream="SYNC",what="bytes"}': ("=1000", "=1000")}),
    Case("ConferStorageFull", {'confer_jetstream_storage_bytes{server="n1:8222"}': ("=1", "=9"),
                               'confer_jetstream_storage_limit_bytes{server="n1:8222"}': ("=10", "=10")}),
    Case("ConferConsumerBehind",
         {'confer_jetstream_consumer_pending{stream="SYNC",consumer="live"}': ("=900", "=1100")}),
    Case("ConferConsumerStuck",
         {'confer_jetstream_consumer_redelivered{stream="SYNC",consumer="queue-on-sync"}': ("=0", "=1")}),
    Case("ConferFeedSilent", {f"confer_edge_feed_silence_seconds{{{EDGE}}}": ("=2", "=11")}, EDGE),
    Case("ConferFeedSlow", seconds("confer_edge_feed_delay_seconds", "0.5", "5", f",{EDGE}"), 'instance="e:1"'),
    Case("ConferFeedLost", {f'confer_follower_resets_total{{stream="LIVE",{EDGE}}}': ("+0", "+1")}, 'stream="LIVE"'),
    Case("ConferCallsFail", {'confer_edge_calls_total{route="enqueue",outcome="ok"}': ("+100", "+100"),
                             'confer_edge_calls_total{route="enqueue",outcome="invalid"}': ("+100", "+100"),
                             'confer_edge_calls_total{route="enqueue",outcome="unavailable"}': ("+1", "+20")}),
    Case("ConferCallsSlow", seconds("confer_edge_call_duration_seconds", "1", "5")),
    Case("ConferServiceFails", {f'confer_requests_total{{outcome="ok",{SYNC}}}': ("+100", "+100"),
                                f'confer_requests_total{{outcome="internal",{SYNC}}}': ("+1", "+20")},
         'part="sync-svc"'),
    Case("ConferServiceFull", {f'confer_requests_total{{outcome="limit_exceeded",{SYNC}}}': ("+1", "+100")}),
    Case("ConferAppendsSlow", seconds("confer_append_duration_seconds", "0.25", "2.5", f",{SYNC}"), 'part="sync-svc"'),
    Case("ConferReactionsFail", {f'confer_reactions_total{{outcome="failed",{SYNC}}}': ("+0", "+1"),
                                 f'confer_reactions_total{{outcome="done",{SYNC}}}': ("+9", "+9")}),
    Case("ConferAuditIncomplete", {f'confer_audit_total{{outcome="told",{SYNC}}}': ("+9", "+9"),
                                   f'confer_audit_total{{outcome="over_rate",{SYNC}}}': ("+0", "+1")}),
    Case("ConferWebhooksDead", {'confer_notify_webhooks_total{outcome="dead"}': ("+0", "+1"),
                                'confer_notify_webhooks_total{outcome="again"}': ("+9", "+9")}),
    Case("ConferEdgeLost", {'confer_presence_leases_lost_total{part="presence-svc"}': ("+0", "+1")}),
    Case("ConferConnectionsBreak",
         {f'confer_edge_disconnects_total{{reason="ping_timeout",{EDGE}}}': ("+1", "+100"),
          f'confer_edge_disconnects_total{{reason="client_disconnect",{EDGE}}}': ("+99", "+9"),
          f"confer_edge_sessions{{{EDGE}}}": ("=100", "=100")}, 'instance="e:1"'),
    Case("ConferSessionsNotRecovered", {f'confer_edge_recoveries_total{{outcome="recovered",{EDGE}}}': ("+100", "+10"),
                                        f'confer_edge_recoveries_total{{outcome="epoch",{EDGE}}}': ("+1", "+100")}),
    Case("ConferClientsRefused", {f'confer_edge_limits_total{{limit="events",{EDGE}}}': ("+10", "+200")},
         'limit="events"'),
    Case("ConferTokensRefused", {f'confer_edge_refused_tokens_total{{reason="expired_token",{EDGE}}}': ("+99", "+99"),
                                 f'confer_edge_refused_tokens_total{{reason="bad_signature",{EDGE}}}': ("+1", "+99")}),
]  # fmt: skip


def values(well: str, ill: str) -> str:
    """In promtool's notation; one that grows goes on from where it was."""
    if well.startswith("="):
        usual = well[1:]
        told = (
            {
                "stale": f"stale _x{ILL_FOR}",
                "flaps": "0 stale " * (ILL_FOR // 2) + "0",  # not connected, then not there, again and again
            }.get(ill)
            or (f"{usual}{ill}x{ILL_FOR}" if ill.startswith("+") else f"{ill[1:]}x{ILL_FOR}")
        )
        return f"{usual}x{WELL_FOR} {told} {usual}x{WELL_AFTER}"
    slow, fast = int(well), int(ill)
    then, end = slow * WELL_FOR, slow * WELL_FOR + fast * ILL_FOR
    return f"0+{slow}x{WELL_FOR} {then}+{fast}x{ILL_FOR} {end}+{slow}x{WELL_AFTER}"


def written(case: Case) -> dict[str, Any]:
    labels = f",{case.labels}" if case.labels else ""
    firing = f'count(ALERTS{{alertname="{case.alert}",alertstate="firing"{labels}}}) > bool 0'
    any_firing = f'count(ALERTS{{alertname="{case.alert}",alertstate="firing"}})'
    return {
        "name": f"{case.alert} {case.labels}",
        "interval": EVERY,
        "input_series": [{"series": name, "values": values(*each)} for name, each in case.series.items()],
        "promql_expr_test": [
            {"expr": any_firing, "eval_time": WELL, "exp_samples": []},
            {"expr": firing, "eval_time": ILL, "exp_samples": [{"labels": "{}", "value": 1}]},
            {"expr": any_firing, "eval_time": WELL_AGAIN.get(case.alert, "50m"), "exp_samples": []},
        ],
    }


def test_every_alert_has_a_case() -> None:
    assert {case.alert for case in CASES} == set(ALERTS)


def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    file = tmp_path / "tests.yml"  # JSON is YAML
    told = {"rule_files": [str(RULES)], "evaluation_interval": EVERY, "tests": [written(case) for case in CASES]}
    file.write_text(json.dumps(told))
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["prometheus.yml", "local.yml"])
def test_prometheus_takes_its_configuration(name: str) -> None:
    config = RULES.with_name(name)
    done = subprocess.run(["promtool", "check", "config", str(config)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
