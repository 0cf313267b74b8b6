"""The edges: who is connected, what they ask and get, and what was refused."""

from confer_ops.dashboards.model import RATE, Dashboard, Panel, Query, Row, Variable
from confer_ops.dashboards.words import process, quantiles, rate

_OF = '{part="edge", instance=~"$instance"}'

_CONNECTIONS = Row("Connections", (
    Panel("Clients by transport", "Engine.IO connections.", "short",
          [Query(f"sum by (transport) (confer_edge_clients{_OF})", "{{transport}}")]),
    Panel("Sessions by edge", "Socket.IO sessions; they should be spread.", "short",
          [Query(f"confer_edge_sessions{_OF}", "{{instance}}")]),
    Panel("Memberships", "Of all sessions in rooms and other audiences.", "short",
          [Query(f"confer_edge_memberships{_OF}", "{{instance}}")]),
    Panel("Who comes", "CONNECT packets a second, by outcome.", "cps",
          [rate("confer_edge_connects_total", "outcome", _OF)]),
    Panel("Who goes", "Sessions that end, a second, by reason.", "cps",
          [rate("confer_edge_disconnects_total", "reason", _OF)]),
    Panel("Who comes back", "With the pid of an earlier session, a second; all but `recovered` begin anew.", "cps",
          [rate("confer_edge_recoveries_total", "outcome", _OF)]),
    Panel("Handshakes", "Accepted, and upgrades to WebSocket, a second.", "cps",
          [rate("confer_edge_handshakes_total", "transport", _OF), rate("confer_edge_upgrades_total", "outcome", _OF)]),
    Panel("Turned away", "Requests that were refused, and connections that broke the protocol, a second.", "cps",
          [rate("confer_edge_refused_requests_total", "reason", _OF),
           Query(f"sum(rate(confer_edge_violations_total{_OF}[{RATE}]))", "violations")]),
    Panel("Displays", "Public displays of queues.", "short",
          [Query(f"confer_edge_displays{_OF}", "{{instance}}")]),
))  # fmt: skip
_CALLS = Row("What clients ask", (
    Panel("Calls by route", "A second.", "reqps", [rate("confer_edge_calls_total", "route", _OF)]),
    Panel("Calls by outcome", "A second, other than ok.", "reqps",
          [rate("confer_edge_calls_total", "outcome", _OF.replace("}", ', outcome!="ok"}'))]),
    Panel("How long calls take", "From a client's event to its answer, its turn included.", "s",
          quantiles("confer_edge_call_duration_seconds", _OF), ill=2),
    Panel("Joins", "Of audiences with a snapshot, a second; partial: a service was away.", "cps",
          [rate("confer_edge_joins_total", "outcome", _OF)]),
    Panel("Rights", "Claims that were renewed, ignored or ran out, and memberships that ended, a second.", "cps",
          [rate("confer_edge_claims_total", "what", _OF),
           Query(f"sum(rate(confer_edge_memberships_ended_total{_OF}[{RATE}]))", "memberships that ended")]),
    Panel("Limits", "Times a second that a client met one.", "cps",
          [rate("confer_edge_limits_total", "limit", _OF)], ill=5),
    Panel("Refused", "Tokens, and questions about rights, a second.", "cps",
          [rate("confer_edge_refused_tokens_total", "reason", _OF), rate("confer_edge_denied_total", "source", _OF)]),
))  # fmt: skip
_FEED = Row("What clients get", (
    Panel("Deliveries", "Packets a second, counted for each client.", "pps",
          [rate("confer_edge_deliveries_total", "what", _OF)]),
    Panel("Facts on their way", "From the append of an edge's own fact to its coming back.", "s",
          quantiles("confer_edge_feed_delay_seconds", _OF), ill=1),
    Panel("Silence of the feed", "Since each edge heard its own fact; it is not ready when that is too long.", "s",
          [Query(f"confer_edge_feed_silence_seconds{_OF}", "{{instance}}")], ill=10),
    Panel("Facts to come", "That LIVE held when the last one was delivered.", "short",
          [Query('confer_follower_pending{part="edge", stream="LIVE", instance=~"$instance"}', "{{instance}}")]),
    Panel("Slow clients", "Bytes that wait for them.", "bytes",
          [Query(f"confer_edge_waiting_bytes{_OF}", "{{instance}}")]),
    Panel("Lost for good", "Packets that waited in vain, and sessions that began anew for it, a second.", "cps",
          [rate("confer_edge_dropped_total", "reason", _OF),
           Query(f"sum by (reason) (rate(confer_edge_resyncs_total{_OF}[{RATE}])) > 0", "resync: {{reason}}")]),
))  # fmt: skip

DASHBOARD = Dashboard(
    "confer-edge", "Confer: edge", "Who is connected, what they ask and get, and what was refused.",
    (_CONNECTIONS, _CALLS, _FEED, Row("The process", process(_OF))),
    (Variable("instance", "Edge", 'label_values(confer_edge_sessions, instance)', everything=True),),
)  # fmt: skip
