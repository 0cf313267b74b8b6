"""Is all well, and what are people doing?"""

from confer_ops.dashboards.model import RATE, Dashboard, Panel, Query, Row
from confer_ops.dashboards.words import quantiles, rate

_FAILED = '{outcome=~"unavailable|outcome_unknown|internal"}'
_WELL = Row("Is all well?", (
    Panel("Alerts", "That fire. Each is explained in docs/alerts.md.", "short",
          [Query('count(ALERTS{alertname=~"Confer.*", alertstate="firing"}) or vector(0)', "firing")],
          "stat", 3, 4, ill=1),
    Panel("Processes", "That answer, and that do not.", "short",
          [Query('sum(up{job="confer"})', "up"), Query('count(up{job="confer"} == 0) or vector(0)', "away")],
          "stat", 4, 4),
    Panel("Clients", "Connections to all edges.", "short",
          [Query("sum(confer_edge_clients)", "clients")], "stat", 3, 4),
    Panel("People in rooms", "Once for each room that they are in.", "short",
          [Query("max(confer_presence_people)", "people")], "stat", 3, 4),
    Panel("Calls", "That clients make, a second.", "reqps",
          [Query(f"sum(rate(confer_edge_calls_total[{RATE}]))", "calls")], "stat", 3, 4),
    Panel("Calls that fail", "For a reason of ours.", "percentunit",
          [Query("confer:call_failures:ratio_rate5m or vector(0)", "failed")], "stat", 4, 4, ill=0.05),
    Panel("Facts on their way", "From log to edge, 99th percentile.", "s",
          [Query("max(confer:feed_delay_seconds:p99_5m)", "feed")], "stat", 4, 4, ill=1),
    Panel("What fires", "Alerts that fire or are about to.", "short",
          [Query('ALERTS{alertname=~"Confer.*"}', instant=True)], "table", 24, 6),
))  # fmt: skip
_CALLS = Row("What clients ask", (
    Panel("Calls by route", "A second.", "reqps", [rate("confer_edge_calls_total", "route")]),
    Panel("Answers by outcome", "Refusals too: of unavailable, outcome_unknown and internal we are the cause.",
          "reqps", [rate("confer_edge_calls_total", "outcome")]),
    Panel("How long calls take", "From a client's event to its answer. A dot leads to its trace.", "s",
          quantiles("confer_edge_call_duration_seconds"), ill=2),
    Panel("Services answer", "Calls a second, by part.", "reqps", [rate("confer_requests_total", "part")]),
    Panel("Services fail", "Calls a second that ended for a reason of ours, by part.", "reqps",
          [rate("confer_requests_total", "part", _FAILED)]),
    Panel("Writes to the log", "99th percentile, by part.", "s",
          [Query("confer:append_duration_seconds:p99_5m", "{{part}}")], ill=0.5),
))  # fmt: skip
_PORTAL = Row("What people do", (
    Panel("People", "In rooms, as presence knows them.", "short",
          [Query("max(confer_presence_people)", "people"), Query("max(confer_presence_rooms)", "rooms")], width=6),
    Panel("Tickets", "By queue, waiting and claimed.", "short",
          [Query('max by (queue, state) (confer_queue_tickets{state!="held"}) > 0', "{{queue}} {{state}}")], width=6),
    Panel("Longest wait", "Of those who wait now, by queue.", "s",
          [Query("max by (queue) (confer_queue_longest_wait_seconds)", "{{queue}}")], width=6),
    Panel("Unread notes", "Of the people who were seen last.", "short",
          [Query("max(confer_notify_unread)", "unread")], width=6),
))  # fmt: skip

DASHBOARD = Dashboard(
    "confer-overview", "Confer: overview", "Is all well, and what are people doing?", (_WELL, _CALLS, _PORTAL)
)
