"""The end of an edge, as clients see it: each is sent away when its calls are answered, and comes back to another."""

import asyncio
import contextlib
import random
from collections.abc import Mapping
from typing import Final

from confer_edge.session import Session
from confer_edge.transport import Server
from confer_kit.tasks import Tasks

SPREAD_S: Final = 0.005  # for each client: over how long they are sent away
SPREAD_SHARE: Final = 0.25  # of the time there is, for all of them
ANSWERED_SHARE: Final = 0.5  # for calls in flight
FETCHED_SHARE: Final = 0.15  # until a poller waits for more


class Drain:
    """Of these sessions; `tasks` are those of theirs that are waited for too."""

    def __init__(self, server: Server, sessions: Mapping[str, Session], tasks: Tasks) -> None:
        self._server = server
        self._sessions = sessions
        self._tasks = tasks

    async def send_all_away(self, timeout: float) -> None:
        """Take nothing new; end each connection when its calls are answered, so that the client comes back to another
        edge. Spread over a moment, for they all come back at once. Whoever is left after `timeout` seconds is cut."""
        self._server.eio.leaving = True
        spread_s = min(timeout * SPREAD_SHARE, len(self._sessions) * SPREAD_S)
        for session in tuple(self._sessions.values()):
            pause_s = random.uniform(0, spread_s)  # noqa: S311 - jitter
            self._tasks.start(self._send_away(session, pause_s, timeout), "send away")
        await self._tasks.finished(timeout)

    async def _send_away(self, session: Session, pause_s: float, timeout: float) -> None:
        """End the connection, not the Socket.IO session: then the client reconnects by itself.

        The pause is after the answers: a service that was slow answers everybody at once.
        """
        socket = self._server.eio.sockets.get(session.eio_sid)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout * ANSWERED_SHARE):
                await session.lane.idle()
        await asyncio.sleep(pause_s)
        if socket is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout * FETCHED_SHARE):
                    await socket.out.drained()
            await socket.send_away()
