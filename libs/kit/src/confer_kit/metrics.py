"""The numbers that every process keeps, as Prometheus names them; `exposition` serves them (docs/adr/0014).

Labels have few values, all known beforehand: a route of the catalogue, a code of the closed list; never an id.
"""

from typing import Any, Final, TypeVar

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, Info, disable_created_metrics

__all__ = ["REGISTRY", "Counter", "Gauge", "Histogram"]

disable_created_metrics()  # type: ignore[no-untyped-call] # a second series per counter, which nobody asks for

M = TypeVar("M", bound="Counter | Gauge | Histogram")
FORESEEN: Final[dict[object, tuple[str, ...]]] = {}  # the values that a metric's one label can have


def by(metric: M, *values: str) -> M:
    """The metric, whose one label has these values: each is shown from the start, so that its first rise is seen as
    one."""
    FORESEEN[metric] = tuple(map(str, values))
    for value in values:
        metric.labels(value)
    return metric


# of calls, which people wait for
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

BUILD: Final = Info("confer_build", "Which process this is, and its version")

LOOP_SECONDS: Final = Histogram(
    "confer_event_loop_delay_seconds", "How late this process does what is due: looked at four times a second",
    buckets=SECONDS,
)  # fmt: skip

NATS_CONNECTED: Final = Gauge("confer_nats_connected", "1 while this process is connected to NATS")
NATS_DISCONNECTS: Final = Counter("confer_nats_disconnects", "Connections to NATS that were lost")
NATS_RECONNECTS: Final = Counter("confer_nats_reconnects", "Connections to NATS that came back")
NATS_VIOLATIONS: Final = by(
    Counter("confer_nats_permission_violations", "What NATS did not let this process do (docs/nats.md)", ["operation"]),
    "publish", "subscription",
)  # fmt: skip

REQUESTS: Final = Counter(
    "confer_requests", "Calls that this service answered; outcome: ok or an error code", ["route", "outcome"]
)
REQUEST_SECONDS: Final = Histogram(
    "confer_request_duration_seconds", "From a call's arrival here to its answer", ["route"], buckets=SECONDS
)
REQUESTS_IN_FLIGHT: Final = Gauge("confer_requests_in_flight", "Calls that this service is answering")
REACTIONS: Final = by(
    Counter("confer_reactions", "Other services' facts that this service reacted to", ["outcome"]),
    "done", "refused", "again", "failed",
)  # fmt: skip

APPENDS: Final = by(
    Counter("confer_appends", "Writes to the log that expect its last sequence", ["outcome"]),
    "stored", "conflict", "unavailable", "outcome_unknown",
)  # fmt: skip
SNAPSHOTS: Final = by(
    Counter("confer_snapshots", "Snapshots of the service's folds: read at the start, or left aside; made, or too late"
            " because another replica had made one", ["outcome"]),
    "read", "none", "unusable", "written", "late",
)  # fmt: skip
APPEND_SECONDS: Final = Histogram("confer_append_duration_seconds", "Of a write to the log", buckets=SECONDS)

AUDIT: Final = by(
    Counter("confer_audit", "Reads and refusals that the stream AUDIT was told, or that were dropped", ["outcome"]),
    "told", "over_rate", "away",
)  # fmt: skip

VIEWS_DROPPED: Final = Counter(
    "confer_views_dropped", "Changes of views that are shown with the next change only, because too many others waited"
)
VIEWS_UNANNOUNCED: Final = Counter(
    "confer_views_unannounced", "Views that are not shown again to edges that were away, because there are too many"
)

FOLLOWER_POSITION: Final = Gauge("confer_follower_position", "Sequence that was delivered last", ["stream"])
FOLLOWER_PENDING: Final = Gauge(
    "confer_follower_pending", "Messages that were still to come when the last one was delivered", ["stream"]
)
FOLLOWER_CURRENT: Final = Gauge(
    "confer_follower_current", "1 while everything that was there when following began has been delivered", ["stream"]
)
FOLLOWER_BREAKS: Final = Counter(
    "confer_follower_breaks",
    "Times that following began again; reason: hole, silence, reconnect or error",
    ["stream", "reason"],
)
FOLLOWER_RESETS: Final = Counter(
    "confer_follower_resets", "Times that the stream was made anew or had lost what was not read yet", ["stream"]
)
FACTS_FOREIGN: Final = Counter(
    "confer_facts_foreign", "Facts in this service's stream that no service wrote (docs/operating.md)", ["stream"]
)


def of_follower(stream: str, follower: Any) -> None:
    """Show a follower's `position` and `pending`, whether it is `current`, and its counters from 0 on."""
    FOLLOWER_POSITION.labels(stream).set_function(lambda: follower.position)
    FOLLOWER_PENDING.labels(stream).set_function(lambda: follower.pending)
    FOLLOWER_CURRENT.labels(stream).set_function(lambda: follower.current)
    FOLLOWER_RESETS.labels(stream)
    for reason in ("hole", "silence", "reconnect", "error"):
        FOLLOWER_BREAKS.labels(stream, reason)
