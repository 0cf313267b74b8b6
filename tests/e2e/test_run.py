"""`confer up` as a person runs it: everything starts, a killed part returns, Ctrl-C leaves nothing behind."""

import asyncio
import json
import os
import re
import signal
import socket
import urllib.request
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from nats.aio.client import Client

from confer_contracts.permissions import PROVISION
from confer_kit.follower import EPOCH
from confer_kit.testing.ports import free_port
from confer_kit.testing.up import PARTS, Up, running
from confer_ops.connection import connected
from confer_ops.scraping import FILE

RECORD = "log.sync.room.p1.record"


def nats_of(run: Up, data: Path, user: str = PROVISION) -> AbstractAsyncContextManager[Client]:
    """A connection to its NATS, with the key that it has made."""
    return connected(f"nats://127.0.0.1:{run.nats_port}", user, data / "keys")


async def refused(*options: str) -> str:
    """What it says when it does not start: one sentence, exit code 1."""
    async with running(*options) as run:
        assert run.process is not None
        assert await asyncio.wait_for(run.process.wait(), 120) == 1
        *_, sentence = run.printed.splitlines()
        assert sentence.startswith("confer: ")
        assert "Traceback" not in run.printed
        return sentence


def health(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=30) as answer:
        return int(answer.status)


async def test_a_killed_part_returns_and_no_other_dies(tmp_path: Path) -> None:
    async with running(f"--data={tmp_path}") as run:
        await run.up()
        assert await asyncio.to_thread(health, run.port) == 200
        assert all(re.search(rf"{name} +pid {run.pids[name]}", run.printed) for name in PARTS)
        for name in PARTS:
            before = run.pids
            os.kill(before[name], signal.SIGKILL)
            await run.until(lambda n=name, b=before: run.pids.get(n, b[n]) != b[n])  # type: ignore[misc]
            others = {part: pid for part, pid in run.pids.items() if part != name}
            assert others == {part: pid for part, pid in before.items() if part != name}
        assert run.printed.count("was ended by SIGKILL") == len(PARTS)


async def test_each_part_shows_its_metrics_on_a_port_that_was_free(tmp_path: Path) -> None:
    first = free_port()
    with socket.socket() as other:
        other.bind(("127.0.0.1", first))
        other.listen()
        async with running(f"--data={tmp_path}", f"--metrics-port={first}") as run:
            await run.up()
            for name in PARTS[1:]:
                shown = re.search(rf"{name} .*metrics (http://127.0.0.1:(\d+)/metrics)", run.printed)
                assert shown
                assert int(shown[2]) > first
                assert f'process="{name}"' in await asyncio.to_thread(_text, shown[1])
            scraped = {each["labels"]["part"]: each["targets"] for each in json.loads((tmp_path / FILE).read_text())}
            assert set(scraped) == {"edge", *PARTS[1:-1], "nats-metrics"}
            for (address,) in scraped.values():
                assert "confer_build_info" in await asyncio.to_thread(_text, f"http://{address}/metrics")
            (address,) = scraped["nats-metrics"]
            async with asyncio.timeout(60):
                while 'messages{stream="LIVE"}' not in await asyncio.to_thread(_text, f"http://{address}/metrics"):
                    await asyncio.sleep(0.1)


def _text(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())


async def test_ctrl_c_leaves_no_process_and_the_next_start_has_the_data(tmp_path: Path) -> None:
    async with running(f"--data={tmp_path}") as run:
        await run.up()
        async with nats_of(run, tmp_path, "sync-svc") as nc:
            ack = await nc.jetstream().publish(RECORD, b"kept")
        async with nats_of(run, tmp_path) as nc:
            epoch = (await nc.jetstream().stream_info("LIVE")).config.metadata
        pids = run.pids
        assert set(pids) == set(PARTS)
        assert await run.interrupted() == 130
        assert not [name for name, pid in pids.items() if Path(f"/proc/{pid}").exists()]
        assert "was killed" not in run.printed
    async with running(f"--data={tmp_path}") as again:
        await again.up()
        assert "made stream" not in again.printed
        async with nats_of(again, tmp_path) as nc:
            assert (await nc.jetstream().get_msg("SYNC", ack.seq)).data == b"kept"
            assert (await nc.jetstream().stream_info("LIVE")).config.metadata == epoch
    async with running(f"--data={tmp_path}", "--fresh", "--yes") as fresh:
        await fresh.up()
        async with nats_of(fresh, tmp_path) as nc:
            assert (await nc.jetstream().stream_info("LIVE")).config.metadata != epoch
            assert EPOCH in ((await nc.jetstream().stream_info("LIVE")).config.metadata or {})


async def test_nothing_outlives_a_killed_supervisor_and_the_next_start_works(tmp_path: Path) -> None:
    async with running(f"--data={tmp_path}") as run:
        await run.up()
        pids = run.pids
        assert run.process is not None
        run.process.kill()
        await run.process.wait()
        async with asyncio.timeout(60):
            while any(Path(f"/proc/{pid}").exists() for pid in pids.values()):
                await asyncio.sleep(0.05)
    async with running(f"--data={tmp_path}") as again:
        await again.up()


async def test_a_busy_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert await refused(f"--data={tmp_path}", f"--port={port}") == (
            f"confer: Port {port} on 127.0.0.1 is already in use: "
            "stop what listens there, or choose another with --port."
        )
        assert "--nats-port" in await refused(f"--data={tmp_path}", f"--nats-port={port}")


async def test_a_data_directory_in_use_or_damaged_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "is not a directory" in await refused(f"--data={tmp_path / 'file'}")
    data = tmp_path / "data"
    async with running(f"--data={data}") as run:
        await run.up()
        assert "Another `./run` is using" in await refused(f"--data={data}")
        assert await run.interrupted() == 130
    damaged = next(data.glob("nats/jetstream/*/streams/SYNC"))
    (damaged / "meta.inf").write_text("not what it was")
    assert "damaged" in await refused(f"--data={data}")
    assert "--yes" in await refused(f"--data={data}", "--fresh")
    (data / "streams.json").unlink()
    (data / "nats" / "jetstream").rename(data / "elsewhere")
    (data / "nats" / "jetstream").write_text("a file where the store should be")
    assert "nats-server does not start on it" in await refused(f"--data={data}")
