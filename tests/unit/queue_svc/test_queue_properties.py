"""Any interleaving of commands: no ticket is lost, doubled or served twice; order is arrival order; twice is once."""

import copy
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from confer_contracts.errors import Rejection
from queue_svc.codec import QueueCodec, encode
from queue_svc.domain.commands import (
    Attend,
    By,
    CallNext,
    Cancel,
    Command,
    Enqueue,
    ExpireClaim,
    ReachStep,
    StaffLeft,
    UseClaim,
)
from queue_svc.domain.queue import Queue, answer, decide
from queue_svc.domain.ticket import ACTIVE, CLAIMED, Action, Change, Priority, Ticket, TicketChanged

CLAIM_S = 30.0
people = st.sampled_from(["ana", "ben"])
patients = st.sampled_from(["p1", "p2", "ผู้ป่วย 3", "a.>"])


class QueueMachine(RuleBasedStateMachine):
    """Runs every command twice, and folds what was decided through the codec, as a service does."""

    def __init__(self) -> None:
        super().__init__()
        self.codec = QueueCodec()
        self.queue = Queue()
        self.facts = 0
        self.now = 1_700_000_000.0
        self.told = 0
        self.served: list[str] = []
        self.seen: dict[str, Ticket] = {}

    def by(self, user: str) -> By:
        self.told += 1
        return By(user, f"s-{user}", f"op-{self.told}", self.now)

    def run(self, command: Command) -> TicketChanged | None:
        event = self.once(command)
        after, first = copy.deepcopy(self.queue), answer(command, self.queue)
        if event:
            assert first == event.ticket or event.change in (Change.STAFF_LEFT, Change.STEP_REACHED)
            assert self.once(command) is None
            assert (self.queue, answer(command, self.queue)) == (after, first)
        return event

    def once(self, command: Command) -> TicketChanged | None:
        before = copy.deepcopy(self.queue)
        try:
            event = decide(command, self.queue)
        except Rejection:
            event = None
        assert self.queue == before
        if event is None:
            return None
        self.facts += 1
        assert self.codec.decode(encode("q", event).stored(self.facts, self.now)) == event
        self.queue = self.codec.evolve(self.queue, event)
        self.seen[event.ticket.id] = event.ticket
        return event

    @rule(user=people, patient=patients, priority=st.sampled_from(["high", "normal", "low"]))
    def enqueue(self, user: str, patient: str, priority: Priority) -> None:
        by = self.by(user)
        self.run(Enqueue(by, f"t-{by.op}", patient, priority))

    @rule(user=people)
    def call_next(self, user: str) -> None:
        waiting = [t for t in self.queue.tickets.values() if t.status == "waiting"]
        by = self.by(user)
        event = self.run(CallNext(by, f"token-{by.op}", self.now + CLAIM_S))
        assert (event is None) == (not waiting)
        if event:
            rank = {"high": 0, "normal": 1, "low": 2}
            assert event.ticket.id == min(waiting, key=lambda t: (rank[t.priority], t.arrival)).id

    @rule(
        user=people,
        pick=st.integers(0, 5),
        action=st.sampled_from(["serve", "done", "requeue", "no_show"]),
        right=st.booleans(),
    )
    def use_claim(self, user: str, pick: int, action: Action, right: bool) -> None:
        ticket = self.any_ticket(pick)
        token = ticket.claim.token if ticket and ticket.claim and right else "wrong"
        command = UseClaim(self.by(user), action, ticket.id if ticket else "none", token, self.now + CLAIM_S)
        event = self.run(command)
        assert event is None or right
        if event and event.change is Change.DONE:
            self.served.append(event.ticket.id)

    @rule(user=people, pick=st.integers(0, 5))
    def cancel(self, user: str, pick: int) -> None:
        ticket = self.any_ticket(pick)
        self.run(Cancel(self.by(user), ticket.id if ticket else "none"))

    @rule(user=people, patient=patients, step=st.none() | st.integers(0, 9))
    def attend(self, user: str, patient: str, step: int | None) -> None:
        by = self.by(user)
        self.run(Attend(by, f"t-{by.op}", patient, self.told, step))

    @rule(user=people, patient=patients, late=st.integers(0, 4))
    def leave(self, user: str, patient: str, late: int) -> None:
        self.run(StaffLeft(self.by(user), patient, self.told - late))

    @rule(user=people, patient=patients, step=st.integers(0, 9), late=st.integers(0, 4))
    def reach_step(self, user: str, patient: str, step: int, late: int) -> None:
        self.run(ReachStep(self.by(user), patient, step, self.told - late))

    @rule(seconds=st.floats(0, 2 * CLAIM_S))
    def time_passes(self, seconds: float) -> None:
        """Two replicas have a timer for each claim."""
        self.now += seconds
        for ticket in list(self.queue.tickets.values()):
            if (claim := ticket.claim) and ticket.status in CLAIMED:
                due = self.now >= claim.until
                expire = ExpireClaim(self.by("system"), ticket.id, claim.token, claim.until)
                assert (self.run(expire) is not None) == due
                assert self.run(replace(expire, by=self.by("system"))) is None

    def any_ticket(self, pick: int) -> Ticket | None:
        tickets = list(self.queue.tickets.values())
        return tickets[pick % len(tickets)] if tickets else None

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        active = {ticket.id: ticket for ticket in self.seen.values() if ticket.status in ACTIVE}
        assert self.queue.tickets == active
        assert sorted(self.queue.of_patient.items()) == sorted((t.patient_id, t.id) for t in active.values())
        assert len(self.served) == len(set(self.served))

    @invariant()
    def order_is_arrival_within_priority(self) -> None:
        waiting = [t for t in self.queue.tickets.values() if t.status == "waiting"]
        assert self.queue.waiting == sorted(t.place for t in waiting)
        assert [self.queue.position(t.id) for t in self.queue.in_order()] == list(range(1, len(self.queue.tickets) + 1))

    @invariant()
    def a_ticket_has_a_claim_when_it_is_claimed(self) -> None:
        assert all((t.claim is not None) == (t.status in CLAIMED) for t in self.queue.tickets.values())


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
