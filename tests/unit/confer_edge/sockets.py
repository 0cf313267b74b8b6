"""WebSockets on real connections, without a server behind them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace

from confer_edge.websocket import WebSocket

Dial = Callable[[], Awaitable[tuple[WebSocket, asyncio.StreamReader, asyncio.StreamWriter]]]
SOCKET_HOLDS = 64 * 1024  # bytes


class Receiving:
    """Whoever has a connection, and what it hears of it."""

    def __init__(self, on_writable: Callable[[], None] = lambda: None) -> None:
        self.lost = asyncio.Event()
        self.link_writable = on_writable

    def receive_frame(self, opcode: int, payload: bytes) -> None: ...

    def link_lost(self) -> None:
        self.lost.set()


@asynccontextmanager
async def served() -> AsyncIterator[Dial]:
    """Makes connections: our end, attached, and the peer's."""
    taken: asyncio.Queue[WebSocket] = asyncio.Queue()
    config = SimpleNamespace(loaded_app=None, ws_max_size=1000)

    class Taken(WebSocket):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.attach(Receiving())
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
