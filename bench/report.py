"""The report: raw JSON as it was measured; table and chart are made from it, here and in a contract test."""

import json
from collections.abc import Iterator
from pathlib import Path

from bench import chart
from bench.rows import NAMES, ROWS, Results, Row, middle, ratio, values
from bench.servers import SERVERS

RAW = "edge.json"
_OTHERS = ("floor", "node", "stock")
_ALSO_OF_FEWER = frozenset({"kb_per_client", "cpu_us_per_connect", "cpu_us_per_disconnect"})


def write(folder: Path, results: Results) -> list[Path]:
    """The raw results and what is made from them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RAW).write_text(raw(results))
    return [folder / RAW, *remake(folder)]


def remake(folder: Path) -> list[Path]:
    made = files(folder)
    for path, text in made.items():
        path.write_text(text)
    return list(made)


def raw(results: Results) -> str:
    """One line per measurement."""
    lines = ",\n".join(f"  {json.dumps(m, ensure_ascii=False)}" for m in results["measurements"])
    recorded = json.dumps(results["recorded"], indent=1, ensure_ascii=False)
    return f'{{"recorded": {recorded},\n"measurements": [\n{lines}\n]}}\n'


def files(folder: Path) -> dict[Path, str]:
    """What must stand beside the raw results in this folder."""
    results = json.loads((folder / RAW).read_text())
    return {folder / "edge.md": page(results), folder / "edge.svg": chart.svg(results)}


def page(results: Results) -> str:
    return "\n".join(
        [
            "# What the edge costs",
            "",
            "Made by `./run bench edge` from [edge.json](edge.json), which has every measurement.",
            "",
            "![each value of the edge beside Node's and the floor's](edge.svg)",
            "",
            *table(results),
            "",
            *_notes(results),
            "",
            *_where(results),
            "",
        ]
    )


def table(results: Results) -> list[str]:
    """Medians, and how the targets stand."""
    return [
        "| | floor | Node + ws | stock Python | **Confer** | target: measured |",
        "|---|---:|---:|---:|---:|---|",
        *(line for row in ROWS if (line := _line(results, row)) is not None),
    ]


def _line(results: Results, row: Row) -> str | None:
    ours = middle(results, row, row.ours)
    if ours is None:
        return None
    others = [middle(results, row, server) for server in _OTHERS]
    if row.scenario == "life" and row.quantity in _ALSO_OF_FEWER:  # thousands take the stock server too long
        others[-1] = middle(results, Row(row.title, "life-fewer", row.quantity, row.unit), "stock")
    shown = ["" if value is None else number(value) for value in others]
    return (
        f"| {row.title}, {row.unit} | {' | '.join(shown)} | **{number(ours)}** | {'; '.join(_verdicts(results, row))} |"
    )


def _verdicts(results: Results, row: Row) -> Iterator[str]:
    for target in row.targets:
        found = ratio(results, row, target)
        if found is not None:
            yield f"{target.text}: **{found:.2f}** {'met' if target.met(found) else '**missed**'}"


def number(value: float) -> str:
    """Three digits that count."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _notes(results: Results) -> list[str]:
    incomplete = [m for m in results["measurements"] if "failed" in m]
    wrong = [m for m in results["measurements"] if any(m.get(k) for k in ("gaps", "disordered", "stalls"))]
    return [
        "CPU time is that of the server's process alone, read from its CPU clock; medians of "
        f"{results['recorded']['repetitions']} repetitions. A ratio is the median of the ratios within each "
        "repetition, in which the servers take turns; ratios of different runs say nothing. On loopback about half of "
        "the floor is the receivers' TCP, which a network would put on other machines.",
        "",
        f"- **floor**: {SERVERS['floor'].about}. **Node + ws**: {SERVERS['node'].about}. **stock Python**: "
        f"{SERVERS['stock'].about}; with 1,000 connections where the others have 5,000.",
        "- **Updates from NATS**: facts are published into the log; Confer follows LIVE, with its check for holes and "
        "an offset on each event, while floor and Node have a plain subscription to the same subjects and promise "
        "nothing. The stock server's updates are emitted by a member.",
        "- **Connect and disconnect** of Node and of *transport* are the handshakes of WebSocket, Engine.IO and "
        "Socket.IO, and their end. The edge's own rows also have what the portal needs: identity, greetings, the "
        "person's audiences, the inbox asked from notify-svc, the session stored for recovery, and at the end its loss "
        "stored.",
        f"- Measurements that failed: {len(incomplete)}. With an event lost, twice or out of order: {len(wrong)}.",
        f"- Range of the first row over the repetitions: {_range(results)}.",
    ]


def _range(results: Results) -> str:
    row = ROWS[0]
    found = {server: values(results, row.scenario, server, row.quantity) for server in ("floor", "node", row.ours)}
    return ", ".join(
        f"{NAMES[server]} {number(min(each.values()))} to {number(max(each.values()))}"
        for server, each in found.items()
        if each
    )


def _where(results: Results) -> list[str]:
    recorded = results["recorded"]
    machine = recorded["machine"]
    alone = "on a core of its own" if machine["server_on_a_core_of_its_own"] else "on the same core as everything else"
    load = " and ".join(" / ".join(map(str, recorded[when])) for when in ("load_before", "load_at_the_end"))
    versions = ", ".join(f"{name} {value}" for name, value in recorded["versions"].items())
    trial = "A trial run, " if recorded["quick"] else ""
    return [
        f"{trial}{recorded['date']}, commit {recorded['commit']}: {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gb']} GB, Linux {machine['kernel']}; the server {alone}. Load average before and at the "
        f"end {load}: above 2 means that others used the machine as well. {versions}.",
    ]
