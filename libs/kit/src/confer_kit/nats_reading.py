"""What nats-server sends, handed to the parser as the event loop reads it.

The library reads by way of a StreamReader: each read wakes a task, in a later turn of the loop. Here it is the
connection's protocol that parses; only what is not for a direct subscription, or has to be answered before the next
message is read, waits for the library's task (docs/adr/0025).
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, Protocol

WAITING_MAX: Final = 1024 * 1024  # bytes that may wait for the task until the connection is not read any more


class Parsing(Protocol):
    """`take` hands on what needs no waiting; it answers with what is to be awaited first, if anything, and with what
    is left then. `parse` takes all."""

    def take(self, data: bytes) -> tuple[Awaitable[None] | None, bytes]: ...
    async def parse(self, data: bytes = b"") -> None: ...


class Reading(asyncio.Protocol):
    """Of one connection, in place of `reader` and its protocol, which is still told of all but data: the library's
    writer waits by it."""

    def __init__(self, parser: Parsing, reader: asyncio.StreamReader, transport: asyncio.Transport) -> None:
        self._parser = parser
        self._reader: Any = reader
        self._transport = transport
        self._before: Any = transport.get_protocol()
        self._first: Awaitable[None] | None = None
        self._waiting = bytearray()
        self._busy = False  # the task has something to do, and what comes waits behind it
        self._paused = False
        self._changed = asyncio.Event()
        self._end: Exception | None = None  # how the connection ended

    async def run(self) -> None:
        """Parse from now on, beginning with what `reader` has, until the connection ends: OSError, or EOFError where
        the server has closed it."""
        self._transport.set_protocol(self)
        read = bytes(self._reader._buffer)
        self._reader._buffer.clear()
        self.data_received(read)
        if self._reader._eof or self._transport.is_closing():
            self._ended(EOFError())
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                while self._busy:
                    await self._go_on()
                if self._end is not None:
                    raise self._end
        finally:
            self._busy = True  # what comes now is of a connection that was given up

    async def _go_on(self) -> None:
        """With what waits, in order; `data_received` adds to it meanwhile."""
        first, self._first = self._first, None
        if first is not None:
            await first
        data = bytes(self._waiting)
        self._waiting.clear()
        if data:
            await self._parser.parse(data)
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        self._busy = bool(self._waiting)

    # --- the event loop calls these --------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if not self._busy:
            self._first, data = self._parser.take(data)
            if self._first is None and not data:
                return
            self._busy = True
            self._changed.set()
        self._waiting += data
        if len(self._waiting) > WAITING_MAX and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        self._ended(EOFError())
        return bool(self._before.eof_received())

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(exc or EOFError())
        self._before.connection_lost(exc)

    def pause_writing(self) -> None:
        self._before.pause_writing()

    def resume_writing(self) -> None:
        self._before.resume_writing()

    def _ended(self, end: Exception) -> None:
        self._end = self._end or end
        self._changed.set()
