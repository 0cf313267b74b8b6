"""docs/portal.md is true: its program prints what it says, and its TypeScript compiles with docs/confer.d.ts."""

import asyncio
import re
from pathlib import Path

import pytest

from confer_kit.testing.demo_portal import Office
from confer_ops import node
from confer_ops.checkout import root

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]

GUIDE = root() / "docs" / "portal.md"
TYPES = root() / "docs" / "confer.d.ts"
MODULES = root() / "demo" / "node_modules"
CHECKED = [
    "--ignoreConfig", "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--lib", "es2023,dom",
    "--module", "esnext", "--moduleResolution", "bundler",
]  # fmt: skip
PRINTED = re.compile(r"^.*(?:console\.log|await wrong)\(.*\); // (.*)$", re.MULTILINE)
DEADLINE_S = 180


def blocks(language: str) -> str:
    return "".join(re.findall(rf"^```{language}\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE))


async def run(*command: str | Path) -> tuple[int, str, str]:
    """Node, with a script and what it is given: status, stdout, stderr."""
    tools = node.find_or_install(root())
    process = await asyncio.create_subprocess_exec(
        tools / "node", *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        out, err = await process.communicate()
    return await process.wait(), out.decode(), err.decode()


async def compile_strictly(source: Path) -> str:
    """What TypeScript has against it."""
    _, out, err = await run(MODULES / "typescript" / "bin" / "tsc", *CHECKED, source)
    return out + err


async def test_the_guides_program_prints_what_the_guide_says(office: Office, tmp_path: Path) -> None:
    program = blocks("js")
    there, patient = "http://127.0.0.1:9014", "timeout(5000)"
    assert there in program
    assert patient in program
    script = tmp_path / "guide.mjs"
    script.write_text(program.replace(there, office.system.url()).replace(patient, "timeout(60_000)"))
    (tmp_path / "node_modules").symlink_to(MODULES)
    _, printed, errors = await run(script)
    assert printed.splitlines() == PRINTED.findall(program), errors
    assert not errors


async def test_the_guides_typescript_compiles(pages: Path, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(MODULES)
    (tmp_path / TYPES.name).write_text(TYPES.read_text())
    source = tmp_path / "guide.ts"
    source.write_text(blocks("ts"))
    assert await compile_strictly(source) == ""
    source.write_text(blocks("ts").replace("ticket_called", "ticket_caled").replace('queue: "eyes"', "queue: 5"))
    told = await compile_strictly(source)
    assert "'\"ticket_caled\"' is not assignable" in told
    assert "'number' is not assignable to type 'string'" in told
