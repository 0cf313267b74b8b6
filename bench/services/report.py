"""The report on the services: how the targets stand, and throughput and latency by what is in flight."""

from collections.abc import Iterator

from bench.document import number, recorded, verdicts
from bench.rows import Results, Row, middle
from bench.services import notifications, queues
from bench.services.rows import BARE, NAMES, ROWS
from bench.services.scenarios import MEMBERS, PADDING, ROOMS, SCENARIOS


def page(results: Results) -> str:
    return "\n".join(
        [
            "# What a field update costs",
            "",
            "Made by `./run bench services` from [services.json](services.json), which has every measurement.",
            "",
            "![throughput and latency by updates in flight](services.svg)",
            "",
            *tables(results),
            "",
            *_notes(results),
            "",
            *recorded(results),
            "",
        ]
    )


def tables(results: Results) -> list[str]:
    """The targets; then everything by updates in flight. Medians."""
    return [
        "| | publish | publish into the log | **Confer** | target: measured |",
        "|---|---:|---:|---:|---|",
        *(line for row in ROWS if (line := _target(results, row)) is not None),
        "",
        "| in flight | what | per second | acknowledged: half, 99% within, ms | last member, ms | CPU, of all, µs |",
        "|---:|---|---:|---:|---:|---:|",
        *_by_load(results),
        *queues.tables(results),
        *notifications.tables(results),
    ]


def _target(results: Results, row: Row) -> str | None:
    ours = middle(results, row, row.ours)
    if ours is None:
        return None
    own_name = {target.against: target.quantity or row.quantity for target in row.targets}
    bare = [_value(results, row.scenario, each, own_name.get(each, row.quantity)) for each in BARE]
    return (
        f"| {row.title}, {row.unit} | {' | '.join(_shown(value, row.quantity) for value in bare)} | "
        f"**{_shown(ours, row.quantity)}** | {'; '.join(verdicts(results, row, NAMES))} |"
    )


def _by_load(results: Results) -> Iterator[str]:
    for load in SCENARIOS:
        for name in load.servers:
            if (rate := _value(results, load.key, name, "updates_per_s")) is None:
                continue
            acknowledged, last = (_within(results, load.key, name, prefix) for prefix in ("", "last_"))
            cpu = (
                _shown(_value(results, load.key, name, each), each)
                for each in ("cpu_us_per_update", "all_cpu_us_per_update")
            )
            clients = f", {load.in_flight * MEMBERS:,} clients" if name == "path" else ""
            yield (
                f"| {load.in_flight} | {NAMES[name]}{clients} | {number(rate)} | {acknowledged} | {last} | "
                f"{' / '.join(cpu)} |"
            )


def _within(results: Results, key: str, name: str, prefix: str) -> str:
    half, most = (_value(results, key, name, f"{prefix}{part}_us") for part in ("p50", "p99"))
    return "" if half is None or most is None else f"{number(half / 1000)} / {number(most / 1000)}"


def _value(results: Results, key: str, name: str, quantity: str) -> float | None:
    return middle(results, Row("", key, quantity, ""), name)


def _shown(value: float | None, quantity: str) -> str:
    return "" if value is None else number(value / 1000 if quantity.endswith("_us") else value)


def _notes(results: Results) -> list[str]:
    incomplete = [m for m in results["measurements"] if "failed" in m]
    wrong = [m for m in results["measurements"] if any(m.get(k) for k in ("refused", "lost", "disordered"))]
    begun = {m["scenario"] for m in results["measurements"]}
    later = (queues.SCENARIOS, notifications.SCENARIOS)  # older results have none of them
    run = (*SCENARIOS, *(load for suite in later if begun & {each.key for each in suite} for load in suite))
    wanted = results["recorded"]["repetitions"] * sum(len(load.servers) for load in run)
    return [
        f"Medians of {results['recorded']['repetitions']} repetitions. A ratio is the median of the ratios within each "
        "repetition, in which all take turns; ratios of different runs say nothing. Each has an empty NATS server as "
        "we ship it: a file store, and what it acknowledged is on disk.",
        "",
        "- **publish**: a nats-py client on uvloop publishes what sync-svc would append, headers and all, to a stream "
        "that nobody takes anything from, the next message after each acknowledgement.",
        "- **publish into the log**: the same into sync-svc's own stream, from which the server feeds LIVE and the "
        "activity log: what a fact costs an installation before anybody has decided or received anything.",
        f"- **one sync-svc**, **two sync-svc**: calls over NATS as an edge makes them, to {ROOMS} records in turn; "
        "decided, appended on an expected sequence, acknowledged. CPU is that of one sync-svc.",
        f"- **whole path**: everything runs. One of the {MEMBERS} members of each room emits an update by Socket.IO, "
        "and the next one when it has the acknowledgement and all members have the event. CPU is that of the edge.",
        "- **CPU of all**: of every process at work, the NATS server and the load too. On a machine that others use as "
        "well it says more than rates, for those also show whom the system let wait; and where nothing is left of the "
        "machine, it is what rates come from.",
        f"- A value has {PADDING} letters. The load of calls and members is made in C. Everything shares the machine, "
        "the NATS server and the clients too: what one process uses, another does not have.",
        "- With a load average above 2 in the last line others used the machine. Then each process on the way waits "
        "for its turn: a bare publish has two of them, the whole path five and more.",
        f"- Measurements: {len(results['measurements'])} of {wanted} begun in time. Failed: "
        f"{len(incomplete)}. With an update refused, lost or out of order: {len(wrong)}.",
    ]
