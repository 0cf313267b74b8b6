"""Confer in containers, for tests: a project of docker compose with a name and a port of its own, and its faults."""

import asyncio
import fcntl
import hashlib
import os
import re
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import docker

from confer_contracts.permissions import OPERATOR
from confer_kit.settings import KitSettings
from confer_kit.testing.chaos.crowd import Crowd, crowd
from confer_kit.testing.chaos.truth import Recorder
from confer_kit.testing.command import printed
from confer_kit.testing.javascript import Node
from confer_kit.testing.metrics import Metrics
from confer_kit.testing.ports import free_port
from confer_kit.testing.system import get

BUILT_AND_UP_WITHIN_S: Final = 900
RISEN_WITHIN_S: Final = 180
STOPPED_WITHIN_S: Final = 60

Container = Any  # docker's types are not published


class Compose:
    """`files` of the checkout; NATS is published for tests alone. `variables` are those of .env.example."""

    def __init__(self, checkout: Path, profile: str, files: Sequence[Path], variables: dict[str, str]) -> None:
        mark = hashlib.sha256(str(checkout).encode()).hexdigest()[:8]  # of this checkout: others have their own
        self.name = f"confer-test-{profile}-{mark}"
        self.version = f"test-{mark}"
        self.port, nats_port = free_port(), free_port()
        self.url, self._nats_url = f"http://127.0.0.1:{self.port}", f"nats://127.0.0.1:{nats_port}"
        self._keys = tempfile.TemporaryDirectory(prefix="confer-keys-")
        self._checkout = checkout
        self._files = files
        self.variables = {
            "CONFER_VERSION": self.version,
            "CONFER_REVISION": "tested",
            "CONFER_IDENTITY": "trusted-query",
            "SOCKETIO_PORT": str(self.port),
            "CONFER_TEST_NATS_PORT": str(nats_port),
            **variables,
        }
        self._docker = docker.from_env(timeout=RISEN_WITHIN_S)

    async def command(self, *words: str, **variables: str) -> str:
        """`docker compose` with these words; what it prints. AssertionError where it fails."""
        files = [word for file in self._files for word in ("-f", str(file))]
        return await printed(
            "docker", "compose", "-p", self.name, "--env-file", os.devnull, *files, *words,
            within_s=BUILT_AND_UP_WITHIN_S, cwd=self._checkout, **(self.variables | variables),
        )  # fmt: skip

    async def build(self) -> None:
        """One at a time: what the images share is made once, also where tests run side by side."""
        with (Path(tempfile.gettempdir()) / f"confer-{self.version}.lock").open("w") as held:
            await asyncio.to_thread(fcntl.flock, held, fcntl.LOCK_EX)
            await self.command("build")

    async def up(self, *words: str, **variables: str) -> None:
        """Up and healthy."""
        await self.command("up", "--detach", "--wait", *words, **variables)

    async def down(self) -> None:
        await self.command("down", "--volumes", "--remove-orphans", "--timeout", "2")
        self.close()

    def close(self) -> None:
        self._keys.cleanup()
        self._docker.close()

    async def operator(self) -> KitSettings:
        """How an operator logs in to its NATS from outside, who may read everything. The key's copy is gone at the
        end."""
        words = "run", "--rm", "-T", "--no-deps", "--entrypoint", "cat", "confer", "/keys/seed.nk", "/keys/ca.pem"
        told = await self.command(*words)
        files = Path(self._keys.name) / "seed.nk", Path(self._keys.name) / "ca.pem"
        for file, form in zip(files, (r"^SU\w+$", r"^-----BEGIN(?s:.+)^-----END.+$"), strict=True):
            (found,) = re.findall(form, told, re.MULTILINE)
            file.write_text(found)
        seed, ca = files
        return KitSettings(nats_url=self._nats_url, nats_nkey_seed_file=seed, nats_tls_ca=ca)

    async def image(self, name: str) -> dict[str, Any]:
        """What the engine knows of one of ours (`edge`), or of another with its tag."""
        found = await asyncio.to_thread(self._docker.images.get, self._image(name))
        attributes: dict[str, Any] = found.attrs
        return attributes

    async def look(self, name: str, code: str) -> str:
        """What Python code prints in one of our images."""
        output = await asyncio.to_thread(
            self._docker.containers.run, self._image(name), ["python", "-c", code], read_only=True, remove=True,
            network_disabled=True,
        )  # fmt: skip
        return bytes(output).decode()

    def _image(self, name: str) -> str:
        return name if ":" in name else f"confer/{name}:{self.version}"

    async def containers(self, service: str = "") -> list[Container]:
        """Of a service, or all; the oldest first."""
        labels = [f"com.docker.compose.project={self.name}"]
        labels += [f"com.docker.compose.service={service}"] if service else []
        found = await asyncio.to_thread(self._docker.containers.list, all=True, filters={"label": labels})
        return sorted(found, key=lambda container: str(container.attrs["Created"]))

    async def container(self, service: str) -> Container:
        """The one that a service has."""
        (found,) = await self.containers(service)
        return found

    async def healthy(self, container: Container) -> None:
        await self._until(container, lambda: container.attrs["State"].get("Health", {}).get("Status") == "healthy")

    async def all_healthy(self) -> None:
        """All that run, and who asks from outside is told so too."""
        for container in await self.containers():
            if container.status == "running":
                await self.healthy(container)
        async with asyncio.timeout(RISEN_WITHIN_S):
            while (await asyncio.to_thread(get, f"{self.url}/readyz"))[0] != 200:  # noqa: ASYNC110 - of a container
                await asyncio.sleep(0.1)

    async def metrics(self, container: Container) -> Metrics:
        """What it shows at the port of its numbers, which nobody reaches from outside."""
        code = "import os, urllib.request as u; port = os.environ['CONFER_METRICS_PORT']; "
        code += "print(u.urlopen(f'http://127.0.0.1:{port}/metrics').read().decode())"
        shown = await asyncio.to_thread(container.exec_run, ["python", "-c", code])
        assert shown.exit_code == 0, shown.output
        return Metrics(container.name, shown.output.decode())

    async def crash(self, container: Container) -> None:
        """Its process dies, as by a defect: the engine starts it again."""
        before = container.attrs["State"]["StartedAt"]
        os.kill(container.attrs["State"]["Pid"], signal.SIGKILL)
        await self._until(container, lambda: container.attrs["State"]["StartedAt"] != before)
        await self.healthy(container)

    async def restart(self, container: Container) -> None:
        """SIGTERM, and up again."""
        await asyncio.to_thread(container.restart, timeout=STOPPED_WITHIN_S)
        await self.healthy(container)

    async def kill(self, container: Container) -> None:
        """SIGKILL, and up again."""
        await asyncio.to_thread(container.kill)
        await asyncio.to_thread(container.start)
        await self.healthy(container)

    @asynccontextmanager
    async def paused(self, container: Container) -> AsyncIterator[None]:
        await asyncio.to_thread(container.pause)
        try:
            yield
        finally:
            await asyncio.to_thread(container.unpause)

    @asynccontextmanager
    async def disconnected(self, container: Container) -> AsyncIterator[None]:
        """Its cable is pulled: nothing is closed, nothing passes."""
        network = (await asyncio.to_thread(self._docker.networks.list, names=[f"{self.name}_default"]))[0]
        await asyncio.to_thread(network.disconnect, container)
        try:
            yield
        finally:
            service = container.labels["com.docker.compose.service"]
            await asyncio.to_thread(network.connect, container, aliases=[service])

    async def remove(self, container: Container) -> None:
        """SIGTERM, and gone."""
        await asyncio.to_thread(container.stop, timeout=STOPPED_WITHIN_S)
        await asyncio.to_thread(container.remove)

    async def _until(self, container: Container, condition: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(RISEN_WITHIN_S):
                while True:
                    await asyncio.to_thread(container.reload)
                    if condition():
                        return
                    await asyncio.sleep(0.1)
        except TimeoutError:
            log = container.logs(tail=30).decode(errors="replace")
            raise AssertionError(f"{container.name}: {container.attrs['State']}\n{log}") from None

    async def print_logs(self) -> None:
        for container in await self.containers():
            log = await asyncio.to_thread(container.logs, tail=25)
            print(f"--- {container.name} ({container.status})\n{log.decode(errors='replace')}")


@asynccontextmanager
async def crowd_in(compose: Compose, *, people: int, node: Node | None = None) -> AsyncIterator[Crowd]:
    """As `crowd`, in there."""
    recorder = Recorder(await compose.operator(), OPERATOR)
    async with crowd(recorder, compose.url, compose.all_healthy, people=people, node=node) as made:
        yield made


@asynccontextmanager
async def composed(
    checkout: Path, profile: str, *files: Path, services: Sequence[str] = (), **variables: str
) -> AsyncIterator[Compose]:
    """Built from the checkout, up and healthy, from nothing; gone at the end with its data. `services`: these, and what
    they depend on; none: all. When the test fails, the tail of every log is printed."""
    made = Compose(checkout, profile, files, variables)
    await made.command("down", "--volumes", "--remove-orphans", "--timeout", "0")  # of a run that was killed
    try:
        await made.build()
        await made.up("--build", *services)
        yield made
    except BaseException:
        await made.print_logs()
        raise
    finally:
        await made.down()
