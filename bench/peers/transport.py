"""Confer's transport alone, for what connections cost without the portal's greetings, sessions and NATS:
`python transport.py PORT`."""

import asyncio
import signal
import sys
from collections.abc import Callable
from typing import Any

import socketio
import uvloop

from confer_edge.listening import listening
from confer_edge.settings import EdgeSettings
from confer_edge.transport import Server
from confer_kit import garbage


async def main(port: int) -> None:
    settings = EdgeSettings(port=port)
    server = Server(settings, settings.allowed_origins(port))

    def connect(eio_sid: str, auth: Any) -> tuple[str, str | None, Callable[[], None]]:
        return server.eio.generate_id(), None, lambda: None

    server.on_connect = connect
    server.on_event = lambda *_: None
    server.on_bad_event = lambda *_: None
    server.on_closed = lambda *_: None
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    garbage.settle()
    async with listening(socketio.ASGIApp(server), settings, {"/socket.io/": server.eio.open}):
        await stopped.wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
