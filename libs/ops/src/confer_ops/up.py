"""`confer up`: the whole system on this machine, each part its own process, until somebody stops it."""

import asyncio
import signal
from dataclasses import dataclass, field
from pathlib import Path

import nats.errors

from confer_contracts.permissions import PROVISION
from confer_kit import logs
from confer_kit.tasks import Tasks
from confer_ops import nats_process
from confer_ops.child import environment
from confer_ops.connection import connected
from confer_ops.console import Console
from confer_ops.data import DataDirectory
from confer_ops.demo import Demo
from confer_ops.health import is_healthy
from confer_ops.nats_monitoring import PROCESS as NATS_METRICS
from confer_ops.nats_monitoring import Settings as MonitoringSettings
from confer_ops.nats_monitoring import watch
from confer_ops.parts import EDGE, SERVICES, Parts, traces_go_to
from confer_ops.ports import HOST, MONITORING_PORT, NATS_PORT, must_be_free, next_free
from confer_ops.provision import Ages, existing, log_streams, provision
from confer_ops.scraping import write_targets
from confer_ops.summary import banner, summary
from confer_ops.trouble import Trouble
from confer_ops.watch.site import Site
from confer_ops.whereabouts import remember

HEALTHY_S = 45.0
SECRET_BYTES_MIN = 32  # for HS256; the edge refuses less as well
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Options:
    checkout: Path
    port: int
    data: Path
    nats_port: int | None
    identity: str
    demo: bool
    metrics_port: int
    watch_port: int
    ages: Ages = field(default_factory=Ages)


def must_make_sense(options: Options) -> None:
    """Trouble with what was asked for, before anything is started or deleted."""
    if options.port == options.nats_port:
        raise Trouble(f"--port and --nats-port are both {options.port}: the edge and NATS need a port each.")
    settings = environment({})
    secret = settings.get("CONFER_JWT_SECRET", "")
    has_jwks = bool(settings.get("CONFER_JWKS_FILE") or settings.get("CONFER_JWKS_URL"))
    if options.identity == "jwt" and not has_jwks and len(secret.encode(errors="surrogateescape")) < SECRET_BYTES_MIN:
        raise Trouble(f"--identity jwt needs CONFER_JWT_SECRET, {SECRET_BYTES_MIN} bytes or more, in the environment.")


async def up(options: Options, data: DataDirectory, console: Console) -> int:
    """Run everything until a signal; the exit code. Trouble when it cannot start."""
    must_be_free(options.port, "--port")
    if options.nats_port is not None:
        must_be_free(options.nats_port, "--nats-port")
    logs.configure("confer", "warning", "text")  # what the kit says in this process; the console says all else
    nats_port = options.nats_port or next_free(NATS_PORT, but_not={options.port})
    monitoring = next_free(MONITORING_PORT, but_not={options.port, nats_port})
    taken = {options.port, nats_port, monitoring}
    site = Site() if options.watch_port else None
    if site is not None:
        await site.server.start(options.watch_port, but_not=taken)
        taken.add(site.server.port)
    try:
        metrics = _metrics_ports(options.metrics_port, taken)
        page = site.server.url if site else None
        parts = Parts(options, data, console, nats_port=nats_port, monitoring=monitoring, metrics=metrics, watch=page)
        if site is not None:
            site.shows(
                {name: port for name, port in metrics.items() if name != NATS_METRICS}, traces_go_to=traces_go_to()
            )
        return await _Run(options, data, console, parts).until_stopped()
    finally:
        if site is not None:
            site.server.close()


def _metrics_ports(first: int, taken: set[int]) -> dict[str, int]:
    """By part: the next free ports from `first` on; 0 (none) for all where that is 0."""
    ports: dict[str, int] = {}
    for name in (EDGE, *SERVICES, NATS_METRICS):
        ports[name] = next_free(first, but_not={*taken, *ports.values()}) if first else 0
    return ports


