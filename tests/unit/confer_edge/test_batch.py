"""Writing to many sockets at once does what writing to each of them does."""

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from confer_edge import batch
from confer_edge.batch import Batch, opened

PAIRS = 40


@contextmanager
def pairs(count: int) -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    made = [socket.socketpair() for _ in range(count)]
    for ours, theirs in made:
        ours.setblocking(False)
        theirs.setblocking(False)
    try:
        yield made
    finally:
        for one in (one for pair in made for one in pair):
            one.close()


def a_batch() -> Batch:
    made = opened()
    assert made is not None, "this kernel has io_submit"
    return made


def received(theirs: socket.socket) -> bytes:
    read = b""
    try:
        while more := theirs.recv(1 << 20):
            read += more
    except BlockingIOError:
        pass
    return read


def test_each_socket_gets_its_own() -> None:
    with pairs(PAIRS) as made:
        data = [b"to %d" % at for at in range(PAIRS)]
        assert a_batch().write([ours.fileno() for ours, _ in made], data) is None
        assert [received(theirs) for _, theirs in made] == data


@pytest.mark.parametrize("seed", range(5))
def test_it_tells_how_much_each_socket_took(seed: int) -> None:
    chance = random.Random(seed)
    many = a_batch()
    with pairs(PAIRS) as made:
        whole = [b""] * PAIRS
        gone = {at for at in range(PAIRS) if chance.random() < 0.2}
        for at in gone:
            made[at][1].close()
        for _ in range(12):
            data = [chance.randbytes(chance.choice([1, 300, 70_000])) for _ in made]
            took = many.write([ours.fileno() for ours, _ in made], data) or [len(one) for one in data]
            assert all(took[at] == 0 for at in gone)
            whole = [before + one[:sent] for before, one, sent in zip(whole, data, took, strict=True)]
        for at in set(range(PAIRS)) - gone:
            assert received(made[at][1]) == whole[at]
        assert any(len(one) < 12 * 70_000 for one in whole)


def test_a_descriptor_that_is_none_costs_only_its_own_and_those_behind_it_are_not_written_to() -> None:
    with pairs(3) as made:
        numbers = [ours.fileno() for ours, _ in made]
        took = a_batch().write([numbers[0], 1_000_000, numbers[2]], [b"one"] * 3)
        assert took == [3, 0, 0]
        assert [received(theirs) for _, theirs in made] == [b"one", b"", b""]


def test_where_the_kernel_gives_none_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "_CALLS", dict.fromkeys(batch._CALLS, (99_999,) * 4))
    assert opened() is None


def test_a_kernel_that_says_what_is_not_so_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Batch, "write", lambda *_: None)
    assert opened() is None
