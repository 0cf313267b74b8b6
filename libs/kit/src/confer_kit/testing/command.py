"""The command `confer`, as an operator starts it."""

import asyncio
import sys


async def confer(*arguments: str) -> tuple[int, str, str]:
    """Exit code, what it printed, and what it complained of."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "confer_ops.cli", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
