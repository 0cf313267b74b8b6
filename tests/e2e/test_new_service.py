"""docs/new-service.md, step by step: a service from the template answers through an edge that nobody has changed, while
the other services run on as they were."""

import re
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from confer_kit.tasks import Tasks
from confer_kit.testing import System, running_system
from confer_kit.testing.client import Client
from confer_kit.testing.command import confer, printed

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "new-service.md"
LEFT_OUT = {".git", ".venv", ".confer", "node_modules", "dist", "__pycache__", ".mypy_cache", ".hypothesis"}
BLOCK = re.compile(r"^( *)```sh\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
STEP_S = 400
SAMPLE: dict[str, Any] = {"patient_id": "N 1"}


def blocks(chapter: str) -> list[str]:
    """The commands of a chapter, by block."""
    text = GUIDE.read_text().partition(f"\n## {chapter}\n")[2].partition("\n## ")[0]
    return [found[2].strip() for found in BLOCK.finditer(text)]


class Copy:
    """A checkout of one's own, with what is installed in this one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        shutil.copytree(ROOT, path, ignore=lambda _, names: LEFT_OUT.intersection(names), dirs_exist_ok=True)
        (path / ".venv").symlink_to(sys.prefix)

    @property
    def python_path(self) -> str:
        return ":".join(str(path) for path in [*self.path.glob("libs/*/src"), *self.path.glob("*/src")])

    async def does(self, commands: str, **variables: str) -> str:
        """What a block prints; it must do well."""
        path = self.python_path
        return await printed("sh", "-ec", commands, within_s=STEP_S, cwd=self.path, PYTHONPATH=path, **variables)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def copy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Copy]:
    made = Copy(tmp_path_factory.mktemp("checkout"))
    (begin,) = blocks("1. Begin")
    said = await made.does(begin)
    assert "made tally-svc/src/tally_svc/app.py" in said
    assert "changed libs/contracts/src/confer_contracts/catalogue.py" in said
    yield made


async def test_it_passes_lint_types_and_its_own_tests(copy: Copy) -> None:
    (check,) = blocks("3. Check")
    said = await copy.does(check)
    assert "Success: no issues found" in said
    await copy.does(".venv/bin/ruff check . && .venv/bin/ruff format --check .")


async def test_a_name_that_is_taken_changes_nothing(copy: Copy) -> None:
    before = (copy.path / "pyproject.toml").read_text()
    for name, said in (
        ("tally", "cannot be the name"),
        ("queue", "cannot be the name"),
        ("Up", "cannot be the"),
    ):
        out = await copy.does(f".venv/bin/confer new-service {name} 2>&1 || true")
        assert said in out
    assert (copy.path / "pyproject.toml").read_text() == before


async def test_it_answers_through_an_edge_that_nobody_has_changed(copy: Copy) -> None:
    users, provision, run, drain, status = blocks("4. Deploy")
    async with running_system() as system:
        others = {name: process.process for name, process in system.processes.items() if name != "edge"}
        ann = await Client("anna", reconnects=True).connect(system.url())
        assert (await ann.call("tally_add", **SAMPLE))["code"] == "invalid"  # no such event
        nats = {"CONFER_NATS_URL": system.nats.url}
        assert "made keys of tally-svc" in await copy.does(users.replace(".confer/keys", str(system.keys)))
        await system.permit((copy.path / "deploy/nats/accounts.conf").read_text())
        assert "made stream TALLY" in await copy.does(provision, **nats)
        assert run == ".venv/bin/python -m tally_svc"
        await system.add_service("tally-svc", PYTHONPATH=copy.python_path)
        tasks = Tasks()
        tasks.start(started_again(system, copy), "supervisor")
        await copy.does(drain, **nats)
        await ann.until(lambda: ann.connections >= 2, within=120)
        await ann.until_ok("join_patient_room", **SAMPLE)
        assert (await ann.until_ok("tally_add", **SAMPLE, amount=2, op="op-1"))["total"] == 2
        assert (await ann.until_ok("tally_add", **SAMPLE, amount=2, op="op-1"))["total"] == 2
        assert (await ann.until_ok("tally_add", **SAMPLE, amount=3))["total"] == 5
        await ann.until(lambda: [got.json["total"] for got in ann.of("tally_changed")] == [2, 5])
        await ann.until(lambda: ann.of("tally_total") and ann.of("tally_total")[-1].json == {"total": 5})
        refused = await ann.call("tally_add", **SAMPLE, amount=-6)
        assert (refused["code"], refused["field"]) == ("conflict", "amount")
        await ann.until_ok("field_update", **SAMPLE, field="a", value=1)
        assert "tally-svc" in await copy.does(f"{status} --wait 30", **nats)
        assert all(process is not None and process.returncode is None for process in others.values())
        code, out, _ = await confer("tail", "room:N 1", "--since", "1h", "--no-follow", "--nats-url", system.nats.url)
        assert code == 0
        assert "tally_changed" in out
        await ann.close()
        await tasks.cancel()


async def started_again(system: System, copy: Copy) -> None:
    """What runs the edge starts it again when it has ended: with the contracts of the copy."""
    edge = system.processes["edge"]
    assert edge.process is not None
    await edge.process.wait()
    await system.add_edge("edge", CONFER_PORT=str(system.ports["edge"]), PYTHONPATH=copy.python_path)
