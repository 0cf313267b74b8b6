"""Any interleaving of commands in two queues: no ticket is lost, doubled or served twice; twice is once."""

import copy
from dataclasses import replace
from typing import Any

import orjson
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from confer_contracts.errors import Rejection
from queue_svc.codec import QueueCodec, encode, encode_policy
from queue_svc.domain import journey
from queue_svc.domain.commands import (
    AddNote,
    Assign,
    Attend,
    By,
    CallNext,
    Cancel,
    Command,
    Declare,
    Enqueue,
    ExpireClaim,
    Hold,
    HolderLeft,
    Move,
    ReachStep,
    Resume,
    SetPriority,
    StaffLeft,
    Transfer,
    Unassign,
    UseClaim,
)
from queue_svc.domain.decide import answer, decide
from queue_svc.domain.order import Ordering
from queue_svc.domain.policy import Policy
from queue_svc.domain.queue import Decided, Queue
from queue_svc.domain.ticket import ACTIVE, CLAIMED, Action, Change, Priority, Ticket, TicketChanged
from queue_svc.snapshot import packed_queue, unpacked_queue

CLAIM_S = 30.0
KEYS = ("a", "b")
people = st.sampled_from(["ana", "ben"])
patients = st.sampled_from(["p1", "p2", "ผู้ป่วย 3", "a.>"])
priorities = st.sampled_from(["high", "normal", "low"])
keys = st.sampled_from(KEYS)
picks = st.integers(0, 5)
orderings = st.sampled_from([Ordering(), Ordering(ageing_s=CLAIM_S), Ordering(shares=(3, 2, 1))])


