"""`confer access`: what cannot work is one sentence."""

import subprocess
import sys

import pytest

CONFER = [sys.executable, "-m", "confer_ops.cli", "access"]
NOBODY = "--nats-url nats://127.0.0.1:1"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("kick", "Name a user, or a session by --session, and not both."),
        ("kick anna --session s1", "Name a user, or a session by --session, and not both."),
        ("revoke", "user: must be given; `./run access revoke --help` lists the options"),
        ("revoke anna --why x", "No such option: --why; `./run access revoke --help` lists the options"),
        (f"revoke anna {NOBODY}", "No NATS server answers at 127.0.0.1:1 ("),
        (f"list {NOBODY}", "No NATS server answers at 127.0.0.1:1 ("),
    ],
)
def test_it_is_one_sentence(arguments: str, said: str) -> None:
    done = subprocess.run([*CONFER, *arguments.split()], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode in (1, 2)
    assert done.stderr.startswith(f"confer: {said}")
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
