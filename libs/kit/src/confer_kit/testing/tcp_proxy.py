"""A TCP proxy for tests of broken networks: cut, half open, slow."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from confer_kit.tasks import Tasks

_CHUNK = 64 * 1024


class TcpProxy:
    """Passes bytes on to `target` on the loopback, until it is told otherwise; `mend` makes it whole again."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._delay_s = 0.0
        self._refuses = False
        self._passes = asyncio.Event()
        self._passes.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks = Tasks()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Of what speaks HTTP behind it."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """All connections are reset, and new ones are."""
        self._refuses = True
        self.reset()

    def reset(self) -> None:
        """All connections are reset; new ones are welcome."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    def black_hole(self) -> None:
        """Nothing passes and nobody is told: what is sent waits, and comes when this is mended."""
        self._passes.clear()

    def delay(self, seconds: float) -> None:
        """Each chunk comes so much later."""
        self._delay_s = seconds

    def mend(self) -> None:
        self._refuses, self._delay_s = False, 0.0
        self._passes.set()

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.reset()
        await self._tasks.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        self._writers.add(writer)
        self._tasks.start(self._connect(reader, writer))

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._passes.wait()
            there, thither = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            self._forget(writer)
            return
        self._writers.add(thither)
        self._tasks.start(self._pump(there, writer))
        await self._pump(reader, thither)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._passes.wait()
                await asyncio.sleep(self._delay_s)
                writer.write(data)
                await writer.drain()
        self._forget(writer)

    def _forget(self, writer: asyncio.StreamWriter) -> None:
        """One direction has ended: the other end hears so, after what was still to be sent."""
        self._writers.discard(writer)
        writer.close()


@asynccontextmanager
async def tcp_proxy(target: int) -> AsyncIterator[TcpProxy]:
    proxy = TcpProxy(target)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
