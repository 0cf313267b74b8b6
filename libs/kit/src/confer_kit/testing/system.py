"""The whole of Confer as real processes on free ports, for end-to-end tests: start, kill, freeze, start again."""

import asyncio
import http.client
import json
import os
import signal
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from confer_contracts import catalogue
from confer_contracts.permissions import PROVISION
from confer_kit import nats_users
from confer_kit.nats_link import NOT_PERMITTED
from confer_kit.nats_users import seed_file
from confer_kit.testing.metrics import Metrics
from confer_kit.testing.nats import STARTED_WITHIN_S, NatsCluster, NatsServer, with_users
from confer_kit.testing.ports import free_port

SERVICES = tuple(f"{name}-svc" for name in catalogue.SERVICES)
RISEN_WITHIN_S = 60
HTTP_WITHIN_S = 10


class Process:
    """One deployable; `module` may have arguments. `log` is what it printed."""

    def __init__(self, name: str, module: str, environment: Mapping[str, str], directory: Path) -> None:
        self.name = name
        self._module = module
        self._environment = dict(environment)
        self._log = directory / f"{name}.log"
        self.process: asyncio.subprocess.Process | None = None

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def start(self) -> None:
        assert not self.running
        with self._log.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", *self._module.split(), env=self._environment, stdout=output, stderr=output
            )

    async def kill(self) -> None:
        """SIGKILL."""
        if self.running:
            assert self.process
            self.process.kill()
            await self.process.wait()

    async def stop(self, timeout: float = 15) -> int:
        """SIGTERM; the exit status. TimeoutError when it does not end."""
        assert self.process
        if self.running:
            self.process.terminate()
        async with asyncio.timeout(timeout):
            return await self.process.wait()

    def freeze(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGCONT)


