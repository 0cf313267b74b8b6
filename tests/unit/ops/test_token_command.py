"""`confer token`: what it makes, the edges believe; a secret that they would refuse, it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from confer_edge.settings import EdgeSettings
from confer_edge.tokens import provider
from confer_kit import clock
from confer_ops.child import environment

SECRET = "a secret of thirty-two bytes or more"
CONFER = [sys.executable, "-m", "confer_ops.cli", "token"]


def token(*arguments: str, secret: str = SECRET) -> subprocess.CompletedProcess[str]:
    variables = environment({"CONFER_JWT_SECRET": secret})
    return subprocess.run([*CONFER, *arguments], capture_output=True, text=True, check=False, env=variables)


async def test_an_edge_believes_it() -> None:
    edge = provider(EdgeSettings(identity="jwt", jwt_secret=SECRET, jwt_issuer="us", jwt_audience="a,b"))
    done = token(
        "--user", "anna", "--name", "มาลี", "--role", "nurse", "--rooms", "screening_*", "--rooms", "x",
        "--ttl", "60", "--issuer", "us", "--audience", "b",
    )  # fmt: skip
    claim = await edge.verify(done.stdout.strip())
    assert (claim.user_id, claim.name, claim.role, claim.rooms) == ("anna", "มาลี", "nurse", ("screening_*", "x"))
    assert claim.expires_at is not None
    assert 0 < claim.expires_at - clock.now() <= 60


async def test_json_and_a_secret_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    done = token("--user", "u1", "--json", "--secret-file", str(tmp_path / "secret"), secret="")
    told = json.loads(done.stdout)
    assert set(told) == {"token", "user", "expires_at"}
    claim = await provider(EdgeSettings(identity="jwt", jwt_secret=SECRET)).verify(told["token"])
    assert (claim.user_id, claim.role, claim.rooms) == ("u1", "user", None)


@pytest.mark.parametrize(
    ("arguments", "secret", "said"),
    [
        ("--user u", "", "CONFER_JWT_SECRET is empty: a token is signed with the secret of the edges."),
        ("--user u", "short", "CONFER_JWT_SECRET has 5 bytes; edges need 32 or more"),
        ("--user u --secret-file /no/such", SECRET, "--secret-file: /no/such cannot be read (No such file"),
        ("--user u --ttl 0", SECRET, "--ttl: Input should be greater than or equal to 1"),
        (f"--user {'u' * 129}", SECRET, "--user: must have 1 to 128 bytes of UTF-8, has 129."),
        ("", SECRET, "--user: must be given; `./run token --help` lists the options"),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments: str, secret: str, said: str) -> None:
    done = token(*arguments.split(), secret=secret)
    assert done.returncode in (1, 2)
    assert done.stderr.startswith(f"confer: {said}"), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
