"""The edge's lease at presence-svc: every few seconds, which sessions it serves (ARCHITECTURE.md)."""

from collections.abc import Callable, Iterable

import orjson

from confer_contracts import presence
from confer_contracts.errors import Rejection
from confer_contracts.presence import EdgeBeat, SessionEntry
from confer_edge.session import Session
from confer_kit import clock
from confer_kit.calls import ask, nobody
from confer_kit.logs import logger
from confer_kit.nats_link import Link

log = logger(__name__)

TIMEOUT_S = 3.0


class Beat:
    """A short digest as long as presence agrees; the whole list, in pages, when it does not."""

    def __init__(self, link: Link, incarnation: str, sessions: Callable[[], Iterable[Session]]) -> None:
        self._link = link
        self._incarnation = incarnation
        self._sessions = sessions

    async def send(self) -> None:
        """Nothing is lost when presence is away: the next beat tells it all."""
        present = ((room, s.sid, a.attach) for s in self._sessions() for room, a in s.attachments.items())
        beat = EdgeBeat(incarnation=self._incarnation, digest=presence.digest(present))
        try:
            answer = orjson.loads(await self._ask(presence.EDGE_BEAT.subject, beat.model_dump_json()))
            if not answer.get("known", True):
                await self._send_all(self._entries())
        except Rejection as refusal:
            log.debug("presence does not hear this edge", reason=refusal.message)

    async def _send_all(self, entries: list[SessionEntry]) -> None:
        for page in presence.session_pages(self._incarnation, entries):
            await self._ask(presence.EDGE_SESSIONS.subject, page.model_dump_json())

    async def _ask(self, subject: str, body: str) -> bytes:
        who = nobody(self._incarnation)
        return await ask(self._link.nc, subject, body.encode(), who, op=clock.new_id(), timeout_s=TIMEOUT_S)

    def _entries(self) -> list[SessionEntry]:
        return [
            SessionEntry(
                user_id=session.claim.user_id,
                name=session.claim.name,
                role=session.claim.role,
                session=session.sid,
                room=room,
                attach=attachment.attach,
                step=attachment.step,
                screening=attachment.screening,
                taken_up=session.taken_up,
            )
            for session in self._sessions()
            for room, attachment in session.attachments.items()
        ]
