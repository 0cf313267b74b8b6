"""The numbers that every process keeps, as Prometheus names them; `exposition` serves them (docs/adr/0014).

Labels have few values, all known beforehand: a route of the catalogue, a code of the closed list; never an id.
"""

from typing import Final

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, Info, disable_created_metrics

__all__ = ["REGISTRY", "Counter", "Gauge", "Histogram"]

disable_created_metrics()  # type: ignore[no-untyped-call] # a second series per counter, which nobody asks for

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)  # of a call that people feel

BUILD: Final = Info("confer_build", "Which process this is, and its version")
NATS_CONNECTED: Final = Gauge("confer_nats_connected", "1 while this process is connected to NATS")
NATS_DISCONNECTS: Final = Counter("confer_nats_disconnects", "Connections to NATS that were lost")
NATS_RECONNECTS: Final = Counter("confer_nats_reconnects", "Connections to NATS that came back")

REQUESTS: Final = Counter("confer_requests", "Calls answered, by outcome: ok or an error code", ["route", "outcome"])
REQUEST_SECONDS: Final = Histogram(
    "confer_request_duration_seconds", "From a call's arrival to its answer", ["route"], buckets=SECONDS
)
REQUESTS_IN_FLIGHT: Final = Gauge("confer_requests_in_flight", "Calls that are being answered")
APPENDS: Final = Counter(
    "confer_appends", "Facts offered to the log, by outcome: stored, conflict, unknown or unavailable", ["outcome"]
)

FOLLOWER_POSITION: Final = Gauge("confer_follower_position", "Sequence that was delivered last", ["stream"])
FOLLOWER_PENDING: Final = Gauge(
    "confer_follower_pending", "Messages that were still to come when the last one was delivered", ["stream"]
)
FOLLOWER_BREAKS: Final = Counter(
    "confer_follower_breaks",
    "Times that following began again, by reason: hole, silence, reconnect or error",
    ["stream", "reason"],
)
FOLLOWER_RESETS: Final = Counter(
    "confer_follower_resets", "Times that the stream was made anew or had lost messages", ["stream"]
)