class System:
    """NATS, provisioned; four services; edges by number. `environment` overrides settings of all of them."""

    def __init__(
        self, directory: Path, environment: Mapping[str, str], nats: NatsServer | NatsCluster, keys: Path
    ) -> None:
        self._directory = directory
        self.keys = keys
        self.nats = nats
        self._environment = {
            **os.environ,  # noqa: TID251 - children inherit it
            "CONFER_NATS_URL": self.nats.url,
            "CONFER_IDENTITY": "trusted-query",
            "CONFER_LOG_FORMAT": "text",
            **environment,
        }
        self.processes: dict[str, Process] = {}
        self.ports: dict[str, int] = {}
        self._metrics_ports: dict[str, int] = {}

    def url(self, edge: str = "edge") -> str:
        return f"http://127.0.0.1:{self.ports[edge]}"

    async def start(self) -> None:
        await self.nats.start()
        await self.provision()
        for name in SERVICES:
            await self.add_service(name)
        await self.add_edge("edge")
        await self.healthy("edge")

    async def provision(self) -> None:
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("confer")), "provision",
            "--replicas", "3" if isinstance(self.nats, NatsCluster) else "1", env=self._environment_of(PROVISION),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()

    async def add_service(self, name: str, replica: str = "", /, **environment: str) -> Process:
        """Start a service, or with `replica` another one of it; with settings of its own."""
        label = f"{name}{replica}"
        process = self._process(label, name.replace("-", "_"), environment)
        await process.start()
        await self._until_log(process, f"{name} is up")
        return process

    async def add_edge(self, name: str, **environment: str) -> Process:
        """With settings of its own; on a free port unless CONFER_PORT is among them."""
        environment.setdefault("CONFER_PORT", str(free_port()))
        self.ports[name] = int(environment["CONFER_PORT"])
        process = self._process(name, "confer_edge", environment)
        await process.start()
        return process

    async def add_nats_metrics(self) -> None:
        """The process that shows what the NATS servers tell."""
        settings = {"CONFER_NATS_MONITORING": self.nats.monitoring, "CONFER_NATS_MONITORING_S": "0.5"}
        process = self._process("nats-metrics", "confer_ops.cli nats-metrics", settings)
        await process.start()
        await self._until_log(process, "metrics on")

    def scraped(self) -> list[dict[str, object]]:
        """Where the processes' numbers are, as Prometheus' file discovery reads it."""
        return [
            {"targets": [f"127.0.0.1:{port}"], "labels": {"part": name}} for name, port in self._metrics_ports.items()
        ]

    def _process(self, name: str, module: str, environment: Mapping[str, str]) -> Process:
        workers = int({**self._environment, **environment}.get("CONFER_WORKERS", 1))
        self._metrics_ports[name] = free_port(following=workers - 1)
        user = module.replace("_", "-")
        as_user = self._environment_of(user if self.seed(user).exists() else "")
        own = {**as_user, "CONFER_METRICS_PORT": str(self._metrics_ports[name]), **environment}
        self.processes[name] = Process(name, module, own, self._directory)
        return self.processes[name]

    def _environment_of(self, user: str) -> dict[str, str]:
        return {**self._environment, **({"CONFER_NATS_NKEY_SEED_FILE": str(self.seed(user))} if user else {})}

    async def metrics(self, name: str = "edge", worker: int = 0) -> Metrics:
        """A scrape of a process, or of one of an edge's workers."""
        status, body = await asyncio.to_thread(get, f"http://127.0.0.1:{self._metrics_ports[name] + worker}/metrics")
        assert status == 200, f"{name} answers {status} for its metrics"
        return Metrics(name, body.decode())

    async def settled(self, condition: Callable[[Metrics], bool], name: str = "edge") -> Metrics:
        """The first scrape of which the condition is true."""
        async with asyncio.timeout(RISEN_WITHIN_S):
            while not condition(shown := await self.metrics(name)):  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.1)
        return shown

    async def restart(self, name: str) -> None:
        """Start a killed process again and wait until it serves."""
        process = self.processes[name]
        before = process.log.count(" is up")
        await process.start()
        if name in self.ports:
            await self.healthy(name)
        else:
            await self._until(lambda: process.log.count(" is up") > before, process)

    async def health(self, edge: str = "edge") -> tuple[int, dict[str, Any]]:
        """Status and body of GET /health; 0 when nobody listens."""
        return await asyncio.to_thread(_get_json, f"{self.url(edge)}/health")

    async def status(self, path: str, edge: str = "edge") -> int:
        """Of GET `path`; 0 when nobody listens."""
        return (await asyncio.to_thread(get, f"{self.url(edge)}{path}"))[0]

    async def healthy(self, edge: str = "edge", status: int = 200) -> None:
        """Wait until /health answers with this status."""
        async with asyncio.timeout(STARTED_WITHIN_S):
            while (await self.health(edge))[0] != status:  # noqa: ASYNC110 - another process's state
                await asyncio.sleep(0.1)

    async def follows(self, stream: str, edge: str = "edge") -> None:
        """Wait until this edge knows all of a stream, and hears what is added."""
        async with asyncio.timeout(STARTED_WITHIN_S):
            while not (await self.metrics(edge)).value("confer_follower_current", stream=stream):  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def risen(self, before: Metrics, number: str, *, by: float | None = 1, **labels: str) -> None:
        """Wait until a number is by so much (None: by anything) above what it was then."""
        rise = 0.0

        async def is_there() -> bool:
            nonlocal rise
            now = await self.metrics(before.process)
            rise = now.value(number, **labels) - before.value(number, **labels)
            return rise > 0 if by is None else rise == by

        try:
            async with asyncio.timeout(RISEN_WITHIN_S):
                while not await is_there():  # noqa: ASYNC110 - of another process
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"{number} {labels} of {before.process} rose by {rise}, not {by}") from None

    async def permit(self, accounts: str) -> None:
        """Let the NATS server know users and permissions that were not there at its start."""
        assert isinstance(self.nats, NatsServer)
        await self.nats.configure(with_users(self.keys, accounts))

    def must_be_permitted(self) -> None:
        """What the processes did, they may: their permissions on NATS are not too few."""
        said = [line for p in self.processes.values() for line in p.log.splitlines() if NOT_PERMITTED in line]
        assert not said, "\n".join(said)

    def seed(self, user: str) -> Path:
        """The file with the key of a user of NATS."""
        return seed_file(self.keys, user)

    async def stop(self) -> None:
        for process in self.processes.values():
            await process.kill()
        await self.nats.kill()

    async def _until_log(self, process: Process, text: str) -> None:
        await self._until(lambda: text in process.log, process)

    @staticmethod
    async def _until(condition: Any, process: Process) -> None:
        try:
            async with asyncio.timeout(STARTED_WITHIN_S):
                while not condition():
                    assert process.running, f"{process.name} ended:\n{process.log[-3000:]}"
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{process.name} did not come up:\n{process.log[-3000:]}") from None


def _get_json(url: str) -> tuple[int, dict[str, Any]]:
    status, body = get(url)
    return status, json.loads(body) if body else {}


def get(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=HTTP_WITHIN_S) as answer:  # noqa: S310 - loopback
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except (OSError, http.client.HTTPException):
        return 0, b""


@asynccontextmanager
async def running_system(clustered: bool = False, /, **environment: str) -> AsyncIterator[System]:
    """All of it, healthy, each process as its own user of NATS; gone at the end; `clustered`: on three NATS servers.
    When the test fails, the tail of every log is printed; it does when a process wanted what NATS does not permit."""
    with tempfile.TemporaryDirectory(prefix="confer-system-", ignore_cleanup_errors=True) as directory:
        store = Path(directory) / "nats"
        store.mkdir()
        keys = Path(directory) / "keys"
        nats_users.make(keys)
        users = with_users(keys)
        nats = NatsCluster(store, users) if clustered else NatsServer(store, free_port(), users)
        system = System(Path(directory), environment, nats, keys)
        try:
            await system.start()
            yield system
            system.must_be_permitted()
        except BaseException:
            for process in system.processes.values():
                print(f"--- {process.name}\n{process.log[-2000:]}")
            raise
        finally:
            await system.stop()
