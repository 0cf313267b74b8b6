"""One action on its way: how long each hop takes, and the traces that show it."""

from confer_ops.dashboards.model import RATE, Dashboard, Found, Panel, Query, Row, Variable
from confer_ops.dashboards.words import quantiles

_EDGE = '{route="$route"}'
_SERVICE = '{route=~"call[.].+[.]$route"}'

_HOPS = Row("From the click to everybody's page", (
    Panel("At the edge", "From a client's event to its answer. A dot is a call: it leads to its trace.", "s",
          [Query(f"sum by (le) (rate(confer_edge_call_duration_seconds_bucket{_EDGE}[{RATE}]))", "{{le}}",
                 exemplars=True, heatmap=True)], "heatmap", 12, 10),
    Panel("How long it takes", "The same, by percentile.", "s",
          quantiles("confer_edge_call_duration_seconds", _EDGE), width=12, height=10),
    Panel("In the service", "From the call's arrival to its answer.", "s",
          quantiles("confer_request_duration_seconds", _SERVICE)),
    Panel("Into the log", "Until the fact is on disk: all writes of all services.", "s",
          quantiles("confer_append_duration_seconds")),
    Panel("To every edge", "From log to edge, as the edges' own facts show.", "s",
          quantiles("confer_edge_feed_delay_seconds")),
))  # fmt: skip
_TRACES = Row("Traces", (
    Panel("Lately", "The last calls of this route that were recorded.", "short",
          [Found(service="confer-edge", operation="receive $route")], "table", 24, 8),
    Panel("One trace", "Whose id was typed in above: every hop of one action.", "short",
          [Found(trace="$trace")], "traces", 24, 16),
))  # fmt: skip

DASHBOARD = Dashboard(
    "confer-action", "Confer: one action", "How long each hop of an action takes, and the traces that show it.",
    (_HOPS, _TRACES),
    (Variable("route", "Event", "label_values(confer_edge_calls_total, route)"), Variable("trace", "Trace id")),
)  # fmt: skip
