import subprocess
import sys

from confer_kit.testing.ports import BLOCK, free_port

_PRINT = "from confer_kit.testing.ports import free_port; print(*(free_port() for _ in range(300)))"


def test_nobody_gets_a_port_that_somebody_has() -> None:
    own = [free_port() for _ in range(BLOCK + 1)]
    told = subprocess.run([sys.executable, "-c", _PRINT], stdout=subprocess.PIPE, text=True, check=True).stdout
    others = [int(port) for port in told.split()]
    assert len({*own, *others}) == len(own) + len(others)


def test_ports_that_follow_are_nobody_elses() -> None:
    first = free_port(following=3)
    assert not set(range(first, first + 4)) & {free_port() for _ in range(BLOCK)}
