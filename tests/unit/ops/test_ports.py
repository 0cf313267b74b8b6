import socket

import pytest

from confer_ops.ports import HOST, is_free, must_be_free, next_free
from confer_ops.trouble import Trouble


@pytest.fixture
def busy() -> object:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_busy_port_is_not_free(busy: int) -> None:
    assert not is_free(busy)
    with pytest.raises(Trouble, match=f"{busy}.*--port"):
        must_be_free(busy, "--port")


def test_the_next_free_one_is_taken(busy: int) -> None:
    assert next_free(busy) > busy
    found = next_free(busy)
    assert next_free(busy, but_not={found}) > found
