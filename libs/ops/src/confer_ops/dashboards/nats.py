"""NATS and JetStream: servers, streams, and who is behind."""

from confer_ops.dashboards.model import RATE, Dashboard, Panel, Query, Row
from confer_ops.dashboards.words import rate

_SERVERS = Row("Servers", (
    Panel("Up", "Servers that answer at their monitoring port.", "short",
          [Query("confer_nats_server_up", "{{server}}")], "stat", 6, ill=1, below=True),
    Panel("Connections", "Of clients: our processes, and commands.", "short",
          [Query("confer_nats_server_connections", "{{server}}")], width=6),
    Panel("CPU", "Of one core.", "percentunit", [Query("confer_nats_server_cpu_ratio", "{{server}}")], width=6),
    Panel("Memory", "That a server has taken.", "bytes",
          [Query("confer_nats_server_memory_bytes", "{{server}}")], width=6),
    Panel("Messages", "A second, in and out.", "pps",
          [Query(f"rate(confer_nats_server_messages_total[{RATE}])", "{{server}} {{direction}}")], width=6),
    Panel("Bytes", "A second, in and out.", "Bps",
          [Query(f"rate(confer_nats_server_bytes_total[{RATE}])", "{{server}} {{direction}}")], width=6),
    Panel("Trouble", "Clients cut off because they did not read, and requests that JetStream refused, a second.",
          "cps", [Query(f"rate(confer_nats_server_slow_consumers_total[{RATE}])", "{{server}} slow"),
                  Query(f"rate(confer_jetstream_api_errors_total[{RATE}])", "{{server}} refused")], width=6),
    Panel("Disk", "That JetStream uses, of what it may.", "percentunit",
          [Query("confer_jetstream_storage_bytes / (confer_jetstream_storage_limit_bytes > 0)", "{{server}}")],
          width=6, ill=0.8),
))  # fmt: skip
_STREAMS = Row("Streams", (
    Panel("Messages", "In each stream.", "short", [Query("confer_jetstream_stream_messages", "{{stream}}")]),
    Panel("Bytes", "Of each stream, in one copy.", "bytes", [Query("confer_jetstream_stream_bytes", "{{stream}}")]),
    Panel("Writes", "Messages a second that are stored.", "wps",
          [Query(f"deriv(confer_jetstream_stream_last_sequence[{RATE}])", "{{stream}}")]),
    Panel("Copies that are missing", "Of those that a stream is to have.", "short",
          [Query("confer_jetstream_stream_replicas_wanted - confer_jetstream_stream_replicas", "{{stream}}")], ill=1),
    Panel("How full", "Of the limits that a stream has.", "percentunit",
          [Query('confer_jetstream_stream_messages / ignoring (what) confer_jetstream_stream_limit{what="messages"}',
                 "{{stream}}")], ill=0.8),
    Panel("Consumers", "Of each stream: those of edges and replicas too.", "short",
          [Query("confer_jetstream_consumers", "{{stream}}")]),
))  # fmt: skip
_BEHIND = Row("Who is behind", (
    Panel("Pending", "Messages that a durable consumer has not been given yet.", "short",
          [Query("confer_jetstream_consumer_pending", "{{stream}} {{consumer}}")], ill=1000),
    Panel("Not done", "Messages that it was given and has not acknowledged.", "short",
          [Query("confer_jetstream_consumer_unacknowledged", "{{stream}} {{consumer}}")]),
    Panel("Given again", "Of these, more than once.", "short",
          [Query("confer_jetstream_consumer_redelivered", "{{stream}} {{consumer}}")], ill=1),
    Panel("Processes", "Facts that were still to come when the last one was delivered to each.", "short",
          [Query("confer_follower_pending", "{{part}} {{instance}} {{stream}}")]),
    Panel("Lost connections", "To NATS, and those that came back, a second, by part.", "cps",
          [rate("confer_nats_disconnects_total", "part"),
           Query(f"sum by (part) (rate(confer_nats_reconnects_total[{RATE}])) > 0", "{{part}} is back")]),
    Panel("Forbidden", "What NATS did not let a process do, a second: a defect, or somebody who has its key.", "cps",
          [rate("confer_nats_permission_violations_total", "part, operation")], ill=0.001),
))  # fmt: skip

DASHBOARD = Dashboard(
    "confer-nats", "Confer: NATS and JetStream", "Servers, streams, and who is behind.", (_SERVERS, _STREAMS, _BEHIND)
)
