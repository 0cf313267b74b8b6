"""Our transport and nothing else, with the echo that the official protocol test suites expect:

    python tests/conformance/app.py [port [ping interval [ping timeout]]]      # 3000, 0.3 and 0.2 s

Engine.IO alone answers at /engine.io/, Socket.IO with the namespaces `/` and `/custom` at /socket.io/. No NATS.
"""

import asyncio
import signal
import sys
from collections.abc import Callable
from typing import Any

import engineio
import socketio
from engineio.packet import MESSAGE, Packet
from starlette.types import ASGIApp, Receive, Scope, Send

from confer_edge.arrivals import Arrivals
from confer_edge.bodies import bounded_bodies
from confer_edge.census import Census
from confer_edge.engine import Engine
from confer_edge.engine_socket import Socket
from confer_edge.http_protocol import Open
from confer_edge.listening import listening
from confer_edge.packets import Outgoing
from confer_edge.settings import EdgeSettings
from confer_edge.transport import Server

CUSTOM = "/custom"
APART_S = 0.01  # the Socket.IO suite misses a second frame that comes in the same TCP segment as one it waits for


def engine_io(settings: EdgeSettings) -> Engine:
    """Every message comes back."""
    engine = Engine(
        async_mode="asgi",
        ping_interval=settings.ping_interval_s,
        ping_timeout=settings.ping_timeout_s,
        max_http_buffer_size=settings.payload_bytes_max,
        monitor_clients=False,
    )
    engine.queued_max = settings.queued_packets_max
    engine.unsent_max = settings.unsent_bytes_max
    engine.addresses = Census(settings.connections_per_address_max, settings.connections_max)
    engine.arrivals = Arrivals(
        settings.connects_per_address_per_s, settings.connects_per_address_burst, settings.connections_max
    )
    engine.upgrade_s = settings.upgrade_s

    def echo(socket: Socket, data: bytes, binary: bool) -> None:
        socket.write(Outgoing.of(Packet(MESSAGE, data if binary else data.decode())))

    engine.on_message = echo
    return engine


class Echo:
    """`auth` tells what came with CONNECT; `message` comes back as `message-back`, `message-with-ack` as its ack."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._replies: asyncio.Queue[Callable[[], Any]] = asyncio.Queue()
        server.on_connect = self._connect
        server.on_event = self._event
        server.on_closed = lambda *_: None
        server.on("connect", self._connect_custom, namespace=CUSTOM)
        server.on("message", self._message_custom, namespace=CUSTOM)

    async def run(self) -> None:
        """Replies leave in the order of the events, each a moment after what was sent before."""
        while True:
            reply = await self._replies.get()
            await asyncio.sleep(APART_S)
            await reply()

    async def _connect(self, eio_sid: str, auth: Any) -> tuple[str, str | None, Callable[[], None]]:
        sid = self._server.eio.generate_id()
        return sid, None, lambda: self._later(lambda: self._server.emit("auth", auth or {}, to=sid))

    def _event(self, sid: str, event: list[Any], identifier: int | None) -> None:
        name, *arguments = event
        if name == "message":
            self._later(lambda: self._server.emit("message-back", tuple(arguments), to=sid))
        elif name == "message-with-ack" and identifier is not None:
            self._later(lambda: self._ack(sid, identifier, arguments))

    async def _ack(self, sid: str, identifier: int, arguments: list[Any]) -> None:
        eio_sid = self._server.manager.eio_sid_from_sid(sid, "/")
        packet = self._server.packet_class(socketio.packet.ACK, data=arguments, id=identifier)
        await self._server._send_packet(eio_sid, packet)

    async def _connect_custom(self, sid: str, environ: dict[str, Any], auth: Any) -> None:
        self._later(lambda: self._server.emit("auth", auth or {}, to=sid, namespace=CUSTOM))

    async def _message_custom(self, sid: str, *arguments: Any) -> None:
        await self._server.emit("message-back", arguments, to=sid, namespace=CUSTOM)

    def _later(self, reply: Callable[[], Any]) -> None:
        self._replies.put_nowait(reply)


def application(settings: EdgeSettings) -> tuple[ASGIApp, dict[str, Open], Echo]:
    server = Server(settings, [])
    engine = engine_io(settings)
    one = engineio.ASGIApp(engine, engineio_path="engine.io")
    both = socketio.ASGIApp(server)

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        await (one if scope["path"].startswith("/engine.io") else both)(scope, receive, send)

    opens = {"/engine.io/": engine.open, "/socket.io/": server.eio.open}
    return bounded_bodies(route, settings.payload_bytes_max), opens, Echo(server)


async def main(port: int = 3000, ping_interval_s: float = 0.3, ping_timeout_s: float = 0.2) -> None:
    settings = EdgeSettings(port=port, ping_interval_s=ping_interval_s, ping_timeout_s=ping_timeout_s)
    served, opens, echo = application(settings)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with listening(served, settings, opens) as at, asyncio.TaskGroup() as group:
        print(f"listening on {at}", flush=True)
        replies = group.create_task(echo.run())
        await stopped.wait()
        replies.cancel()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:2]), *map(float, sys.argv[2:4])))
