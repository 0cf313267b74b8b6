"""A trace as rows: each hop below the one that caused it, with the time that it took."""

from typing import Any, Final

from confer_kit.spans import Span
from confer_ops.watch.traces import Trace

_NS_PER_MS: Final = 1e6


def summary(trace: Trace) -> dict[str, Any]:
    """`at` in Unix milliseconds; `ms` from the first hop's begin to the last one's end, `answered_ms` to the end of the
    root."""
    return {
        "id": trace.id,
        "name": trace.root.name,
        "at": trace.start / _NS_PER_MS,
        "ms": _ms(trace.end - trace.start),
        "answered_ms": _ms(trace.root.end - trace.start),
        "hops": len(trace.spans),
        "services": sorted({span.service for span in trace.spans.values()}),
        "failed": trace.failed,
        "outcome": trace.root.attributes.get("confer.outcome"),
    }


def waterfall(trace: Trace) -> dict[str, Any]:
    """The summary with `rows`, in the order in which they are shown; `start` and `ms` in milliseconds from the trace's
    begin."""
    children: dict[str, list[Span]] = {}
    for span in sorted(trace.spans.values(), key=lambda span: (span.start, span.id)):
        children.setdefault(span.parent if span.parent in trace.spans else "", []).append(span)
    rows: list[dict[str, Any]] = []
    waiting = [(span, 0) for span in reversed(children.pop("", []))]
    while waiting:  # a ring of parents, which no process of ours sends, is in none of these
        span, depth = waiting.pop()
        rows.append(_row(span, depth, trace.start))
        waiting += [(child, depth + 1) for child in reversed(children.pop(span.id, []))]
    return {**summary(trace), "rows": rows, "left_out": trace.left_out + len(trace.spans) - len(rows)}


def _row(span: Span, depth: int, begin: int) -> dict[str, Any]:
    return {
        "id": span.id,
        "depth": depth,
        "name": span.name,
        "service": span.service,
        "kind": span.kind.lower(),
        "start": _ms(span.start - begin),
        "ms": _ms(span.end - span.start),
        "failed": span.status == "ERROR",
        "links": len(span.links),
        "attributes": {
            **{name: str(value) for name, value in sorted(span.attributes.items())},
            "service.instance.id": str(span.resource.get("service.instance.id", "")),
            "span": span.id,
        },
    }


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / _NS_PER_MS, 3)
