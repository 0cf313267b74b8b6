"""The segments of a queue's log: a long one is ended, so that what guards an append never covers many subjects."""

from typing import Final

from confer_contracts.errors import Rejection
from confer_kit import clock
from confer_kit.facts import NewFact
from confer_kit.ledger import Ledger
from confer_kit.logs import logger
from confer_kit.tasks import Tasks
from queue_svc.codec import encode_seal
from queue_svc.domain.queue import Event, Queue, SegmentSealed

log = logger(__name__)

SEAL_S: Final = 10.0


class Segments:
    """Each is ended after `most` facts, beside the calls: docs/adr/0043. Replicas may differ in `most`."""

    def __init__(self, ledger: Ledger[Queue, Event], tasks: Tasks, most: int) -> None:
        self._ledger = ledger
        self._tasks = tasks
        self._most = most
        self._sealing = set[str]()

    def seal_if_long(self, key: str, queue: Queue) -> None:
        """After a command on the queue with this token."""
        if queue.facts >= self._most and key not in self._sealing:
            self._sealing.add(key)
            self._tasks.start(self._seal(key), "end a segment of a queue's log")

    async def _seal(self, key: str) -> None:
        def attempt(queue: Queue) -> NewFact | None:
            if queue.facts < self._most:
                return None
            return encode_seal(key, SegmentSealed(queue.segment, clock.now()))

        try:
            await self._ledger.transact(key, attempt, clock.now() + SEAL_S)
        except Rejection as refusal:
            log.info("a segment goes on", reason=refusal.code)  # the next command tries again
        finally:
            self._sealing.discard(key)
