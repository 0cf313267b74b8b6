"""Commands, run on the log: of one queue, or of two whose facts are stored together."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.ids import token, untoken
from confer_kit.facts import NewFact
from confer_kit.ledger import DecideAll, Ledger
from queue_svc.codec import encode, encode_policy
from queue_svc.domain import journey
from queue_svc.domain.commands import By, Command, Declare, Transfer, UseClaim
from queue_svc.domain.decide import answer, decide
from queue_svc.domain.policy import Policy, PolicyDeclared
from queue_svc.domain.queue import Decided, Event, Queue
from queue_svc.domain.ticket import Place, Ticket, TicketChanged
from queue_svc.segments import Segments


class Standing(NamedTuple):
    """A place among those who wait; `ahead`: how many of high, normal and low priority go before it."""

    position: int
    waiting: int
    ahead: tuple[int, ...]
    rule: str


class Outcome(NamedTuple):
    """The ticket that a command changed or found, if any, in which queue, and its place there afterwards.

    `after`: the ticket in the next queue of its journey, if it is there.
    """

    key: str
    ticket: Ticket | None
    position: int | None = None
    standing: Standing | None = None
    after: "Outcome | None" = None
    event: Decided | None = None


class Tickets:
    """`segments`: told of each queue that may have changed. `declared_only`: queues without a policy are refused."""

    def __init__(self, ledger: Ledger[Queue, Event], segments: Segments, *, declared_only: bool = False) -> None:
        self._ledger = ledger
        self._segments = segments
        self._declared_only = declared_only

    async def run(self, key: str, command: Command, deadline: float) -> Outcome:
        """Run a command on the queue with this token. Rejection as of `decide` and `Ledger.transact`."""
        found: Ticket | None = None
        event: Decided | None = None

        def attempt(queue: Queue) -> NewFact | None:
            nonlocal found, event
            if not isinstance(command, Declare):
                self.must_be_declared(queue)
            event = decide(command, queue)
            found = event.ticket if isinstance(event, TicketChanged) else answer(command, queue)
            return _fact(key, event, command.by, queue)

        queue = (await self._ledger.transact(key, attempt, deadline)).state
        self._segments.seal_if_long(key, queue)
        return _outcome(key, found, queue)._replace(event=event)

    async def done(self, key: str, command: UseClaim, deadline: float) -> Outcome:
        """Finish a ticket, which joins the next queue of the journey in the same moment."""
        onward = (await self.policy(key)).next_queue
        if onward is None:
            return await self.run(key, command, deadline)
        by, other = command.by, token(onward)
        found: Ticket | None = None

        def attempt(queues: Sequence[Queue]) -> Sequence[NewFact | None]:
            nonlocal found
            here, there = queues
            if here.policy.next_queue != onward:
                raise Rejection(ErrorCode.UNAVAILABLE, "the policy of this queue changed: send it again")
            event = decide(command, here)
            found = event.ticket if isinstance(event, TicketChanged) else answer(command, here)
            came = journey.joined(event, by, untoken(key), there) if isinstance(event, TicketChanged) else None
            if came is not None and isinstance(event, TicketChanged):
                event = journey.onward(event, onward)
            return _fact(key, event, by, here), _fact(other, came, by, there)

        here, there = await self._both([key, other], attempt, deadline)
        after = _outcome(other, there.operations.find(by.user, by.op), there)
        return _outcome(key, found, here)._replace(after=after if after.ticket else None)

    async def transfer(self, command: Transfer, deadline: float) -> Outcome:
        """The ticket in the other queue. Rejection as of `journey.transfer`."""
        source, target, by = token(command.source), token(command.target), command.by

        def attempt(queues: Sequence[Queue]) -> Sequence[NewFact | None]:
            for queue in queues:
                self.must_be_declared(queue)
            events = journey.transfer(command, *queues) or (None, None)
            facts = zip((source, target), events, queues, strict=True)
            return [_fact(key, event, by, queue) for key, event, queue in facts]

        _, there = await self._both([source, target], attempt, deadline)
        return _outcome(target, there.operations.find(by.user, by.op), there)

    async def latest(self, key: str) -> int:
        """The sequence of the queue's latest fact. Rejection(unavailable) when the log does not tell."""
        return (await self._ledger.latest(key)).seq

    async def find(self, key: str, of: Callable[[Queue], Ticket | None]) -> Outcome:
        """A ticket of the queue as it is known here, and where it stands."""
        queue = (await self._ledger.load(key)).state
        return _outcome(key, of(queue), queue)

    async def policy(self, key: str) -> Policy:
        """Of the queue with this token, as it is known here."""
        return (await self._ledger.load(key)).state.policy

    async def _both(self, keys: list[str], attempt: DecideAll[Queue], deadline: float) -> list[Queue]:
        queues = [folded.state for folded in await self._ledger.transact_all(keys, attempt, deadline)]
        for key, queue in zip(keys, queues, strict=True):
            self._segments.seal_if_long(key, queue)
        return queues

    def must_be_declared(self, queue: Queue) -> None:
        """Rejection(not_found) where there are declared queues only, and this is none."""
        if self._declared_only and not queue.policy.version:
            raise Rejection(ErrorCode.NOT_FOUND, "queue: no queue of this name is declared", field="queue")


def _fact(key: str, event: Decided | None, by: By, queue: Queue) -> NewFact | None:
    if event is None:
        return None
    if isinstance(event, PolicyDeclared):
        return encode_policy(key, event, queue.segment)
    return encode(key, event, by.session or None, queue.tickets.get(event.ticket.id), queue.segment)


def _outcome(key: str, ticket: Ticket | None, queue: Queue) -> Outcome:
    current = queue.tickets.get(ticket.id) if ticket else None
    position = queue.position(current.id) if current else None
    waits = current is not None and current.status == "waiting"
    return Outcome(key, ticket, position, _standing(current.place, queue) if waits and current else None)


def _standing(place: Place, queue: Queue) -> Standing:
    ahead = queue.line.ahead(place)
    return Standing(sum(ahead) + 1, len(queue.line), ahead, queue.line.ordering.rule)
