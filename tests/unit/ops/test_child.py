"""The supervisor's child, with real processes that end at once."""

import asyncio
import io
import os
import signal
import sys
from pathlib import Path

from confer_kit.tasks import Tasks
from confer_ops.child import Child, lines
from confer_ops.console import Console

LIVE_ON = "import time; print('hello', flush=True); time.sleep(60)"


async def until(true: object, what: str) -> None:
    assert callable(true)
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.01)


def python(code: str, out: io.StringIO) -> Child:
    return Child("it", [sys.executable, "-c", code], Console(out))


async def test_a_killed_child_returns_and_says_so() -> None:
    out, tasks = io.StringIO(), Tasks()
    child = python(LIVE_ON, out)
    tasks.start(child.run())
    await until(lambda: "hello" in out.getvalue(), "the first life")
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: child.pid not in (None, first), "the second life")
    assert "it was ended by SIGKILL after" in out.getvalue()
    await until(lambda: f"it is back (pid {child.pid})" in out.getvalue(), "the news")
    await child.stop(5)
    assert child.pid is None
    assert await tasks.finished(30)


async def test_one_that_cannot_live_is_tried_on_and_reported() -> None:
    out, tasks = io.StringIO(), Tasks()
    child = python("raise SystemExit(3)", out)
    tasks.start(child.run())
    await until(lambda: "has ended 5 times soon after its start (ended with exit code 3)" in out.getvalue(), "report")
    await child.stop(5)
    assert await tasks.finished(30)


async def test_one_that_ignores_the_signal_is_killed_with_what_it_started(tmp_path: Path) -> None:
    out, tasks, note = io.StringIO(), Tasks(), tmp_path / "pid"
    child = python(
        "import signal, subprocess, sys, time; signal.signal(15, signal.SIG_IGN);"
        f"p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        f"open({str(note)!r}, 'w').write(str(p.pid)); print('ready', flush=True); time.sleep(60)",
        out,
    )
    tasks.start(child.run())
    await until(lambda: "ready" in out.getvalue(), "ready")
    await child.stop(0.2)
    assert "was killed" in out.getvalue()
    await until(lambda: not _alive(int(note.read_text())), "the grandchild's end")
    assert await tasks.finished(30)


async def test_it_dies_with_its_supervisor(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-c",
        "import asyncio, sys; from confer_ops.child import Child; from confer_ops.console import Console;"
        f"asyncio.run(Child('it', [sys.executable, '-c', {code!r}], Console()).run())",
    )  # fmt: skip
    await until(lambda: note.exists() and note.read_text(), "the child's start")
    supervisor.kill()
    await supervisor.wait()
    await until(lambda: not _alive(int(note.read_text())), "the child's end")


async def test_lines_are_cut_where_they_are_too_long() -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(b"one\r\ntwo\n" + b"x" * 200_000 + b"\nrest")
    stream.feed_eof()
    found = [line async for line in lines(stream)]
    assert found[:2] == ["one", "two"]
    assert found[-1] == "rest"
    assert "".join(found[2:-1]) == "x" * 200_000


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
