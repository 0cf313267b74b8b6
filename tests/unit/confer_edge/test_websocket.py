"""What is written past the transport: in order with what goes through it, and never to somebody else's connection."""

import asyncio
import os
import socket

import pytest
import uvloop

from .sockets import Receiving, served

LARGE = 2_000_000  # bytes


async def order_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    direct: list[int] = []
    write = os.write

    def counted(fd: int, data: bytes) -> int:
        direct.append(fd)
        return write(fd, data)

    monkeypatch.setattr(os, "write", counted)
    async with served() as dial:
        link, reader, _ = await dial()
        for _ in range(2):
            direct.clear()
            packets = [b"first", b"%d" % 7 * LARGE, b"between", b"%d" % 8 * LARGE, b"last"]
            for packet in packets:
                link.write(packet)
            assert len(direct) == 2  # what came after the first that did not fit went the transport's way
            assert link.paused
            assert await reader.readexactly(sum(map(len, packets))) == b"".join(packets)
            while link.transport.get_write_buffer_size():
                await asyncio.sleep(0.01)


async def a_closed_connection_is_left_alone() -> None:
    async with served() as dial:
        link, reader, _ = await dial()
        descriptor = link.fd
        link.transport.abort()
        link.write(b"not yet gone")
        await reader.read()
        while link.fd >= 0:
            await asyncio.sleep(0.01)
        pairs = [socket.socketpair() for _ in range(10)]
        ends = [end for pair in pairs for end in pair]
        assert descriptor in [end.fileno() for end in ends]
        link.write(b"not yours")
        for end in ends:
            end.setblocking(False)
            with pytest.raises(BlockingIOError):
                end.recv(100)
        for end in ends:
            end.close()


async def nothing_overtakes_a_close_frame() -> None:
    async with served() as dial:
        link, reader, _ = await dial()
        link.write(b"before")
        link.close(1000)
        link.write(b"after")
        assert await reader.read() == b"before\x88\x02\x03\xe8"


async def a_peer_that_is_gone_is_noticed() -> None:
    async with served() as dial:
        link, _, writer = await dial()
        receiving = Receiving()
        link.pass_on(receiving)
        link.transport.pause_reading()  # so that only writing can find out
        writer.transport.abort()
        while not receiving.lost.is_set():
            link.write(b"anybody there?")
            await asyncio.sleep(0.01)


def test_what_the_socket_does_not_take_is_the_transport_s_and_all_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    uvloop.run(order_is_kept(monkeypatch))


def test_a_descriptor_that_is_another_connection_s_now_is_not_written_to() -> None:
    uvloop.run(a_closed_connection_is_left_alone())


def test_after_a_close_frame_nothing_is_written_past_it() -> None:
    uvloop.run(nothing_overtakes_a_close_frame())


def test_a_broken_connection_ends() -> None:
    uvloop.run(a_peer_that_is_gone_is_noticed())
