"""Where a process cannot listen, it says which setting to change."""

import socket

import pytest

from confer_kit.bind_error import advice


def refused(host: str, port: int) -> OSError:
    with socket.socket() as tried, pytest.raises(OSError, match=r".") as told:
        tried.bind((host, port))
    return told.value


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        error = refused("127.0.0.1", taken.getsockname()[1])
    assert "another program uses the port" in advice(error, "HOST", "PORT")


def test_an_address_that_is_not_here() -> None:
    assert advice(refused("192.0.2.1", 0), "HOST", "PORT") == "this machine has no such address: put HOST right"


def test_whatever_else() -> None:
    assert "see HOST and PORT" in advice(refused("no such host.invalid", 0), "HOST", "PORT")
    assert "set PORT to one from 1024 on" in advice(PermissionError(13, "denied"), "HOST", "PORT")
