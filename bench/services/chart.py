"""The chart of a run: throughput, and latency at the half, by updates in flight."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, log10

from bench.chart import STYLE, text
from bench.rows import Results, Row, middle
from bench.services.rows import NAMES
from bench.services.scenarios import SCENARIOS

WIDTH, HEIGHT = 920, 360
TOP, BOTTOM = 92, 44
_LINES = """
  .publish { --line: #c9d1d9; } .log { --line: #8c959f; } .service { --line: #0a7d55; }
  .replicas { --line: #5b8def; } .path { --line: #c2571a; }
  @media (prefers-color-scheme: dark) {
    .publish { --line: #3d444d; } .log { --line: #768390; } .service { --line: #3fb98a; }
    .replicas { --line: #79a7ff; } .path { --line: #f0883e; }
  }
  polyline { fill: none; stroke: var(--line); stroke-width: 2.5; stroke-linejoin: round; }
  circle, rect.key { fill: var(--line); }"""


@dataclass(frozen=True)
class Panel:
    """One quantity, from `left` to `right`; `scale`: of what is shown to what was measured."""

    title: str
    quantity: str
    scale: float
    left: int
    right: int


PANELS = (
    Panel("updates per second", "updates_per_s", 1, 78, 436),
    Panel("acknowledged, half within, ms", "p50_us", 1000, 540, 896),
)


def svg(results: Results) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            'aria-label="Throughput and latency of field updates by how many are in flight">',
            f"<style>{STYLE}{_LINES}\n</style>",
            f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
            *_head(),
            *(line for panel in PANELS for line in _panel(results, panel)),
            "</svg>",
            "",
        ]
    )


def _head() -> Iterator[str]:
    yield text(24, 34, "A field update beside a bare publish, by updates in flight", "strong", size=18, weight=600)
    x = 24
    for name, shown in NAMES.items():
        yield f'<rect class="key {name}" x="{x}" y="49" width="12" height="12" rx="2"/>'
        yield text(x + 18, 60, shown, "weak")
        x += 44 + 7 * len(shown)


def _panel(results: Results, panel: Panel) -> Iterator[str]:
    found = {name: points for name in NAMES if (points := _points(results, panel, name))}
    if not found:
        return
    values = [value for points in found.values() for _, value in points]
    lowest, highest = _decades(values) if panel.scale > 1 else (0.0, _round_up(max(values)))
    yield text(panel.left, TOP - 12, panel.title, "weak", size=12)
    ticks = _ticks(lowest, highest, logarithmic=panel.scale > 1)
    for tick in ticks:
        y = _y(tick, lowest, highest, logarithmic=panel.scale > 1)
        yield f'<line class="grid" x1="{panel.left}" x2="{panel.right}" y1="{y}" y2="{y}"/>'
        yield text(panel.left - 8, y + 4, f"{tick:,g}", "weak", size=11, anchor="end")
    for load in SCENARIOS:
        x = _x(panel, load.in_flight)
        yield text(x, HEIGHT - BOTTOM + 20, f"{load.in_flight}", "weak", size=11, anchor="middle")
    for name, points in found.items():
        at = [(_x(panel, n), _y(value, lowest, highest, logarithmic=panel.scale > 1)) for n, value in points]
        yield f'<g class="{name}"><polyline points="{" ".join(f"{x},{y}" for x, y in at)}"/>'
        yield "".join(f'<circle cx="{x}" cy="{y}" r="3.5"/>' for x, y in at) + "</g>"


def _points(results: Results, panel: Panel, name: str) -> list[tuple[int, float]]:
    found = ((load.in_flight, middle(results, Row("", load.key, panel.quantity, ""), name)) for load in SCENARIOS)
    return [(n, value / panel.scale) for n, value in found if value is not None]


def _x(panel: Panel, in_flight: int) -> float:
    """The loads stand equally far apart."""
    order = [load.in_flight for load in SCENARIOS]
    margin = 18
    step = (panel.right - panel.left - 2 * margin) / max(1, len(order) - 1)
    return round(panel.left + margin + step * order.index(in_flight), 1)


def _y(value: float, lowest: float, highest: float, *, logarithmic: bool) -> float:
    if logarithmic:
        value, lowest, highest = log10(value), log10(lowest), log10(highest)
    return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (value - lowest) / (highest - lowest), 1)


def _decades(values: list[float]) -> tuple[float, float]:
    return 10.0 ** (ceil(log10(min(values))) - 1), 10.0 ** ceil(log10(max(values)))


def _round_up(value: float) -> float:
    step = 10 ** (ceil(log10(value)) - 1)
    return float(ceil(value / step) * step)


def _ticks(lowest: float, highest: float, *, logarithmic: bool) -> list[float]:
    if not logarithmic:
        return [highest * n / 4 for n in range(5)]
    return [10.0**n for n in range(round(log10(lowest)), round(log10(highest)) + 1)]