class QueueMachine(RuleBasedStateMachine):
    """Runs every command twice, and folds what was decided through the codec, as a service does."""

    def __init__(self) -> None:
        super().__init__()
        self.codec = QueueCodec()
        self.queues = {key: Queue() for key in KEYS}
        self.now = 1_700_000_000.0
        self.told = self.facts = 0
        self.served: list[tuple[str, str]] = []
        self.ended: set[str] = set()
        self.made: set[str] = set()

    @initialize(orders=st.tuples(orderings, orderings), onward=st.booleans(), several=st.integers(1, 2))
    def policies(self, orders: tuple[Ordering, Ordering], onward: bool, several: int) -> None:
        for key, order in zip(KEYS, orders, strict=True):
            policy = Policy(
                version=1, ordering=order, requeue_choice=True, recalls_max=1, tickets_per_patient=several,
                next_queue="b" if onward and key == "a" else None,
            )  # fmt: skip
            self.run(key, Declare(self.by("system"), policy))

    def by(self, user: str) -> By:
        self.told += 1
        return By(user, f"s-{user}", f"op-{self.told}", self.now)

    def run(self, key: str, command: Command) -> TicketChanged | None:
        """Decide, store, and ask for the same again."""
        event = self.decided(key, command)
        if event is None:
            return None
        self.store(key, event)
        first, after = answer(command, self.queues[key]), copy.deepcopy(self.queues[key])
        told = isinstance(event, TicketChanged) and event.change not in (Change.STAFF_LEFT, Change.STEP_REACHED)
        assert not told or (isinstance(event, TicketChanged) and first == event.ticket)
        assert self.decided(key, command) is None
        assert (self.queues[key], answer(command, self.queues[key])) == (after, first)
        return event if isinstance(event, TicketChanged) else None

    def decided(self, key: str, command: Command) -> Decided | None:
        before = copy.deepcopy(self.queues[key])
        try:
            event = decide(command, self.queues[key])
        except Rejection:
            event = None
        assert self.queues[key] == before
        return event

    def store(self, key: str, event: Decided) -> None:
        self.facts += 1
        fact = encode(key, event) if isinstance(event, TicketChanged) else encode_policy(key, event)
        stored = self.codec.decode(fact.stored(self.facts, self.now))
        assert stored == event
        self.queues[key] = self.codec.evolve(self.queues[key], stored)
        if isinstance(event, TicketChanged):
            self.made.add(event.ticket.id)
            if event.ticket.status in ("done", "no_show", "cancelled"):
                self.ended.add(event.ticket.id)

    # --- what clients ask ---------------------------------------------------------------------------------

    @rule(key=keys, user=people, patient=patients, priority=priorities)
    def enqueue(self, key: str, user: str, patient: str, priority: Priority) -> None:
        by = self.by(user)
        self.run(key, Enqueue(by, f"t-{by.op}", patient, priority))

    @rule(key=keys, user=people)
    def call_next(self, key: str, user: str) -> None:
        queue = self.queues[key]
        expected = next(iter(queue.line), None)
        by = self.by(user)
        event = self.run(key, CallNext(by, f"token-{by.op}", CLAIM_S))
        assert (event.ticket.id if event else None) == (expected.ticket if expected else None)

    @rule(
        key=keys,
        user=people,
        pick=picks,
        action=st.sampled_from(["serve", "recall", "renew", "done", "requeue", "no_show"]),
        right=st.booleans(),
        place=st.sampled_from([None, "old", "end"]),
    )
    def use_claim(self, key: str, user: str, pick: int, action: Action, right: bool, place: Any) -> None:
        ticket = self.any_ticket(key, pick)
        token = ticket.claim.token if ticket and ticket.claim and right else "wrong"
        by = self.by(user)
        command = UseClaim(by, action, ticket.id if ticket else "none", token, CLAIM_S, place=place)
        onward = self.queues[key].policy.next_queue
        joins = action == "done" and onward is not None
        event = self.finish(key, onward or "", command) if joins else self.run(key, command)
        assert event is None or right
        if event and event.change is Change.DONE:
            self.served.append((key, event.ticket.id))

    def finish(self, key: str, onward: str, command: UseClaim) -> TicketChanged | None:
        """Done, and in the next queue, at once."""
        event = self.decided(key, command)
        if not isinstance(event, TicketChanged):
            return None
        came = journey.joined(event, command.by, key, self.queues[onward])
        self.store(key, journey.onward(event, onward))
        if came is not None:
            self.store(onward, came)
            self.ended.discard(event.ticket.id)
        assert self.decided(key, command) is None
        return event

    @rule(key=keys, user=people, pick=picks, right=st.booleans())
    def transfer(self, key: str, user: str, pick: int, right: bool) -> None:
        ticket, other = self.any_ticket(key, pick), KEYS[key == "a"]
        token = ticket.claim.token if ticket and ticket.claim and right else None
        command = Transfer(self.by(user), key, other, ticket.id if ticket else "none", token)
        try:
            events = journey.transfer(command, self.queues[key], self.queues[other])
        except Rejection:
            return
        assert events is not None and ticket is not None
        for queue, event in zip((key, other), events, strict=True):
            self.store(queue, event)
        assert journey.transfer(command, self.queues[key], self.queues[other]) is None
        moved = self.queues[other].tickets[ticket.id]
        assert (moved.staff, moved.assigned, moved.notes) == (ticket.staff, ticket.assigned, ticket.notes)
        assert moved.visits[-1].queue == key

    @rule(key=keys, user=people, pick=picks, what=st.integers(0, 5), priority=priorities, right=st.booleans())
    def change(self, key: str, user: str, pick: int, what: int, priority: Priority, right: bool) -> None:
        found, by = self.any_ticket(key, pick), self.by(user)
        ticket = found.id if found else "none"
        token = found.claim.token if found and found.claim and right else None
        commands: list[Command] = [
            Hold(by, ticket, token), Resume(by, ticket), Cancel(by, ticket), SetPriority(by, ticket, priority),
            Assign(by, ticket, user, "nurse") if right else Unassign(by, ticket, user), AddNote(by, ticket, "n", "x"),
        ]  # fmt: skip
        self.run(key, commands[what])

    @rule(key=keys, user=people, pick=picks, position=st.integers(1, 5))
    def move(self, key: str, user: str, pick: int, position: int) -> None:
        ticket, waiting = self.any_ticket(key, pick), len(self.queues[key].line)
        command = Move(self.by(user), ticket.id if ticket else "none", "because", position)
        if event := self.run(key, command):
            assert self.queues[key].line.position(event.ticket.place) in self.fair(key, min(position, waiting))

    @rule(key=keys, user=people, pick=picks, other=picks)
    def move_before(self, key: str, user: str, pick: int, other: int) -> None:
        ticket, follower = self.any_ticket(key, pick), self.any_ticket(key, other)
        line = self.queues[key].line
        waits = ticket and follower and ticket.status == follower.status == "waiting" and ticket != follower
        position = line.without(ticket.place).position(follower.place) if waits and ticket and follower else 0
        command = Move(self.by(user), ticket.id if ticket else "none", "b", before=follower.id if follower else "none")
        if event := self.run(key, command):
            assert self.queues[key].line.position(event.ticket.place) in self.fair(key, position)

    def fair(self, key: str, position: int) -> set[int]:
        """Where a moved ticket may stand: there; with ageing there is no place between two that are equal."""
        return {position, position - 1} if self.queues[key].policy.ordering.ageing_s else {position}

    # --- what happens by itself ---------------------------------------------------------------------------

    @rule(key=keys, user=people, patient=patients, step=st.none() | st.integers(0, 9))
    def attend(self, key: str, user: str, patient: str, step: int | None) -> None:
        by = self.by(user)
        self.run(key, Attend(by, f"t-{by.op}", patient, self.told, step))

    @rule(key=keys, user=people, patient=patients, late=st.integers(0, 4))
    def leave(self, key: str, user: str, patient: str, late: int) -> None:
        self.run(key, StaffLeft(self.by(user), patient, self.told - late))
        held = [t for t in self.queues[key].tickets_of(patient) if t.claim and t.claim.user == user]
        event = self.run(key, HolderLeft(self.by(user), patient, self.now - late))
        assert (event is not None) == any(t.claim and t.claim.since <= self.now - late for t in held)

    @rule(key=keys, user=people, patient=patients, step=st.integers(0, 9), late=st.integers(0, 4))
    def reach_step(self, key: str, user: str, patient: str, step: int, late: int) -> None:
        self.run(key, ReachStep(self.by(user), patient, step, self.told - late))

    @rule(seconds=st.floats(0, 2 * CLAIM_S), present=st.booleans())
    def time_passes(self, seconds: float, present: bool) -> None:
        """Two replicas have a timer for each claim."""
        self.now += seconds
        for key, queue in self.queues.items():
            for ticket in list(queue.tickets.values()):
                if (claim := ticket.claim) and ticket.status in CLAIMED:
                    due, prolong_s = self.now >= claim.until, CLAIM_S if present else None
                    expire = ExpireClaim(self.by("system"), ticket.id, claim.token, claim.until, prolong_s)
                    event = self.run(key, expire)
                    assert (event is not None) == due
                    assert event is None or event.change is (Change.RENEWED if present else Change.RETURNED)
                    assert self.run(key, replace(expire, by=self.by("system"))) is None

    def any_ticket(self, key: str, pick: int) -> Ticket | None:
        tickets = list(self.queues[key].tickets.values())
        return tickets[pick % len(tickets)] if tickets else None

    # --- what holds always --------------------------------------------------------------------------------

    @invariant()
    def every_ticket_is_in_one_queue_or_over(self) -> None:
        there = [ticket for queue in self.queues.values() for ticket in queue.tickets]
        assert len(there) == len(set(there))
        assert set(there) | self.ended == self.made
        assert len(self.served) == len(set(self.served))

    @invariant()
    def everybody_stands_somewhere_and_positions_are_distinct(self) -> None:
        for queue in self.queues.values():
            assert all(ticket.status in ACTIVE for ticket in queue.tickets.values())
            in_order = list(queue.in_order())
            assert sorted(t.id for t in in_order) == sorted(queue.tickets)
            assert [queue.position(t.id) for t in in_order] == list(range(1, len(in_order) + 1))
            assert [queue.line.at(n + 1) for n in range(len(queue.line))] == list(queue.line)
            listed = sorted((patient, one) for patient, ids in queue.of_patient.items() for one in ids)
            assert listed == sorted((t.patient_id, t.id) for t in queue.tickets.values())

    @invariant()
    def order_is_arrival_within_a_priority(self) -> None:
        for queue in self.queues.values():
            for priority in ("high", "normal", "low"):
                waiting = (queue.tickets[place.ticket] for place in queue.line)
                arrivals = [t.arrival for t in waiting if t.priority == priority and t.moved is None]
                assert arrivals == sorted(arrivals)

    @invariant()
    def a_snapshot_is_the_same_queue(self) -> None:
        for queue in self.queues.values():
            read = unpacked_queue(orjson.loads(orjson.dumps(packed_queue(queue.copy()))))
            assert read == queue
            assert list(read.operations.results) == list(queue.operations.results)

    @invariant()
    def a_ticket_has_a_claim_when_it_is_claimed(self) -> None:
        for queue in self.queues.values():
            assert all((t.claim is not None) == (t.status in CLAIMED) for t in queue.tickets.values())


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