class _Run:
    def __init__(self, options: Options, data: DataDirectory, console: Console, parts: Parts) -> None:
        self._options, self._data, self._console, self._parts = options, data, console, parts
        self._demo = Demo(options.checkout)
        self._tasks = Tasks()
        self._stop = asyncio.Event()
        self._code = 0

    async def until_stopped(self) -> int:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._signalled, number)
        self._console.when_closed = self._stop.set
        starting = self._tasks.start(self._start(), "start")
        stopped = self._tasks.start(self._stop.wait(), "stop")
        try:
            await asyncio.wait([starting, stopped], return_when=asyncio.FIRST_COMPLETED)
            if starting.done() and (trouble := starting.result()):
                raise trouble
            await stopped
            self._console.say("stopping")
        finally:
            starting.cancel()
            await self._parts.stop()
            await self._tasks.cancel()
        self._console.say("stopped")
        return self._code

    def _signalled(self, number: int) -> None:
        self._code = 130 if number == signal.SIGINT else 0
        self._stop.set()

    async def _start(self) -> Trouble | None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        if self._options.identity != "jwt":
            self._console.block(banner(self._options.identity))
        try:
            self._tasks.start(self._parts.nats.run(), "nats-server")
            if not await nats_process.answers(self._parts.nats, self._parts.nats_port):
                complaint = nats_process.last_complaint(self._parts.nats)
                return self._data.damaged(f"nats-server does not start on it ({complaint})")
            await self._provide_streams()
        except Trouble as trouble:
            return trouble
        monitoring = f"http://{HOST}:{self._parts.monitoring}"
        remember(self._data, nats_url=self._parts.nats_url, edge=self._parts.url, monitoring=monitoring)
        self._show_numbers(monitoring)
        for child in (*self._parts.services, self._parts.edge):
            self._tasks.start(child.run(), child.name)
        building = self._options.demo and self._demo.exists and not self._demo.current
        if building:
            self._tasks.start(self._build_demo(), "demo")
        healthy = await self._healthy()
        shown = summary(
            self._parts, self._data, after_s=loop.time() - began, healthy=healthy,
            demo=self._options.demo and self._demo.exists, building=building,
        )  # fmt: skip
        self._console.block(shown)
        return None

    def _show_numbers(self, monitoring: str) -> None:
        """Tell Prometheus where they are, NATS' among them: those are served by this process."""
        ports = self._parts.metrics
        write_targets(self._data.path, {"edge" if name == EDGE else name: port for name, port in ports.items()})
        if port := ports[NATS_METRICS]:
            settings = MonitoringSettings(metrics_port=port, nats_monitoring=monitoring)
            self._tasks.start(watch(settings), NATS_METRICS)

    async def _provide_streams(self) -> None:
        try:
            async with connected(self._parts.nats_url, PROVISION, self._data.keys) as nc:
                lost = (self._data.streams & log_streams()) - await existing(nc)
                if lost:
                    raise self._data.damaged(f"{', '.join(sorted(lost))} was there and cannot be read any more")
                await provision(nc, say=self._console.say, ages=self._options.ages)
                self._data.remember(await existing(nc))
        except (nats.errors.Error, TimeoutError) as error:
            complaint = nats_process.last_complaint(self._parts.nats)
            raise self._data.damaged(f"JetStream does not work on it ({error!r}; {complaint})") from error

    async def _healthy(self) -> bool:
        try:
            async with asyncio.timeout(HEALTHY_S):
                while True:
                    if await is_healthy(self._options.port):
                        return True
                    await asyncio.sleep(0.1)
        except TimeoutError:
            return False

    async def _build_demo(self) -> None:
        self._console.say("building the demo portal; everything else starts meanwhile")
        if await self._parts.builder.once():
            self._console.say(f"the demo portal is ready: {self._parts.url}/demo/")
        elif not self._stop.is_set():
            self._console.warn("the demo portal could not be built: see above. Everything else runs without it")
