"""PromQL that several panels say."""

from collections.abc import Sequence

from confer_ops.dashboards.model import RATE, Panel, Query


def quantiles(histogram: str, where: str = "", by: str = "") -> list[Query]:
    """Of a histogram of seconds: 50th, 95th and 99th percentile, with what leads to traces."""
    labels = f"{by}, le" if by else "le"
    of = f"sum by ({labels}) (rate({histogram}_bucket{where}[{RATE}]))"
    named = f" {{{{{by}}}}}" if by else ""
    return [
        Query(f"histogram_quantile(0.{percent}, {of})", f"p{percent}{named}", exemplars=True)
        for percent in (50, 95, 99)
    ]


def slowest(histogram: str, where: str, by: str) -> Query:
    """The 99th percentile of a histogram of seconds, by a label."""
    of = f"sum by ({by}, le) (rate({histogram}_bucket{where}[{RATE}]))"
    return Query(f"histogram_quantile(0.99, {of})", f"{{{{{by}}}}}", exemplars=True)


def rate(counter: str, by: str, where: str = "") -> Query:
    """A second, by one label or several; what never happens is left out."""
    named = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    return Query(f"sum by ({by}) (rate({counter}{where}[{RATE}])) > 0", named)


def process(where: str) -> Sequence[Panel]:
    """What every process shows of itself; `where` chooses some."""
    each = "{{part}} {{instance}}"
    busy = f"sum by (part, instance, le) (rate(confer_event_loop_delay_seconds_bucket{where}[{RATE}]))"
    return (
        Panel(
            "CPU", "Of one core: a process has no use for more.", "percentunit",
            [Query(f"rate(process_cpu_seconds_total{where}[{RATE}])", each)], width=6, ill=0.9,
        ),
        Panel(
            "Memory", "That is resident.", "bytes", [Query(f"process_resident_memory_bytes{where}", each)], width=6
        ),
        Panel(
            "Event loop is late", "95th percentile of how late it does what is due: the first sign of too much work.",
            "s", [Query(f"histogram_quantile(0.95, {busy})", each)], width=6, ill=0.25,
        ),
        Panel(
            "Open files", "Sockets are files: one for each connection.", "short",
            [Query(f"process_open_fds{where}", each)], width=6,
        ),
    )  # fmt: skip
