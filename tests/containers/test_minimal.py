"""The profile `minimal`, from nothing: a crowd works in it while its containers crash, hang, lose the network and
multiply; then every client's story is compared with the log."""

import json
import re
import shlex
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from confer_kit.nats_link import Link, wait_for_nats
from confer_kit.testing.chaos.crowd import Crowd
from confer_kit.testing.client import Client
from confer_kit.testing.containers import Compose, composed, crowd_in
from confer_kit.testing.tokens import SECRET, token

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.docker, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
OURS = ("edge", "presence-svc", "sync-svc", "queue-svc", "notify-svc")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def minimal() -> AsyncIterator[Compose]:
    files = ROOT / "docker-compose.yml", Path(__file__).parent / "published.yml"
    async with composed(ROOT, "minimal", *files) as running:
        yield running


async def test_what_runs_may_little_and_is_seen_from_this_machine_alone(minimal: Compose) -> None:
    for container in await minimal.containers():
        service, host = container.labels["com.docker.compose.service"], container.attrs["HostConfig"]
        assert (host["ReadonlyRootfs"], host["CapDrop"]) == (True, ["ALL"]), service
        published = [at["HostIp"] for each in (host["PortBindings"] or {}).values() for at in each]
        assert set(published) <= {"127.0.0.1"}, service
        if service in OURS:
            assert container.attrs["Config"]["User"] == "65534:65534"
            assert container.attrs["State"]["Health"]["Status"] == "healthy"
    assert (await minimal.container("provision")).attrs["State"]["ExitCode"] == 0


async def test_a_process_has_its_own_key_to_nats_and_nobody_gets_in_without(minimal: Compose) -> None:
    seeds = set()
    for service in OURS:
        found = await minimal.command("exec", "-T", service, "sh", "-c", "ls /keys; cat /keys/seed.nk")
        *files, seed = found.split()
        assert files == ["ca.pem", "seed.nk"]
        seeds.add(seed)
    assert len(seeds) == len(OURS)
    stranger = (await minimal.operator()).model_copy(update={"nats_nkey_seed_file": None, "nats_connect_s": 3})
    with pytest.raises(SystemExit, match="does not know this user"):
        await wait_for_nats(Link(), stranger, "stranger")


async def test_nothing_is_lost_whatever_happens_to_a_container(minimal: Compose) -> None:
    async with crowd_in(minimal, people=4) as people:
        await minimal.crash(await minimal.container("sync-svc"))
        await people.settle()
        async with minimal.paused(await minimal.container("sync-svc")):
            await people.until_calls_hang()
        await people.settle()
        async with minimal.disconnected(await minimal.container("sync-svc")):
            await people.until_calls_hang()
        await people.settle()
        await minimal.kill(await minimal.container("nats"))
        await people.settle()
        await minimal.kill(await minimal.container("edge"))
        await people.settle()
        await _grows_and_shrinks(minimal, people)


async def _grows_and_shrinks(minimal: Compose, people: Crowd) -> None:
    await minimal.up("--no-recreate", "--no-deps", "--scale", "sync-svc=3", "sync-svc")
    first, *others = await minimal.containers("sync-svc")
    assert len(others) == 2
    await people.settle()
    await minimal.remove(first)
    await minimal.remove(others[0])
    await people.settle()


async def test_secrets_are_in_files_and_nowhere_else(minimal: Compose, tmp_path: Path) -> None:
    secret = tmp_path / "jwt_secret"
    secret.write_text(f"{SECRET}\n")
    await minimal.up("--no-deps", "edge", CONFER_IDENTITY="jwt", CONFER_JWT_SECRET_FILE=str(secret))
    edge = await minimal.container("edge")
    assert SECRET not in json.dumps(edge.attrs)
    somebody = Client("nobody")
    try:
        await somebody.connect(minimal.url, token=token("anna"))
        answer = await somebody.call("join_patient_room", patient_id="p1")
        assert [user["user_id"] for user in answer["presence"]["users"]] == ["anna"]
    finally:
        await somebody.close()
    assert SECRET not in edge.logs().decode()


async def test_the_commands_of_the_operators_page_do_well(minimal: Compose, tmp_path: Path) -> None:
    """Install, upgrade, back up and restore: what was written after the backup is gone, the rest is there. A key that
    is made anew is another one."""
    page = (ROOT / "docs" / "operating.md").read_text()
    found = re.findall(r"^```sh docker\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    install, contents, upgrade, backup, restore, new_key = (
        block.replace("./confer-backup", str(tmp_path / "kept")) for block in found
    )

    async def run(block: str) -> None:
        for line in block.splitlines():
            first, second, *words = shlex.split(line)
            assert (first, second) == ("docker", "compose")
            await minimal.command(*words)

    async def write(name: str) -> None:
        ann = await Client("anna").connect(minimal.url)
        await ann.until_ok("field_update", patient_id="B-1", field=name, value=1)
        await ann.close()

    await run(install)
    await run(contents)
    await run(upgrade)
    await write("before")
    await run(backup)
    await minimal.all_healthy()
    await write("after")
    await run(restore)
    ann = await Client("anna").connect(minimal.url)
    joined = await ann.until_ok("join_patient_room", patient_id="B-1")
    await ann.close()
    assert list(joined["sync"]["fields"]) == ["before"]
    cat = "exec", "-T", "sync-svc", "cat", "/keys/seed.nk"
    stolen = await minimal.command(*cat)
    await run(new_key)
    await write("again")
    assert await minimal.command(*cat) != stolen
