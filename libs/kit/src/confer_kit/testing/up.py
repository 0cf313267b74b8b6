"""`confer up` as a process, for tests of what a person sees who runs it."""

import asyncio
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from confer_kit.testing.ports import free_port
from confer_kit.testing.system import SERVICES

PARTS = ("nats-server", *SERVICES, "confer-edge")


class Up:
    """A running `confer up`, and what it has printed; without demo, metrics and page, unless `options` say so."""

    def __init__(self, *options: str) -> None:
        self.port = free_port()
        self.nats_port = free_port()
        self._options = [
            f"--port={self.port}",
            f"--nats-port={self.nats_port}",
            "--no-demo",
            "--metrics-port=0",
            "--watch-port=0",
            *options,
        ]
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the run
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        confer = str(Path(sys.executable).with_name("confer"))
        self.process = await asyncio.create_subprocess_exec(
            confer, "up", *self._options, stdout=self._output, stderr=self._output, stdin=asyncio.subprocess.DEVNULL
        )

    @property
    def printed(self) -> str:
        self._output.seek(0)
        return self._output.read().decode()

    @property
    def pids(self) -> dict[str, int]:
        """The parts that run, by name, as the kernel knows them."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        found = {}
        for pid in map(int, children):
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"_", b"-").decode()
            except OSError:  # it has ended meanwhile
                continue
            for name in PARTS:
                if name in command and "tether.py" not in command:
                    found[name] = pid
        return found

    async def until(self, true: Callable[[], object], seconds: float = 120) -> None:
        assert self.process is not None
        try:
            async with asyncio.timeout(seconds):
                while not true():
                    assert self.process.returncode is None, self.printed
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(self.printed) from None

    async def up(self) -> None:
        await self.until(lambda: "Confer is up" in self.printed)

    async def interrupted(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return await asyncio.wait_for(self.process.wait(), 60)


@asynccontextmanager
async def running(*options: str) -> AsyncIterator[Up]:
    run = Up(*options)
    await run.start()
    assert run.process is not None
    try:
        yield run
    finally:
        if run.process.returncode is None:
            run.process.kill()
            await run.process.wait()
