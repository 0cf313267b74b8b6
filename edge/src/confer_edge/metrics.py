"""The edge's numbers, served at /metrics beside those of the kit (docs/adr/0014).

A label has few values, all known beforehand: never an id, a room, or anything that a client wrote.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from confer_kit.metrics import SECONDS, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from confer_edge.engine_socket import Socket
    from confer_edge.session import Session

CLIENTS: Final = Gauge("confer_edge_clients", "Engine.IO connections", ["transport"])
SESSIONS: Final = Gauge("confer_edge_sessions", "Socket.IO sessions")
MEMBERSHIPS: Final = Gauge("confer_edge_memberships", "Memberships of all sessions in audiences")

CONNECTS: Final = Counter(
    "confer_edge_connects", "CONNECT packets answered, by outcome: new, recovered, or an error code", ["outcome"]
)
DISCONNECTS: Final = Counter("confer_edge_disconnects", "Sessions that ended, by reason", ["reason"])
CALLS: Final = Counter(
    "confer_edge_calls", "Clients' events answered, by outcome: ok or an error code", ["route", "outcome"]
)
CALL_SECONDS: Final = Histogram(
    "confer_edge_call_duration_seconds", "From a client's event to its answer", ["route"], buckets=SECONDS
)
DELIVERIES: Final = Counter("confer_edge_deliveries", "Facts and views handed to clients", ["what"])
LIMITS: Final = Counter("confer_edge_limits", "Times that a client met a limit, by the limit's name", ["limit"])


def observe(sockets: Mapping[str, "Socket"], sessions: Mapping[str, "Session"]) -> None:
    """What is counted at scrape alone."""
    CLIENTS.labels("websocket").set_function(lambda: sum(s.link is not None for s in sockets.values()))
    CLIENTS.labels("polling").set_function(lambda: sum(s.link is None and not s.closed for s in sockets.values()))
    SESSIONS.set_function(lambda: len(sessions))
    MEMBERSHIPS.set_function(lambda: sum(len(s.memberships) for s in sessions.values()))
