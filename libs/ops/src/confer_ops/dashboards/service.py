"""One service, chosen above: what it answers, writes and reacts to; and what each knows of its domain."""

from confer_ops.dashboards.model import RATE, Dashboard, Panel, Query, Row, Variable
from confer_ops.dashboards.words import process, quantiles, rate, slowest

_OF = '{part="$part"}'

_CALLS = Row("What it is asked", (
    Panel("Calls by route", "A second.", "reqps", [rate("confer_requests_total", "route", _OF)]),
    Panel("Calls by outcome", "A second, other than ok.", "reqps",
          [rate("confer_requests_total", "outcome", '{part="$part", outcome!="ok"}')]),
    Panel("How long answers take", "From a call's arrival to its answer. A dot leads to its trace.", "s",
          quantiles("confer_request_duration_seconds", _OF)),
    Panel("How long, by route", "99th percentile.", "s", [slowest("confer_request_duration_seconds", _OF, "route")]),
    Panel("In flight", "Calls that are being answered; more than CONFER_IN_FLIGHT_MAX are refused.", "short",
          [Query(f"confer_requests_in_flight{_OF}", "{{instance}}")]),
    Panel("Reactions", "To other services' facts, a second.", "cps", [rate("confer_reactions_total", "outcome", _OF)]),
))  # fmt: skip
_LOG = Row("Its log", (
    Panel("Writes by outcome", "A second. A conflict is tried again on the newer state.", "cps",
          [rate("confer_appends_total", "outcome", _OF)]),
    Panel("How long writes take", "To the log, until it is on disk.", "s",
          quantiles("confer_append_duration_seconds", _OF), ill=0.5),
    Panel("Facts to come", "That its streams held when the last one was delivered.", "short",
          [Query(f"confer_follower_pending{_OF}", "{{instance}} {{stream}}")]),
    Panel("Facts read", "A second, by stream.", "cps",
          [Query(f"deriv(confer_follower_position{_OF}[{RATE}])", "{{instance}} {{stream}}")]),
    Panel("Views", "Changes a second that are shown late, or not again, because there are too many.", "cps",
          [Query(f"rate(confer_views_dropped_total{_OF}[{RATE}])", "late"),
           Query(f"rate(confer_views_unannounced_total{_OF}[{RATE}])", "not again")]),
    Panel("Following begins again", "Times a second, by reason.", "cps",
          [rate("confer_follower_breaks_total", "reason", _OF)]),
    Panel("Snapshots", "Of its folds, in an hour.", "short",
          [Query(f"sum by (outcome) (increase(confer_snapshots_total{_OF}[1h])) > 0", "{{outcome}}")]),
    Panel("Audit", "Reads and refusals a second: told, or dropped.", "cps",
          [rate("confer_audit_total", "outcome", _OF)]),
))  # fmt: skip
_PRESENCE = Row("presence-svc", (
    Panel("Who is there", "People and sessions, once for each room.", "short",
          [Query("max(confer_presence_people)", "people"), Query("max(confer_presence_sessions)", "sessions"),
           Query("max(confer_presence_rooms)", "rooms")]),
    Panel("Leases of edges", "Edges with sessions, and how long one of them was silent at most.", "short",
          [Query("max(confer_presence_edges)", "edges"),
           Query("max(confer_presence_edges_answering)", "edges that answer"),
           Query("min(confer_presence_lease_silence_seconds)", "silence, s"),
           Query(f"sum(increase(confer_presence_leases_lost_total[{RATE}]))", "lost")]),
    Panel("Locks", "Of fields, that are held.", "short", [Query("max(confer_presence_locks)", "locks")]),
))  # fmt: skip
_SYNC = Row("sync-svc", (
    Panel("Changes of fields", "A second; `overwrote` and `merged`: somebody wrote at the same time.", "wps",
          [rate("confer_sync_changes_total", "outcome")]),
    Panel("Records in memory", "Whose fold is kept.", "short", [Query("confer_sync_records_cached", "{{instance}}")]),
    Panel("Activity", "Rows that are indexed, while somebody asks.", "short",
          [Query("confer_sync_activity_rows", "{{instance}}")]),
))  # fmt: skip
_QUEUE = Row("queue-svc", (
    Panel("Tickets", "By queue and state.", "short",
          [Query("max by (queue, state) (confer_queue_tickets) > 0", "{{queue}} {{state}}")]),
    Panel("Longest wait", "Of those who wait now.", "s",
          [Query("max by (queue) (confer_queue_longest_wait_seconds)", "{{queue}}")]),
    Panel("Average wait", "Of those who were called in the last quarter of an hour.", "s",
          [Query("max by (queue) (confer_queue_average_wait_seconds)", "{{queue}}")]),
))  # fmt: skip
_NOTIFY = Row("notify-svc", (
    Panel("Unread", "Notes of the people who were seen last.", "short",
          [Query("max(confer_notify_unread)", "unread"), Query("max(confer_notify_people)", "people")], width=6),
    Panel("Owed", "Notes that wait for their time, or for somebody to acknowledge them.", "short",
          [Query("max(confer_notify_scheduled)", "scheduled"),
           Query("max(confer_notify_unacknowledged)", "unacknowledged")], width=6),
    Panel("Rules", "What they made of facts, a second.", "cps", [rate("confer_notify_rules_total", "outcome")],
          width=6),
    Panel("Webhooks", "Attempts a second.", "cps", [rate("confer_notify_webhooks_total", "outcome")], width=6),
))  # fmt: skip

DASHBOARD = Dashboard(
    "confer-service", "Confer: service", "What a service answers, writes and reacts to, and what it knows.",
    (_CALLS, _LOG, Row("The process", process(_OF)), _PRESENCE, _SYNC, _QUEUE, _NOTIFY),
    (Variable("part", "Service", "label_values(confer_requests_in_flight, part)"),),
)  # fmt: skip
