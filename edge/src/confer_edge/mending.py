"""Sessions that have lost something for good get snapshots when their client has read what is left (ADR 0012)."""

import asyncio

from confer_edge import metrics
from confer_edge.joins import Joins
from confer_edge.losses import LOSSES_MAX, LOSSES_WITHIN_S, Loss, lately
from confer_edge.session import Session
from confer_kit.logs import logger
from confer_kit.tasks import Tasks

log = logger(__name__)


class Mending:
    """Mends each session in its own order of calls; there is an end to the patience with who loses on and on."""

    def __init__(self, joins: Joins) -> None:
        self._joins = joins
        self._tasks = Tasks()

    def lost(self, session: Session, why: Loss) -> None:
        metrics.RESYNCS.labels(why.value).inc()
        if why is not Loss.RESET:
            session.losses = lately(session.losses, asyncio.get_running_loop().time())
        if why is not Loss.RESET and len(session.losses) > LOSSES_MAX:
            metrics.LIMITS.labels("losses").inc()
            session.cut(f"it fell behind more than {LOSSES_MAX} times within {LOSSES_WITHIN_S:.0f} s")
        else:
            log.info("a session will be resynchronised", reason=why.value)
            self._tasks.start(self._mend(session), "mend")

    async def _mend(self, session: Session) -> None:
        if await session.taken():
            session.lane.submit(lambda: self._joins.resync(session), unbounded=True)
