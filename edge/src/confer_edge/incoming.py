"""What one client sends, in the order in which it came."""

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final

import orjson

from confer_edge.engine_socket import Socket
from confer_edge.rate import Verdict
from confer_kit.tasks import Tasks

if TYPE_CHECKING:
    from confer_edge.transport import Server

ACK_DIGITS_MAX: Final = 15
BACKLOG_MAX: Final = 1000  # messages of one client behind one that takes its time


class Incoming:
    """An EVENT of the namespace `/` and its CONNECT are handled here and now; anything else by the library, in a task.
    What comes meanwhile from the same client waits behind it. What is too much is not looked into."""

    def __init__(self, server: "Server", tasks: Tasks) -> None:
        self._server = server
        self._tasks = tasks
        self._backlogs: dict[str, deque[tuple[bytes, bool]]] = {}  # by Engine.IO sid: behind one that takes its time

    def is_busy(self, eio_sid: str) -> bool:
        """Whether a message of this client is being handled, and takes its time."""
        return eio_sid in self._backlogs

    def take(self, socket: Socket, data: bytes, binary: bool) -> None:
        """A message came."""
        verdict = socket.inflow.judge(data, asyncio.get_running_loop().time(), binary=binary)
        if verdict is not Verdict.PASS:
            self._server.eio.on_flood(socket, data, verdict)
            return
        backlog = self._backlogs.get(socket.sid)
        if backlog is not None:
            if len(backlog) < BACKLOG_MAX:
                backlog.append((data, binary))
            else:
                self._server.eio.violation(socket, f"more than {BACKLOG_MAX} messages wait")
        else:
            rest = self._now(socket, data, binary)
            if rest is not None:
                self._backlogs[socket.sid] = deque()
                self._tasks.start(self._slowly(socket, rest), "message")

    async def _slowly(self, socket: Socket, first: Awaitable[None]) -> None:
        backlog = self._backlogs[socket.sid]
        try:
            await first
            while backlog and not socket.closed:
                rest = self._now(socket, *backlog.popleft())
                if rest is not None:
                    await rest
        finally:
            del self._backlogs[socket.sid]

    def _now(self, socket: Socket, data: bytes, binary: bool) -> Awaitable[None] | None:
        """Handled, or what has to be awaited for it."""
        if self._is_event(socket, data, binary):
            return None
        begins = None if binary else self._plain_connect(socket.sid, data)
        if begins is not None:
            return self._server.connect(socket.sid, *begins)
        rest: Awaitable[None] = self._server._handle_eio_message(socket.sid, data if binary else data.decode())
        return rest

    def _plain_connect(self, eio_sid: str, data: bytes) -> tuple[Any] | None:
        """What comes with the CONNECT of the namespace `/`; None: this is something else, or is wrong."""
        if (data != b"0" and not data.startswith(b"0{")) or self._server.awaits_attachments(eio_sid):
            return None
        if self._server.manager.sid_from_eio_sid(eio_sid, "/") is not None:
            return None
        try:
            return (orjson.loads(data[1:]) if len(data) > 1 else None,)
        except ValueError:
            return None

    def _is_event(self, socket: Socket, data: bytes, binary: bool) -> bool:
        """Whether this was a plain event, and is done. Ordinary events differ from the rest in their first bytes."""
        if binary or data[:1] != b"2" or data[1:2] == b"/" or self._server.awaits_attachments(socket.sid):
            return False
        manager = self._server.manager
        sid = manager.sid_from_eio_sid(socket.sid, "/")
        if sid is None or not manager.is_connected(sid, "/"):
            return False
        at = 1
        while data[at : at + 1].isdigit():
            at += 1
        try:
            event = orjson.loads(data[at:])
            identifier = int(data[1:at]) if 1 < at <= ACK_DIGITS_MAX + 1 else None
        except ValueError:
            return False
        if at > ACK_DIGITS_MAX + 1 or not isinstance(event, list) or not event or not isinstance(event[0], str):
            return False
        self._server.on_event(sid, event, identifier)
        return True
