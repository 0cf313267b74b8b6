"""python-socketio's blocking client, as the portal's scripts use it, behind an asyncio face."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import socketio

from confer_kit.testing.received import WAIT_S, Received


class ScriptClient(Received):
    """`client` is the library's own object; its thread hands every event over to the test's loop."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        loop = asyncio.get_running_loop()
        self.client = socketio.Client(request_timeout=WAIT_S)
        self.client.on("*", lambda event, *args: loop.call_soon_threadsafe(self.put, event, list(args)))

    async def emit(self, event: str, *args: Any) -> None:
        await asyncio.to_thread(self.client.emit, event, *args)

    async def call(self, event: str, *args: Any, timeout: float = WAIT_S) -> Any:
        return await asyncio.to_thread(self.client.call, event, *args, timeout=timeout)

    async def close(self) -> None:
        await asyncio.to_thread(self.client.disconnect)


@asynccontextmanager
async def script_client(
    url: str, transports: Sequence[str] | None = None, auth: Any = None, name: str = "script"
) -> AsyncIterator[ScriptClient]:
    """Connected (by default: polling, then upgraded), and closed at the end."""
    script = ScriptClient(name)
    await asyncio.to_thread(script.client.connect, url, auth=auth, transports=transports and list(transports))
    try:
        yield script
    finally:
        await script.close()
