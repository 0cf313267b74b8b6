"""With the key of an operator, and no other, every command does its work."""

import pytest

from confer_contracts.permissions import OPERATOR
from confer_kit.testing import running_system
from confer_kit.testing.client import Client
from confer_kit.testing.command import confer

COMMANDS = [
    "status --wait 30",
    "tail room:K1 --since 1h --no-follow",
    "activity --record K1",
    "fact SYNC 1",
    "access revoke eve",
    "access list",
    "access restore eve",
    "form list",
    "queue list",
    "notify send --to user:anna hello",
    "notify dead",
]


async def test_every_command_does_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_system() as system:
        monkeypatch.setenv("CONFER_NATS_NKEY_SEED_FILE", str(system.seed(OPERATOR)))
        monkeypatch.setenv("CONFER_NATS_URL", system.nats.url)
        anna = await Client("anna").connect(system.url())
        await anna.until_ok("join_patient_room", patient_id="K1")
        await anna.until_ok("field_update", patient_id="K1", field="a", value=1)
        for command in COMMANDS:
            code, out, err = await confer(*command.split())
            assert (code, err) == (0, ""), (command, out, err)
            if command.startswith(("tail", "activity")):
                assert "field_updated" in out or "a: " in out, out
            if command.startswith("fact"):
                assert "a service wrote it" in out, out
        code, out, _ = await confer("doctor", "--monitoring", system.nats.monitoring, "--edge", system.url())
        assert "streams" in out
        assert "permissions" not in out, out
        await anna.close()
        code, out, err = await confer("drain", "--all")
        assert (code, err) == (0, ""), (out, err)
        assert "gone" in out
