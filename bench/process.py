"""Processes of a run: on a core of their own, with a log, gone when we are."""

import os
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from confer_ops.child import environment, tethered
from confer_ops.trouble import Trouble

READY_S = 60.0
_STOP_S = 5.0


def cores() -> tuple[frozenset[int], frozenset[int]]:
    """That of the server that is measured, and those of everything else; the same one where there is only one."""
    ours = sorted(os.sched_getaffinity(0))
    return frozenset(ours[:1]), frozenset(ours[1:] or ours)


@contextmanager
def on(chosen: frozenset[int]) -> Iterator[None]:
    """Whatever is started inside the block runs on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, chosen)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def running(
    command: Sequence[str], more: Mapping[str, str], log: Path, chosen: frozenset[int], ready: Callable[[], bool]
) -> Iterator[int]:
    """The pid of a process that is ready. Trouble with the end of its log when it is not within READY_S."""
    with log.open("ab") as output, on(chosen):
        process = subprocess.Popen(tethered(command), env=environment(more), stdout=output, stderr=output)  # noqa: S603
    try:
        deadline = monotonic() + READY_S
        while not ready():
            if process.poll() is not None or monotonic() > deadline:
                tail = log.read_text(errors="replace")[-1500:]
                raise Trouble(f"{Path(command[0]).name} did not come up:\n{tail}")
            sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def cpu_clock(pid: int) -> int:
    """The clock of a process's CPU time for `time.clock_gettime`; Python cannot ask for it (clock_getcpuclockid(3))."""
    return (~pid << 3) | 2


def answers(port: int, path: str) -> bool:
    """Whether a GET there is answered with 200."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def greets(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
