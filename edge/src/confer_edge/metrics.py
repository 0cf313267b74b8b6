"""The edge's numbers, served at /metrics beside those of the kit (docs/adr/0014).

A label has few values, all known beforehand: never an id, a room, or anything that a client wrote. What a delivery
costs here is nothing: a fan-out is counted once, and what can be counted at scrape is.
"""

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from confer_contracts import catalogue
from confer_contracts.errors import ErrorCode
from confer_kit import telemetry
from confer_kit.metrics import FORESEEN, SECONDS, Counter, Gauge, Histogram, by

if TYPE_CHECKING:
    from confer_edge.engine_socket import Socket
    from confer_edge.session import Session

OTHER: Final = "other"
_ROUTES: Final = frozenset({*catalogue.PUBLIC_CALLS, *(event.event for event in catalogue.EDGE_EVENTS)})

# --- connections and sessions
CLIENTS: Final = by(Gauge("confer_edge_clients", "Engine.IO connections", ["transport"]), "polling", "websocket")
SESSIONS: Final = Gauge("confer_edge_sessions", "Socket.IO sessions")
DISPLAYS: Final = Gauge("confer_edge_displays", "Public displays on the namespace /board")
MEMBERSHIPS: Final = Gauge("confer_edge_memberships", "Memberships of all sessions in audiences")
HANDSHAKES: Final = by(
    Counter("confer_edge_handshakes", "Engine.IO handshakes that were accepted", ["transport"]), "polling", "websocket"
)
REFUSED: Final = by(
    Counter("confer_edge_refused_requests", "Engine.IO requests that were refused", ["reason"]),
    "transport", "session", "method", "version", "origin", "leaving", OTHER,
)  # fmt: skip
UPGRADES: Final = by(
    Counter("confer_edge_upgrades", "Upgrades from polling to WebSocket", ["outcome"]), "succeeded", "failed"
)
CONNECTS: Final = by(
    Counter("confer_edge_connects", "Socket.IO CONNECT packets that were answered", ["outcome"]),
    "new", "recovered", *ErrorCode,
)  # fmt: skip
DISCONNECTS: Final = by(
    Counter("confer_edge_disconnects", "Sessions that ended", ["reason"]),
    "client_disconnect", "server_disconnect", "transport_close", "transport_error", "ping_timeout", "superseded",
    "cut_off", "revoked", "kicked",
)  # fmt: skip
RECOVERIES: Final = by(
    Counter("confer_edge_recoveries", "Clients that came back with the pid of an earlier session", ["outcome"]),
    "recovered", "unknown", "user", "rights", "epoch", "window", "offset", "ahead", "lost",
)  # fmt: skip
VIOLATIONS: Final = Counter("confer_edge_violations", "Connections that were closed because they broke the protocol")
TOKENS: Final = by(
    Counter("confer_edge_refused_tokens", "Tokens that were refused", ["reason"]),
    "expired_token", "bad_signature", "missing_claim", "invalid_claim", "invalid_key_id", "unsupported_algorithm",
    "decode_error", OTHER,
)  # fmt: skip
CLAIMS: Final = by(
    Counter("confer_edge_claims", "What became of who a session says it is", ["what"]), "renewed", "ignored", "expired"
)

# --- what clients ask
CALLS: Final = Counter("confer_edge_calls", "Clients' events; outcome: ok or an error code", ["route", "outcome"])
CALL_SECONDS: Final = Histogram(
    "confer_edge_call_duration_seconds", "From a client's event to its answer, its turn included", ["route"],
    buckets=SECONDS,
)  # fmt: skip
JOINS: Final = by(
    Counter("confer_edge_joins", "Joins of audiences with a snapshot; partial: a service was away", ["outcome"]),
    "whole", "partial",
)  # fmt: skip
DENIED: Final = by(
    Counter("confer_edge_denied", "Questions about rights that were answered no", ["source"]),
    "revoked", "claims", "policy", "authoriser", "no_answer", "board",
)  # fmt: skip
ENDED: Final = Counter("confer_edge_memberships_ended", "Memberships that ended because the right to them did")
LIMITS: Final = by(
    Counter("confer_edge_limits", "Times that a client met a limit, mostly by its setting", ["limit"]),
    "connections_max", "connections_per_address_max", "connections_per_user_max", "connects_per_address",
    "connects_per_user", "handshake_s", "answer_s",
    "http_connections", "head_bytes", "request_s", "events", "events_for_too_long", "nesting_max", "joins", "connects",
    "pending_calls_max", "in_flight_max", "rooms_max", "access_in_flight_max", "admin_attempts",
    "board_attempts", "displays_max",
    "slow_client", "unsent", "losses",
)  # fmt: skip

# --- what clients get
DELIVERIES: Final = by(
    Counter("confer_edge_deliveries", "What was handed to clients, counted once for each of them", ["what"]),
    "fact", "view", "replayed",
)  # fmt: skip
FACTS, VIEWS, REPLAYED = (DELIVERIES.labels(what) for what in ("fact", "view", "replayed"))
RESYNCS: Final = by(
    Counter("confer_edge_resyncs", "Sessions that lost something for good, by reason", ["reason"]),
    "reset", "behind", "overtaken",
)  # fmt: skip
DROPPED: Final = by(
    Counter("confer_edge_dropped", "Packets that waited for a slow client in vain, by reason", ["reason"]),
    "superseded", "behind",
)  # fmt: skip
WAITING: Final = Gauge("confer_edge_waiting_bytes", "Bytes that wait for slow clients, and for the next polls")
FEED_SECONDS: Final = Histogram(
    "confer_edge_feed_delay_seconds", "From the append of this edge's own fact to its coming back by the live feed",
    buckets=SECONDS,
)  # fmt: skip
FEED_SILENCE: Final = Gauge("confer_edge_feed_silence_seconds", "Since this edge heard its own fact by the live feed")


def refused_token(reason: str) -> None:
    """`reason`: the library's code for it, or anything."""
    TOKENS.labels(reason if reason in FORESEEN[TOKENS] else OTHER).inc()


def route_of(event: str) -> str:
    """As it may be shown: what a client wrote, if it is one of ours."""
    return event if event in _ROUTES else OTHER


def answered(route: str, outcome: str, seconds: float) -> None:
    """A client's event came to its end."""
    _calls(route, outcome).inc()
    _seconds(route).observe(seconds, telemetry.exemplar())


@functools.cache
def _calls(route: str, outcome: str) -> Counter:
    return CALLS.labels(route, outcome)


@functools.cache
def _seconds(route: str) -> Histogram:
    return CALL_SECONDS.labels(route)


def observe(sockets: Mapping[str, "Socket"], sessions: Mapping[str, "Session"]) -> None:
    """What is counted at scrape alone."""
    CLIENTS.labels("websocket").set_function(lambda: sum(s.link is not None for s in sockets.values()))
    CLIENTS.labels("polling").set_function(lambda: sum(s.link is None and not s.closed for s in sockets.values()))
    WAITING.set_function(lambda: sum(s.out.waiting_bytes for s in sockets.values()))
    SESSIONS.set_function(lambda: len(sessions))
    MEMBERSHIPS.set_function(lambda: sum(len(s.memberships) for s in sessions.values()))
