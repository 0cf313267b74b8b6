"""Commands as an operator starts them: `confer`, and any other."""

import asyncio
import os
import sys
from pathlib import Path


async def confer(*arguments: str) -> tuple[int, str, str]:
    """Exit code, what it printed, and what it complained of."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "confer_ops.cli", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def printed(*command: str, within_s: float, cwd: Path, **variables: str) -> str:
    """What a command prints that does well, in our environment and with these variables."""
    code, output = await ran(*command, within_s=within_s, cwd=cwd, **variables)
    assert code == 0, f"{' '.join(command)}\n{output[-4000:]}"
    return output


async def ran(*command: str, within_s: float, cwd: Path, **variables: str) -> tuple[int, str]:
    """Exit code, and all that was printed."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env={**os.environ, **variables},  # noqa: TID251 - children inherit it
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(within_s):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()
