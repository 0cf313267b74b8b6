"""Who sends more than `CONFER_EVENTS_PER_S`: told each time, and cut off when it goes on."""

import asyncio
import contextlib
from collections.abc import Mapping

from confer_contracts.errors import ErrorCode, Rejection
from confer_edge import metrics
from confer_edge.engine_socket import Socket
from confer_edge.rate import PATIENCE_S, Verdict
from confer_edge.respond import Responder
from confer_edge.session import Session
from confer_edge.settings import EdgeSettings
from confer_edge.transport import Server
from confer_edge.unparsed import head_of_event
from confer_kit.logs import logger
from confer_kit.tasks import Tasks

log = logger(__name__)

READ_WITHIN_S, FETCHED_WITHIN_S = 1.0, 10.0  # how long a client may take to read the reason, and one that polls


class Flood:
    """`sessions` by sid."""

    def __init__(self, server: Server, settings: EdgeSettings, sessions: Mapping[str, Session], tasks: Tasks) -> None:
        self._server = server
        self._sessions = sessions
        self._tasks = tasks
        self._limit = f"more than {settings.events_per_s:g} per second and {settings.events_burst} at once"
        server.eio.on_flood = self._received

    def _received(self, socket: Socket, data: bytes, verdict: Verdict) -> None:
        session = self._sessions.get(self._server.manager.sid_from_eio_sid(socket.sid, "/"))
        head = head_of_event(data)
        if verdict is Verdict.CUT:
            metrics.LIMITS.labels("events_for_too_long").inc()
            log.warning("a client is cut off", reason=f"events: {self._limit}, for too long")
            if session is not None:
                self._tell(session, "connect", None, f"events: {self._limit} for {PATIENCE_S:g} s: the connection ends")
            self._tasks.start(self._hang_up(socket), "hang up")
        elif verdict is Verdict.REFUSE:
            metrics.LIMITS.labels("events").inc()
            if session is not None and head is not None:
                self._tell(session, *head, f"events: {self._limit}")

    @staticmethod
    def _tell(session: Session, event: str, identifier: int | None, message: str) -> None:
        Responder(session, event, identifier).refuse(Rejection(ErrorCode.LIMIT_EXCEEDED, message))

    async def _hang_up(self, socket: Socket) -> None:
        """The reason goes first. The client comes back by itself and may take its session up again.

        While there is something to read, closing resets the connection, and the reason would be lost with it.
        """
        if socket.link is not None:
            socket.link.transport.pause_reading()
            await asyncio.sleep(READ_WITHIN_S)
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FETCHED_WITHIN_S):
                    await socket.out.drained()
        self._server.eio.end(socket, self._server.reason.TRANSPORT_ERROR)
