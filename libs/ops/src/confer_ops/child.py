"""A process that is kept running: its output prefixed, started again when it ends, stopped when asked."""

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

from confer_kit.backoff import Backoff, ending
from confer_kit.tasks import Tasks
from confer_ops.console import Console

_TETHER = str(Path(__file__).with_name("tether.py"))
_CHUNK = 65536
_LAST_LINES = 20


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Our environment and `more`, for a process that we start."""
    return {**os.environ, **more}  # noqa: TID251 - handed on, not read


def tethered(argv: Sequence[str]) -> list[str]:
    """The command, so that it does not outlive us."""
    return [sys.executable, "-I", "-S", _TETHER, str(os.getpid()), *argv]


class Child:
    """One process under supervision: `run` keeps it running until `stop`; `once` lets it end by itself."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        console: Console,
        *,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        shown: Callable[[str], str | None] = lambda line: line,
    ) -> None:
        self.name = name
        self.exits = 0
        self.last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._argv, self._env, self._pass_fds = argv, dict(env or {}), pass_fds
        self._console, self._shown = console, shown
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    @property
    def pid(self) -> int | None:
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process and running else None

    async def run(self) -> None:
        loop, backoff = asyncio.get_running_loop(), Backoff()
        while not self._stopping.is_set():
            began = loop.time()
            try:
                how = ending(await self._live())
            except OSError as error:
                how = f"could not be started ({error})"
            if self._stopping.is_set():
                return
            self.exits += 1
            lived = loop.time() - began
            wait = backoff.after(lived)
            if backoff.failing:
                self._console.warn(
                    f"{self.name} has ended {backoff.quick_deaths} times soon after its start ({how}): its lines "
                    f"above say why. The rest goes on; next try in {wait:.0f} s"
                )
            else:
                self._console.warn(f"{self.name} {how} after {lived:.1f} s; starting it again in {wait:.1f} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait)

    async def once(self) -> bool:
        """Whether it ran, and ended well."""
        return await self._live() == 0

    async def _live(self) -> int:
        """One life; its exit code, negative for a signal."""
        output, into = os.pipe()  # our own: asyncio's would make `wait` wait for grandchildren that hold it
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                *tethered(self._argv),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=into,
                stderr=into,
                env=environment(self._env),
                start_new_session=True,  # a terminal's Ctrl-C reaches us alone; we stop the others in order
                pass_fds=self._pass_fds,
            )
        except OSError:
            os.close(output)
            raise
        finally:
            os.close(into)
        if self._stopping.is_set():  # asked while it was being started
            process.terminate()
        elif self.exits:
            self._console.say(f"{self.name} is back (pid {process.pid})")
        printing = Tasks()
        printing.start(self._print(output), f"output of {self.name}")
        try:
            code = await process.wait()
            await printing.finished(1)  # not for ever: a grandchild may still hold it
        finally:
            await printing.cancel()
        return code

    async def _print(self, output: int) -> None:
        stream = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(output, "rb", buffering=0)
        )
        try:
            async for line in lines(stream):
                self.last_lines.append(line)
                if (text := self._shown(line)) is not None:
                    self._console.line(self.name, text)
        finally:
            transport.close()

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, and SIGKILL to its whole group after `grace_s` seconds."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), grace_s)
        except TimeoutError:
            self._console.warn(f"{self.name} did not stop within {grace_s:.0f} s and was killed")
            process.kill()
            await process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # what it started and left behind


async def lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """The lines of a stream; one that is too long is cut into several."""
    rest = b""
    while chunk := await stream.read(_CHUNK):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace").rstrip("\r")
        if len(rest) > _CHUNK:
            yield rest.decode(errors="replace")
            rest = b""
    if rest:
        yield rest.decode(errors="replace")
