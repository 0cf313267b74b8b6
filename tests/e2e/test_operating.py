"""docs/operating.md: every command in it is run, and says what the page shows; each fault that it tells of is made."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import nats
import pytest
import pytest_asyncio

from confer_kit.tasks import Tasks
from confer_kit.testing import System, running_system
from confer_kit.testing.client import Client
from confer_kit.testing.command import printed, ran
from confer_kit.testing.nats import NatsCluster
from confer_kit.testing.up import running
from confer_ops.connection import connected
from confer_ops.processes import EDGE, Process, complaints, found

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "operating.md").read_text()
RULES = ROOT / "deploy" / "prometheus" / "confer.rules.yml"
BLOCK = re.compile(r"^```(.*?)\n(.*?)^```", re.DOTALL | re.MULTILINE)
WITHIN_S = 240
FORGED = b'{"patient_id": "P-13", "field": "a", "value": "forged", "version": 9, "user_id": "mallory", "op": "x"}'


def chapter(title: str) -> str:
    """Of either level, up to the next one of the same."""
    (level, text) = next(
        (level, rest) for level in ("\n## ", "\n### ") if (rest := GUIDE.partition(f"{level}{title}\n")[2])
    )
    return text.partition(level)[0]


def blocks(title: str, kind: str = "sh") -> list[str]:
    return [found[2] for found in BLOCK.finditer(chapter(title)) if found[1] == kind]


def symptoms() -> list[str]:
    return re.findall(r"^### (.*)$", GUIDE, re.MULTILINE)


class Shell:
    """Where an operator sits: `confer` is on the path, and NATS in the environment."""

    def __init__(self, system: System, folder: Path) -> None:
        self._folder = folder
        self._url = system.nats.url
        self.variables = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "CONFER_NATS_URL": system.nats.url,
            "CONFER_EDGE_URL": system.url(),
            "CONFER_NATS_MONITORING": system.nats.monitoring,
            "CONFER_JWT_SECRET": "a secret of thirty-two bytes or more",
            "CONFER_METRICS_PORT": "0",
        }

    async def runs(self, commands: str) -> tuple[int, str]:
        code, out = await ran("sh", "-c", commands, within_s=WITHIN_S, cwd=self._folder, **self.variables)
        assert "Traceback" not in out, out
        return code, out

    async def sees(self, condition: Callable[[list[Process]], object]) -> list[Process]:
        async with asyncio.timeout(WITHIN_S), connected(self._url, "test") as nc:
            while not condition(shown := await found(nc, wait_s=20)):
                pass
        return shown


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system(True) as running:
        yield running


@pytest.fixture(scope="module")
def shell(system: System, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    folder = tmp_path_factory.mktemp("operator")
    (folder / ".env").write_text("CONFER_DRAIN_S=soon\nCONFER_LEAVE_GRACE=5\n")
    return Shell(system, folder)


@asynccontextmanager
async def edges_start_again(system: System) -> AsyncIterator[None]:
    """As with containers, or with `./run`."""
    tasks = Tasks()

    async def supervise() -> None:
        while True:
            process = system.processes["edge"].process
            assert process is not None
            await process.wait()
            await system.processes["edge"].start()

    tasks.start(supervise(), "supervisor")
    try:
        yield
    finally:
        await tasks.cancel()
        await system.healthy()


@pytest.mark.parametrize("title", ["Install", "Observe", "Upgrade one part"])
async def test_the_commands_of_a_chapter_do_well(system: System, shell: Shell, title: str) -> None:
    await shell.sees(lambda shown: not complaints(shown))
    async with edges_start_again(system):
        *all_but_last, last = [line for block in blocks(title) for line in block.splitlines()]
        for command in (*all_but_last, last):
            if command == "confer status":
                await shell.sees(lambda shown: not complaints(shown))
            code, out = await shell.runs(command)
            assert code == 0, f"{command}\n{out}"


@asynccontextmanager
async def no_sync_svc(system: System, shell: Shell) -> AsyncIterator[None]:
    await system.processes["sync-svc"].kill()
    yield
    await system.restart("sync-svc")


@asynccontextmanager
async def one_nats_server_less(system: System, shell: Shell) -> AsyncIterator[None]:
    assert isinstance(system.nats, NatsCluster)
    victim = system.nats.nodes[2]
    await victim.kill()
    async with asyncio.timeout(WITHIN_S):  # until there are leaders again, and they have noticed
        while (
            "the server n2 has no current copy of ACCESS, ACTIVITY, AUDIT, EDGE, LIVE"
            not in (await shell.runs("confer doctor --wait 0.5"))[1]
        ):
            pass
    yield
    await victim.start()


@asynccontextmanager
async def no_feed(system: System, shell: Shell) -> AsyncIterator[None]:
    nc = await nats.connect(system.nats.url.split(","))
    await nc.jetstream(timeout=10).delete_consumer("SYNC", "live")
    await nc.close()
    yield


@asynccontextmanager
async def forged(system: System, shell: Shell) -> AsyncIterator[None]:
    """By somebody whom NATS lets write what services write."""
    nc = await nats.connect(system.nats.url.split(","))
    headers = {"Confer-Event": "field_updated", "Confer-Actor": "mallory"}
    stored = await nc.jetstream(timeout=10).publish("log.sync.room.P-13.record", FORGED, headers=headers)
    await nc.close()
    shell.variables["SEQ"] = str(stored.seq)
    yield
    ann = await Client("anna").connect(system.url())  # its room goes on
    await ann.until_ok("field_update", patient_id="P-13", field="a", value="mine")
    await ann.close()


@asynccontextmanager
async def an_edge_to_go(system: System, shell: Shell) -> AsyncIterator[None]:
    (edge,) = [p for p in await shell.sees(lambda shown: not complaints(shown)) if p.name == EDGE]
    shell.variables["EDGE"] = edge.id
    async with edges_start_again(system):
        yield


@asynccontextmanager
async def nothing(system: System, shell: Shell) -> AsyncIterator[None]:
    yield


FAULTS: dict[str, Callable[[System, Shell], AbstractAsyncContextManager[None]]] = {
    "A service does not answer": no_sync_svc,
    "A process does not start": nothing,  # the commands themselves do that
    "A NATS server is away": one_nats_server_less,
    "Nothing new reaches the pages": no_feed,
    "A fact that nobody made": forged,
    "An edge is slow, or its host must go": an_edge_to_go,
    "Somebody must not come in any more": nothing,
}


@pytest.mark.parametrize("title", FAULTS)
async def test_a_symptom_leads_to_its_cause(system: System, shell: Shell, title: str) -> None:
    (commands,), (shown,) = blocks(title), blocks(title, "text")
    async with FAULTS[title](system, shell):
        wanted = shown.splitlines()
        async with asyncio.timeout(WITHIN_S):  # a fact, or the loss of a copy, takes its time to be seen
            _, out = await shell.runs(commands)
            while title != "Nothing new reaches the pages" and [line for line in wanted if line not in out]:
                _, out = await shell.runs(commands)
    assert [line for line in wanted if line not in out] == [], out


async def test_after_all_that_everything_is_well(system: System, shell: Shell) -> None:
    async with asyncio.timeout(WITHIN_S):
        while (await shell.runs("confer doctor --wait 20"))[0]:
            pass
    ann = await Client("anna").connect(system.url())
    await ann.until_ok("join_patient_room", patient_id="P-1")
    await ann.until_ok("field_update", patient_id="P-1", field="a", value=1)
    await ann.until(lambda: ann.of("field_updated"))
    await ann.close()


async def test_a_backup_gives_everything_back(tmp_path: Path) -> None:
    (backup,), (restore,) = blocks("Back up and restore", "sh backup"), blocks("Back up and restore", "sh restore")
    data = tmp_path / "data"
    async with running(f"--data={data}") as first:
        await first.up()
        ann = await Client("anna").connect(f"http://127.0.0.1:{first.port}")
        await ann.until_ok("field_update", patient_id="B-1", field="note", value="kept")
        await ann.close()
        await first.interrupted()
    for command in (backup, restore):
        await printed("sh", "-ec", command, within_s=WITHIN_S, cwd=tmp_path, DATA=str(data))
    async with running(f"--data={data}") as second:
        await second.up()
        ann = await Client("anna").connect(f"http://127.0.0.1:{second.port}")
        joined = await ann.until_ok("join_patient_room", patient_id="B-1")
        assert joined["sync"]["fields"]["note"]["value"] == "kept"
        await ann.close()
        await second.interrupted()


async def test_the_page_and_this_test_know_the_same_symptoms_and_alerts() -> None:
    assert symptoms() == list(FAULTS)
    alerts = set(re.findall(r"alert: (\w+)", RULES.read_text()))
    assert set(re.findall(r"\bConfer[A-Z]\w+", GUIDE)) <= alerts
    kinds = {found[1] for found in BLOCK.finditer(GUIDE)}
    assert kinds == {"sh", "sh docker", "sh backup", "sh restore", "text"}
    for link in re.findall(r"\]\((?!http)([^)#]+)", GUIDE):
        assert (ROOT / "docs" / link).exists(), link
