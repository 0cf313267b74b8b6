"""The processes of one run: what each is told, and the order in which they stop."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from confer_contracts import catalogue
from confer_kit.nats_users import seed_file
from confer_ops import nats_process
from confer_ops.child import Child, environment
from confer_ops.console import Console
from confer_ops.data import DataDirectory
from confer_ops.demo import Demo
from confer_ops.ports import HOST

if TYPE_CHECKING:
    from confer_ops.up import Options

EDGE = "confer-edge"
SERVICES = tuple(f"{name}-svc" for name in catalogue.SERVICES)
_LEVELS = """\
# What the processes log, by module: debug, info, warning or error. A change holds within a second, without a restart.
handled = warning       # info: a line for every message, with its trace
# confer_edge = debug
# sync_svc = debug
"""
_KEYS = ("CONFER_JWT_SECRET", "CONFER_JWT_SECRET_FILE", "CONFER_JWKS_FILE", "CONFER_JWKS_URL")
DRAIN_S, GRACE_S, NATS_GRACE_S = 4, 6.0, 5.0  # all of them together stay below 20 s


class Parts:
    """nats-server, the services, the edge, and whatever builds the demo portal."""

    def __init__(
        self, options: "Options", data: DataDirectory, console: Console, *, nats_port: int, monitoring: int,
        metrics: Mapping[str, int], watch: str | None,
    ) -> None:  # fmt: skip
        """`metrics`: ports, by process; `watch`: where the page of traces and numbers is."""
        self._console = console
        self.metrics, self.watch = metrics, watch
        self.nats_port, self.monitoring = nats_port, monitoring
        self.nats_url = f"nats://{HOST}:{nats_port}"
        self.url = f"http://{HOST}:{options.port}"
        self._keys = data.keys
        config = nats_process.write_config(data, port=nats_port, monitoring=monitoring)
        nats_process.take_over(data.store)
        self.nats = Child(
            "nats-server", [nats_process.binary(), "-c", str(config)], console,
            pass_fds=[data.lock_fd], shown=nats_process.shown,
        )  # fmt: skip
        self._levels = _levels(data.path / "log-levels")
        demo = Demo(options.checkout)
        self.services = [self._python(name, **_forms(options, demo)) for name in SERVICES]
        self.edge = self._python(
            EDGE,
            CONFER_HOST=HOST,
            CONFER_PORT=str(options.port),
            CONFER_IDENTITY=options.identity,
            **_keys_of(options.identity),
            CONFER_DEMO_DIR=str(demo.dist),
            CONFER_DEMO_WATCH=self.watch or "",
        )
        self.builder = Child("demo", [sys.executable, "-m", "confer_ops.cli", "demo"], console)

    def _python(self, name: str, **settings: str) -> Child:
        shared = {
            "CONFER_NATS_URL": self.nats_url,
            "CONFER_NATS_NKEY_SEED_FILE": str(seed_file(self._keys, name)),
            "CONFER_LOG_FORMAT": "text",
            "CONFER_LOG_LEVELS_FILE": self._levels,
            "CONFER_DRAIN_S": str(DRAIN_S),
            "CONFER_METRICS_PORT": str(self.metrics[name]),
        }
        if self.watch and traces_go_to() is None:
            shared["OTEL_EXPORTER_OTLP_ENDPOINT"] = self.watch
        command = [sys.executable, "-u", "-m", name.replace("-", "_")]
        return Child(name, command, self._console, env={**shared, **settings})

    @property
    def all(self) -> list[Child]:
        return [self.nats, *self.services, self.edge]

    async def stop(self) -> None:
        """The edge first, so that its clients reconnect elsewhere or wait; NATS last, so that the others can drain."""
        await asyncio.gather(self.edge.stop(GRACE_S), self.builder.stop(1))
        await asyncio.gather(*(service.stop(GRACE_S) for service in self.services))
        await self.nats.stop(NATS_GRACE_S)


def _keys_of(identity: str) -> dict[str, str]:
    """Without tokens none: an edge refuses to believe where it could check, but our environment's may be for others."""
    return {} if identity == "jwt" else dict.fromkeys(_KEYS, "")


def _levels(path: Path) -> str:
    """Where the processes look for what to log; on a terminal not every message."""
    given = environment({}).get("CONFER_LOG_LEVELS_FILE")
    if given is None and not path.exists():
        path.write_text(_LEVELS)
    return given or str(path)


def traces_go_to() -> str | None:
    """Where our environment sends traces; None: it says nothing."""
    settings = environment({})
    names = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return next((settings[name] for name in names if settings.get(name)), None)


def _forms(options: "Options", demo: Demo) -> dict[str, str]:
    """The demo's forms, unless somebody has set their own."""
    wanted = options.demo and demo.forms.is_dir() and "CONFER_SYNC_SCHEMAS" not in environment({})
    return {"CONFER_SYNC_SCHEMAS": str(demo.forms)} if wanted else {}
