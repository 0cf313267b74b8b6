"""Ports for servers of tests, several of which may run side by side."""

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

BLOCK: Final = 256
FIRST, END = 10_000, 32_768  # below those that a kernel gives to connections, one of which could be there first
_held: list[int] = []  # open files, for as long as this process lives: whoever has one locked has its block
_ports: Iterator[int] = iter(())


def free_port(following: int = 0) -> int:
    """A port where nobody listens, nor on the `following` ones after it. Nobody else gets it from here, and never
    again: who has it may take its time, and may leave and come back."""
    while True:
        ports = [_next() for _ in range(following + 1)]
        if ports[-1] == ports[0] + following and all(map(_is_free, ports)):
            return ports[0]


def _next() -> int:
    global _ports  # noqa: PLW0603 - of the process
    while (port := next(_ports, None)) is None:
        _ports = iter(_block())
    return port


def _block() -> range:
    folder = Path(tempfile.gettempdir()) / f"confer-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    starts = range(FIRST, END, BLOCK)
    for start in random.SystemRandom().sample(starts, len(starts)):
        file = os.open(folder / str(start), os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
        else:
            _held.append(file)
            return range(start, min(start + BLOCK, END))
    raise RuntimeError(f"{folder}: every block of ports is taken")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
