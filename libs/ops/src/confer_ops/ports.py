"""Ports of 127.0.0.1: is one free, and which one next."""

import errno
import socket
from collections.abc import Set

from confer_ops.trouble import Trouble

HOST = "127.0.0.1"
NATS_PORT, MONITORING_PORT, WATCH_PORT, METRICS_PORT = 4222, 8222, 9100, 9101
TRIES = 200


def is_free(port: int) -> bool:
    """Whether a server could listen there now; a port that needs more rights than ours counts as taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def next_free(first: int, *, but_not: Set[int] = frozenset()) -> int:
    """The first free port from `first` upwards."""
    for port in range(first, min(first + TRIES, 65536)):
        if port not in but_not and is_free(port):
            return port
    raise Trouble(f"No free port between {first} and {first + TRIES} on {HOST}.")


def must_be_free(port: int, option: str) -> None:
    if not is_free(port):
        raise Trouble(
            f"Port {port} on {HOST} is already in use: stop what listens there, or choose another with {option}."
        )
