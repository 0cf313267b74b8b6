"""The last traces, in memory: so many, and so many bytes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from confer_kit.spans import Span

TRACES_MAX: Final = 200
BACKGROUND_MAX: Final = 50  # of them: what nobody did, such as an edge's beat
SPANS_MAX: Final = 400  # of one trace: an action in a large room goes on for a while
BYTES_MAX: Final = 16 * 1024 * 1024


@dataclass(slots=True)
class Trace:
    """`left_out`: spans that came when there were enough."""

    id: str
    spans: dict[str, Span] = field(default_factory=dict)
    size: int = 0
    left_out: int = 0
    is_action: bool = False  # somebody did it: it has a span of kind SERVER

    @property
    def start(self) -> int:
        return min(span.start for span in self.spans.values())

    @property
    def end(self) -> int:
        return max(span.end for span in self.spans.values())

    @property
    def root(self) -> Span:
        """What began it; the earliest span while that one is still on its way."""
        return min(self.spans.values(), key=lambda span: (span.parent in self.spans, span.start))

    @property
    def failed(self) -> bool:
        return any(span.status == "ERROR" for span in self.spans.values())


class Traces:
    def __init__(self) -> None:
        self._traces: dict[str, Trace] = {}  # oldest first
        self._size = 0

    def __len__(self) -> int:
        return len(self._traces)

    def add(self, spans: Iterable[Span]) -> None:
        for span in spans:
            trace = self._traces.setdefault(span.trace, Trace(span.trace))
            if len(trace.spans) >= SPANS_MAX:
                trace.left_out += 1
                continue
            trace.spans[span.id] = span
            trace.size += span.size
            trace.is_action = trace.is_action or span.kind == "SERVER"
            self._size += span.size
        while len(self._traces) > TRACES_MAX or self._size > BYTES_MAX:
            self._size -= self._traces.pop(self._oldest()).size

    def get(self, trace: str) -> Trace | None:
        return self._traces.get(trace)

    def newest(self, *, background: bool) -> list[Trace]:
        """What began last comes first, whichever process told of its part first; with `background`, also what nobody
        did."""
        shown = [trace for trace in self._traces.values() if trace.is_action or background]
        return sorted(shown, key=lambda trace: trace.start, reverse=True)

    def _oldest(self) -> str:
        """Which one goes first: of the others as long as they are many, so that they do not drive out the actions."""
        others = [trace.id for trace in self._traces.values() if not trace.is_action]
        return others[0] if len(others) > BACKGROUND_MAX else next(iter(self._traces))
