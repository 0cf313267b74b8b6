"""One measurement: start the server, put the load on it, stop it."""

import json
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import process
from bench.backplane import Backplane, backplane
from bench.scenarios import Scenario
from bench.servers import SERVERS, Start
from bench.tools import Tools
from confer_ops.child import tethered
from confer_ops.ports import next_free

FIRST_PORT = 15000
LOAD_S = 240.0  # the longest that one load may take


class Failed(Exception):  # noqa: N818 - said of the measurement
    """The load generator gave up; the run goes on without this measurement."""


@dataclass
class EdgeBench:
    """What all measurements share. The backplanes are started when first needed and live as long as `stack`."""

    tools: Tools
    folder: Path
    stack: ExitStack

    def __post_init__(self) -> None:
        self._backplanes: dict[bool, Backplane] = {}

    def measure(self, scenario: Scenario, name: str, *, quick: bool) -> dict[str, Any]:
        server, there, port = SERVERS[name], self._backplane(services=scenario.services), next_free(FIRST_PORT)
        measured, others = process.cores()
        command, more = server.command(Start(self.tools, port, there, scenario.fed(name)))
        log = self.folder / f"{name}.log"
        with process.running(command, more, log, measured, server.is_ready(port)) as pid:
            options = {"port": port, "pid": pid, "query": server.query, **scenario.arguments(name, quick=quick)}
            if scenario.fed(name):
                options["nats"] = there.port
            with process.on(others):
                return loaded(arguments(self.tools, options))

    def _backplane(self, *, services: bool) -> Backplane:
        if services not in self._backplanes:
            _, others = process.cores()
            started = backplane(self.folder, others, services=services)
            self._backplanes[services] = self.stack.enter_context(started)
        return self._backplanes[services]


def arguments(tools: Tools, options: dict[str, Any]) -> list[str]:
    """The load generator's command line."""
    return [str(tools.load), *(text for option, value in options.items() for text in (f"--{option}", str(value)))]


def loaded(command: list[str]) -> dict[str, Any]:
    """What a load measured: it prints JSON."""
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            tethered(command), capture_output=True, text=True, timeout=LOAD_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"the load did not end within {LOAD_S:.0f} s") from None
    if done.returncode or not done.stdout:
        raise Failed(done.stderr.strip()[-300:] or f"exit code {done.returncode}")
    return dict(json.loads(done.stdout))
