"""`confer doctor` on a real NATS server: what provisioning would put right is named, and then it is right."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import nats
import nats.errors
import pytest
from nats.aio.client import Client

from confer_kit import nats_users
from confer_kit.testing import nats_server
from confer_kit.testing.nats import with_users
from confer_ops import doctor_nats
from confer_ops.findings import Finding, Level
from confer_ops.provision import provision


@pytest.fixture
async def nc() -> AsyncIterator[Client]:
    async with nats_server() as server:
        client = await nats.connect(server.url)
        yield client
        await client.close()


async def found(looking: AsyncIterator[Finding]) -> list[tuple[Level, str]]:
    return [(finding.level, finding.said) async for finding in looking]


async def wrong_streams(nc: Client) -> list[str]:
    return [said for level, said in await found(doctor_nats.stored(nc)) if level is Level.WRONG]


async def test_the_server_is_looked_at(nc: Client) -> None:
    await provision(nc)
    (version, jetstream) = await found(doctor_nats.server(nc))
    assert version[0] is Level.OK
    assert version[1].startswith("version 2.")
    assert (jetstream[0], "streams" in jetstream[1]) == (Level.OK, True)


async def test_streams_are_compared_with_what_provisioning_makes(nc: Client) -> None:
    js = nc.jetstream()
    missing = await wrong_streams(nc)
    assert "LIVE is missing" in missing
    assert "SYNC is missing, and its facts with it, unless this installation is new" in missing
    await provision(nc)
    ((level, said),) = await found(doctor_nats.stored(nc))
    assert level is Level.OK
    assert said.endswith("are as provisioning makes them")

    sync = (await js.stream_info("SYNC")).config
    await js.update_stream(sync.evolve(max_msgs_per_subject=7))
    await js.update_stream((await js.stream_info("ACTIVITY")).config.evolve(max_age=86400.0))  # an operator's choice
    await js.delete_consumer("QUEUE", "live")
    await js.delete_stream("NOTIFY")
    assert sorted(await wrong_streams(nc)) == [
        "LIVE gets nothing from QUEUE any more: consumer live is gone",
        "NOTIFY is missing, and its facts with it, unless this installation is new",
        "SYNC has another max_msgs_per_subject",
    ]
    await provision(nc)
    assert await wrong_streams(nc) == []


async def test_who_was_not_let_in_is_named(tmp_path: Path) -> None:
    nats_users.make(tmp_path)
    async with nats_server(with_users(tmp_path, strict=True)) as server:

        async def log_ins() -> list[tuple[Level, str]]:
            looked = [finding async for finding in doctor_nats.monitoring(server.monitoring)]
            return [(each.level, each.said) for each in looked if each.about == "log-ins"]

        assert await log_ins() == []
        for _ in range(2):
            with pytest.raises(nats.errors.Error):
                await nats.connect(server.url, name="who", allow_reconnect=False, error_cb=_silent)
        async with asyncio.timeout(60):
            while not (told := await log_ins()) or "let 2 in" not in told[0][1]:
                await asyncio.sleep(0.1)
        ((level, said),) = told
        assert level is Level.NOTE
        assert "did not let 2 in within ten minutes" in said
        assert "from 127.0.0.1" in said


async def _silent(_: Exception) -> None:
    """The client's own callback prints a stack trace."""
