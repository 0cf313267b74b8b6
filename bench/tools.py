"""What the bench is built from: the C programs and the JavaScript server."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from confer_ops import node
from confer_ops.checkout import fingerprint, root
from confer_ops.trouble import Trouble

HERE = Path(__file__).parent
_FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra")


@dataclass(frozen=True)
class Tools:
    load: Path  # the load generator
    floor: Path
    node: Path | None


def ready(*, with_node: bool) -> Tools:
    """Everything compiled and installed; Trouble that says what to install where something is missing."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    tools = node.find(root()) if with_node else None
    missing = []
    if compiler is None:
        missing.append("a C compiler (on Debian and Ubuntu: apt-get install gcc libc6-dev)")
    if with_node and tools is None:
        missing.append(f"Node {node.WANTED} with npm (`./run test --all` installs one for this checkout)")
    if missing or compiler is None:
        raise Trouble(f"The bench needs {' and '.join(missing)}.")
    if tools is not None:
        node.npm_ci(tools, HERE / "node")
    return Tools(
        load=_compiled(compiler, "load", sorted((HERE / "load").glob("*.c"))),
        floor=_compiled(compiler, "floor", [HERE / "peers" / "floor.c"]),
        node=tools and tools / "node",
    )


def _compiled(compiler: str, name: str, sources: list[Path]) -> Path:
    """The program, below `.confer/`; compiled once per state of its sources."""
    program = root() / ".confer" / "bench" / f"{name}-{fingerprint([s.parent for s in sources[:1]])[:12]}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        command = [compiler, *_FLAGS, "-o", str(program), *map(str, sources)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
        if done.returncode:
            raise Trouble(f"{name} does not compile:\n{done.stderr}")
    return program
