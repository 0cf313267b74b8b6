"""A command as a user of NATS who may not do what it must: it says so at once, and waits for nothing."""

from pathlib import Path

import pytest

from confer_kit import nats_users
from confer_kit.testing import nats_server
from confer_kit.testing.nats import with_users
from confer_ops.connection import connected
from confer_ops.trouble import Trouble

FOR_EVER_S = 10_000


async def test_what_is_not_permitted_ends_the_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nats_users.make(tmp_path)
    monkeypatch.setenv("CONFER_NATS_NKEY_SEED_FILE", str(nats_users.seed_file(tmp_path, "sync-svc")))
    async with nats_server(with_users(tmp_path, strict=True)) as server:
        with pytest.raises(Trouble, match=r"does not permit this user .*CONFER_NATS_NKEY_SEED_FILE is the key of"):
            async with connected(server.url) as nc:
                await nc.request("$JS.API.INFO", timeout=FOR_EVER_S)
        async with connected(server.url, "sync-svc", tmp_path) as nc:  # its own user may
            await nc.publish("log.audit.room.r1.snapshot")
            await nc.flush()
