"""Sessions that end by somebody else's word: revoked, kicked. The client is told, and nothing follows."""

import asyncio
from collections.abc import Callable, Iterable

import orjson

from confer_contracts.access import Key
from confer_edge import packets
from confer_edge.access import Access
from confer_edge.rights import Rights
from confer_edge.session import Session
from confer_kit.access import Said
from confer_kit.tasks import Tasks


class Endings:
    """Hears what is said about users and sessions. `end`, which the doorway sets, shows a session out."""

    def __init__(self, access: Access, rights: Rights, sessions: Callable[[], Iterable[Session]]) -> None:
        self.end: Callable[[Session], None]
        self._access = access
        self._rights = rights
        self._sessions = sessions
        self._tasks = Tasks()
        self._users: set[str] = set()
        self._sids: set[str] = set()

    def hear(self, said: Said, at_once: bool) -> None:
        """`at_once`: before the next fact is delivered; else what comes in one go is worked through in one go."""
        if said.key is Key.RIGHTS:
            self._tasks.start(self._rights.changed(said.ident), "rights")
            return
        if not at_once and not self._users and not self._sids:
            asyncio.get_running_loop().call_soon(self._look)
        (self._users if said.who == "user" else self._sids).add(said.ident)
        if at_once:
            self._look()

    def is_over(self, session: Session) -> bool:
        """Whether it must end; then it has ended."""
        ended = self._access.over(session)
        if ended is None:
            return False
        session.send(packets.event("session_ended", orjson.dumps({"reason": ended.reason, "message": ended.message})))
        session.over = ended.reason
        self.end(session)
        return True

    def _look(self) -> None:
        (users, self._users), (sids, self._sids) = (self._users, set()), (self._sids, set())
        for session in tuple(self._sessions()):
            if session.claim.user_id in users or session.sid in sids:
                self.is_over(session)
