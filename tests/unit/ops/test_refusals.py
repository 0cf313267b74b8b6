"""What cannot work is refused in one sentence, before anything is started, made or deleted."""

import subprocess
import sys
from pathlib import Path

import pytest

CONFER = [sys.executable, "-m", "confer_ops.cli"]


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        ("--port 4300 --nats-port 4300", {}, "--port and --nats-port are both 4300"),
        ("--identity jwt", {}, "--identity jwt needs CONFER_JWT_SECRET, 32 bytes or more"),
        ("--identity jwt", {"CONFER_JWT_SECRET": "s" * 31}, "--identity jwt needs CONFER_JWT_SECRET"),
        ("--prot 1", {}, "No such option: --prot (Possible options: --port); `./run --help`"),
        ("", {"CONFER_PORT": "x"}, "--port or CONFER_PORT or SOCKETIO_PORT: "),
    ],
)
def test_it_is_one_sentence(arguments: str, variables: dict[str, str], said: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    done = subprocess.run(
        [*CONFER, "up", "--data", data, *arguments.split()],
        env=variables, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode in (1, 2)
    assert done.stderr.startswith(f"confer: {said}")
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
    assert not data.exists()
