"""The chart of a run: for each row how much of Node's cost (or of the floor's) ours is, and where the target lies."""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape

from bench.rows import ROWS, Results, Row, middle, ratio

WIDTH, LEFT, RIGHT, TOP, STEP, BAR = 920, 330, 70, 92, 62, 13
FULL = 1.1  # the share of Node's cost at the right end

STYLE = """
  svg { font-family: ui-sans-serif, system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
  .paper { fill: #ffffff; } .strong { fill: #1f2328; } .weak { fill: #59636e; }
  .ours { fill: #0a7d55; } .node { fill: #8c959f; } .floor { fill: #c9d1d9; }
  .grid { stroke: #d1d9e0; } .target { stroke: #cf222e; stroke-width: 2; } .limit { fill: #cf222e; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; } .strong { fill: #f0f6fc; } .weak { fill: #9198a1; }
    .ours { fill: #3fb98a; } .node { fill: #656c76; } .floor { fill: #3d444d; }
    .grid { stroke: #30363d; } .target { stroke: #ff7b72; } .limit { fill: #ff7b72; }
  }"""


@dataclass(frozen=True)
class Bars:
    """Costs as shares of Node's; `target` likewise."""

    title: str
    shown: str
    ours: float
    floor: float | None
    target: float


def svg(results: Results) -> str:
    rows = list(_bars(results))
    height = TOP + STEP * len(rows) + 18
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            'aria-label="What the edge costs, as shares of what Node costs">',
            f"<style>{STYLE}\n</style>",
            f'<rect class="paper" width="{WIDTH}" height="{height}" rx="6"/>',
            *_head(),
            *_grid(height),
            *(line for n, bars in enumerate(rows) for line in _row(bars, TOP + STEP * n)),
            "</svg>",
            "",
        ]
    )


def _bars(results: Results) -> Iterator[Bars]:
    """Rows that have a target against Node. Of a quantity that is better when higher, the cost is its inverse."""
    for row in ROWS:
        target = next((t for t in row.targets if t.against == "node"), None)
        share = ratio(results, row, target) if target else None
        if target is None or share is None:
            continue
        floor = _floor_share(results, row)
        limit = 1 / target.limit if target.at_least else target.limit
        if target.at_least:
            share, floor = 1 / share, 1 / floor if floor else None
        yield Bars(row.title, f"{share * 100:.0f}%", share, floor, limit)


def _floor_share(results: Results, row: Row) -> float | None:
    floor, node = middle(results, row, "floor"), middle(results, row, "node")
    return floor / node if floor and node else None


def _x(share: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * min(share, FULL) / FULL, 1)


def text(
    x: float, y: float, content: str, style: str, *, size: int = 13, anchor: str = "start", weight: int = 400
) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" class="{style}" font-size="{size}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(content)}</text>'
    )


def _head() -> list[str]:
    legend = [("ours", "Confer"), ("node", "Node + ws"), ("floor", "floor (C)")]
    lines = [text(24, 34, "What the edge costs, Node = 100%", "strong", size=18, weight=600)]
    for n, (style, name) in enumerate(legend):
        x = 24 + 112 * n
        lines += [
            f'<rect class="{style}" x="{x}" y="49" width="12" height="12" rx="2"/>',
            text(x + 18, 60, name, "weak"),
        ]
    lines += ['<line class="target" x1="366" x2="366" y1="47" y2="63"/>', text(374, 60, "target, at most", "limit")]
    return lines


def _grid(height: int) -> Iterator[str]:
    for percent in (0, 25, 50, 75, 100):
        x = _x(percent / 100)
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP - 6}" y2="{height - 14}"/>'
        yield text(x, TOP - 12, f"{percent}%", "weak", size=11, anchor="middle")


def _row(bars: Bars, y: int) -> Iterator[str]:
    first, *rest = _wrapped(bars.title)
    yield text(LEFT - 16, y + (24 if rest else 32), first, "strong", anchor="end")
    for n, line in enumerate(rest):
        yield text(LEFT - 16, y + 41 + 17 * n, line, "strong", anchor="end")
    shares = [("ours", bars.ours), ("node", 1.0)] + ([("floor", bars.floor)] if bars.floor else [])
    top = y + 8 + (STEP - 16 - len(shares) * (BAR + 2)) / 2
    for n, (style, share) in enumerate(shares):
        at = top + n * (BAR + 2)
        yield f'<rect class="{style}" x="{LEFT}" y="{at:g}" width="{_x(share) - LEFT:g}" height="{BAR}" rx="2"/>'
        if style == "ours":
            yield text(_x(share) + 7, at + BAR - 2.5, bars.shown, "strong", weight=600)
    x = _x(bars.target)
    yield f'<line class="target" x1="{x}" x2="{x}" y1="{top - 4:g}" y2="{top + len(shares) * (BAR + 2) + 2:g}"/>'


def _wrapped(title: str, chars: int = 40) -> list[str]:
    lines = [""]
    for word in title.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > chars:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
