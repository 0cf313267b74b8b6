"""What was stored before NATS had users is there for them."""

from pathlib import Path

import nats

from confer_contracts.permissions import PROVISION
from confer_kit import nats_users
from confer_kit.testing import NatsServer
from confer_kit.testing.nats import with_users
from confer_kit.testing.ports import free_port
from confer_ops.connection import connected
from confer_ops.nats_process import take_over
from confer_ops.provision import provision


async def test_streams_of_before_are_the_accounts(tmp_path: Path) -> None:
    before = NatsServer(tmp_path, free_port())
    await before.start()
    nc = await nats.connect(before.url)
    await provision(nc)
    await nc.jetstream().publish("log.sync.room.p1.record", b"kept")
    epoch = (await nc.jetstream().stream_info("LIVE")).config.metadata
    await nc.close()
    await before.kill()

    take_over(tmp_path)
    take_over(tmp_path)
    nats_users.make(tmp_path / "keys")
    server = NatsServer(tmp_path, free_port(), with_users(tmp_path / "keys"))
    await server.start()
    try:
        async with connected(server.url, PROVISION, tmp_path / "keys") as now:
            said: list[str] = []
            await provision(now, say=said.append)
            assert said == []
            assert (await now.jetstream().get_msg("SYNC", 1)).data == b"kept"
            assert (await now.jetstream().stream_info("LIVE")).config.metadata == epoch
    finally:
        await server.kill()
