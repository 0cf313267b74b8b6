"""The report on the edge: a page with a table, from what was measured."""

from bench.document import number, recorded, verdicts
from bench.rows import NAMES, ROWS, Results, Row, middle, values
from bench.servers import SERVERS

_OTHERS = ("floor", "node", "stock")
_ALSO_OF_FEWER = frozenset({"kb_per_client", "cpu_us_per_connect", "cpu_us_per_disconnect"})


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
            *recorded(results),
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
    stands = "; ".join(verdicts(results, row, NAMES))
    return f"| {row.title}, {row.unit} | {' | '.join(shown)} | **{number(ours)}** | {stands} |"


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
        "Socket.IO, and their end: like for like, so that these rows have the target. The edge's own rows also have "
        "what the portal needs and no peer does: identity, greetings, the person's audiences, the inbox asked from "
        "notify-svc, the session stored for recovery, and at the end its loss stored. Their target is that a client "
        "costs the same however many there are.",
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
