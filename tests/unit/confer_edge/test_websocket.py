"""What is written past the transport: in order with what goes through it, and never to somebody else's connection."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
import uvloop

from confer_edge.websocket import WebSocket

Dial = Callable[[], Awaitable[tuple[WebSocket, asyncio.StreamReader, asyncio.StreamWriter]]]
SOCKET_HOLDS, LARGE = 64 * 1024, 2_000_000  # bytes


@asynccontextmanager
async def served() -> AsyncIterator[Dial]:
    """Makes connections: our end, attached, and the peer's."""
    taken: asyncio.Queue[WebSocket] = asyncio.Queue()
    config = SimpleNamespace(loaded_app=None, ws_max_size=1000)

    class Taken(WebSocket):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.attach(lambda opcode, payload: None, lambda: None)
            taken.put_nowait(self)

    made: list[tuple[WebSocket, asyncio.StreamWriter]] = []
    server = await asyncio.get_running_loop().create_server(
        lambda: Taken(config, SimpleNamespace(connections=set()), None), "127.0.0.1", 0
    )
    server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_HOLDS)

    async def dial() -> tuple[WebSocket, asyncio.StreamReader, asyncio.StreamWriter]:
        peer = socket.socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_HOLDS)
        peer.setblocking(False)
        await asyncio.get_running_loop().sock_connect(peer, server.sockets[0].getsockname())
        reader, writer = await asyncio.open_connection(sock=peer)
        link = await taken.get()
        made.append((link, writer))
        return link, reader, writer

    try:
        async with asyncio.timeout(60):
            yield dial
    finally:
        for link, writer in made:
            link.transport.abort()
            writer.transport.abort()
        server.close()
        await server.wait_closed()


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
        descriptor = link._fd
        link.transport.abort()
        link.write(b"not yet gone")
        await reader.read()
        while link._fd >= 0:
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
        lost = asyncio.Event()
        link, _, writer = await dial()
        link.pass_on(lambda opcode, payload: None, lost.set, None)
        link.transport.pause_reading()  # so that only writing can find out
        writer.transport.abort()
        while not lost.is_set():
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
