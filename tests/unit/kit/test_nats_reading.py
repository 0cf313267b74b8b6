"""A connection's bytes reach the parser in order, whatever it has to wait for, and its end is told."""

import asyncio
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest

from confer_kit import nats_reading
from confer_kit.nats_reading import Reading
from confer_kit.tasks import Tasks


class Parser:
    """Takes small letters at once; a capital has to be waited for, and from a digit on everything is `parse`'s."""

    def __init__(self) -> None:
        self.read = b""
        self.gate = asyncio.Event()

    def take(self, data: bytes) -> tuple[Awaitable[None] | None, bytes]:
        for at, byte in enumerate(data):
            if chr(byte).isdigit():
                return None, data[at:]
            self.read += bytes([byte])
            if chr(byte).isupper():
                return self._pass(), data[at + 1 :]
        return None, b""

    async def _pass(self) -> None:
        await self.gate.wait()

    async def parse(self, data: bytes = b"") -> None:
        await self.gate.wait()
        self.read += data


class Rig:
    """A connection whose other end is `writer`."""

    def __init__(self) -> None:
        self.parser = Parser()
        self.writer: asyncio.StreamWriter
        self.running: asyncio.Task[Any]

    async def open(self, stack: AsyncExitStack, early: bytes = b"") -> "Rig":
        accepted: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        server = await asyncio.start_server(lambda *streams: accepted.set_result(streams), "127.0.0.1", 0)
        stack.callback(server.close)
        reader, own = await asyncio.open_connection(*server.sockets[0].getsockname())
        self._peer, self.writer = await accepted  # a stream that nobody keeps ends its connection
        stack.callback(self.writer.close)
        self._own, self.transport = own, cast("asyncio.Transport", own.transport)
        if early:
            self.writer.write(early)
            async with asyncio.timeout(30):
                while len(reader._buffer) < len(early):  # type: ignore[attr-defined]
                    await asyncio.sleep(0.01)
        tasks = Tasks()
        self.reading = Reading(self.parser, reader, self.transport)
        self.running = tasks.start(self.reading.run())
        stack.push_async_callback(tasks.cancel)
        return self

    async def has(self, read: bytes) -> None:
        async with asyncio.timeout(30):
            while self.parser.read != read:
                await asyncio.sleep(0.01)


async def test_what_needs_no_waiting_is_read_at_once() -> None:
    async with AsyncExitStack() as stack:
        rig = await Rig().open(stack)
        rig.writer.write(b"abc")
        await rig.has(b"abc")


async def test_what_was_read_before_comes_first() -> None:
    async with AsyncExitStack() as stack:
        rig = await Rig().open(stack, early=b"ab")
        rig.writer.write(b"cd")
        await rig.has(b"abcd")


async def test_nothing_overtakes_what_is_waited_for() -> None:
    async with AsyncExitStack() as stack:
        rig = await Rig().open(stack)
        rig.writer.write(b"aBc1d")
        await rig.has(b"aB")
        rig.writer.write(b"e2Fg")
        async with asyncio.timeout(30):
            while not rig.reading._waiting.endswith(b"e2Fg"):
                await asyncio.sleep(0.01)
        assert rig.parser.read == b"aB"
        rig.parser.gate.set()
        await rig.has(b"aBc1de2Fg")


async def test_a_connection_that_brings_more_than_is_taken_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_reading, "WAITING_MAX", 1000)
    async with AsyncExitStack() as stack:
        rig = await Rig().open(stack)
        rig.writer.write(b"1" * 100_000)
        async with asyncio.timeout(30):
            while rig.transport.is_reading():
                await asyncio.sleep(0.01)
        assert rig.parser.read == b""
        rig.parser.gate.set()
        await rig.has(b"1" * 100_000)
        assert rig.transport.is_reading()


async def test_the_end_is_told_after_what_came_before_it() -> None:
    async with AsyncExitStack() as stack:
        rig = await Rig().open(stack)
        rig.writer.write(b"1a")
        rig.writer.close()
        rig.parser.gate.set()
        with pytest.raises(EOFError):
            await asyncio.wait_for(rig.running, 30)
        assert rig.parser.read == b"1a"


async def test_a_connection_that_had_ended_before_is_told_too() -> None:
    async with AsyncExitStack() as stack:
        rig = Rig()
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        stack.callback(server.close)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.read() == b""
        transport: Any = writer.transport
        with pytest.raises(EOFError):
            await asyncio.wait_for(Reading(rig.parser, reader, transport).run(), 30)
