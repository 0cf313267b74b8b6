"""Blocking work in a thread: its answer, its failure, and nobody who waits for it when it is given up."""

import asyncio
import subprocess
import sys
import threading

import pytest

from confer_kit.threads import apart

HANGS = """
import asyncio, time
from confer_kit.threads import apart

async def main():
    try:
        await asyncio.wait_for(apart(lambda: time.sleep(600)), 0.1)
    except TimeoutError:
        print("given up")

asyncio.run(main())
"""


async def test_it_answers_from_another_thread() -> None:
    assert await apart(threading.current_thread) is not threading.current_thread()


async def test_its_failure_is_the_callers() -> None:
    def fail() -> None:
        raise OSError("no route")

    with pytest.raises(OSError, match="no route"):
        await apart(fail)


async def test_the_loop_goes_on_meanwhile() -> None:
    released = threading.Event()
    waiting = asyncio.ensure_future(apart(released.wait))
    await asyncio.sleep(0)
    released.set()
    assert await waiting


def test_a_process_ends_without_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGS], capture_output=True, text=True, check=True, timeout=120
    )  # fmt: skip
    assert done.stdout == "given up\n"
