"""What a run shows once it is up: what runs where, and where to click."""

from confer_ops.console import table
from confer_ops.data import DataDirectory
from confer_ops.nats_monitoring import PROCESS as NATS_METRICS
from confer_ops.parts import EDGE, Parts


def banner(identity: str) -> list[str]:
    width = 78
    rows = (
        f"IDENTITY IS NOT CHECKED (CONFER_IDENTITY={identity})",
        "Whoever connects is whoever they say they are. For trying out on this machine",
        "only: anything else needs --identity jwt.",
    )
    return ["!" * (width + 4), *(f"! {row.ljust(width)} !" for row in rows), "!" * (width + 4)]


def summary(
    parts: Parts, data: DataDirectory, *, after_s: float, healthy: bool, demo: bool, building: bool
) -> list[str]:
    shown = {name: f"metrics http://127.0.0.1:{port}/metrics" for name, port in parts.metrics.items() if port}
    beside = [
        f"monitoring http://127.0.0.1:{parts.monitoring}",
        *(shown[name] for name in [NATS_METRICS] if name in shown),
    ]
    where = shown | {
        "nats-server": f"{parts.nats_url}   ({', '.join(beside)})",
        EDGE: f"{parts.url}   ({shown[EDGE]})" if EDGE in shown else parts.url,
    }
    rows = [(c.name, f"pid {c.pid}" if c.pid else "not running", where.get(c.name, "")) for c in parts.all]
    pages = []
    places = [("Socket.IO", f"{parts.url}/socket.io/"), ("Health", f"{parts.url}/health"), ("Data", str(data.path))]
    if demo:
        later = "   (being built: a line will say when it is ready)" if building else ""
        pages.append(("Demo portal", f"{parts.url}/demo/{later}"))
        pages.append(("Public board", f"{parts.url}/demo/board/   (for a television in the waiting room)"))
    if parts.watch:
        pages.append(("What happens", f"{parts.watch}/   (the last actions, hop by hop, and vital numbers)"))
    head = f"Confer is up, after {after_s:.1f} s." if healthy else "Confer is not healthy yet: see the lines above."
    return [f"  {head}", "", *table(rows), "", *table([*pages, *places]), "", "  Ctrl-C stops all of it."]
