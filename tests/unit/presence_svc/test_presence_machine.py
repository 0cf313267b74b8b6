"""People, leases and locks together, through any interleaving of clients, edges that die, late words and time:
presence becomes the live connections (invariant 5), the room hears of each person in turns, a lock has one holder."""

from collections import Counter
from dataclasses import dataclass

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from confer_contracts.errors import Rejection
from presence_svc.domain import decide as people
from presence_svc.domain import lease as leases
from presence_svc.domain import lock as locks
from presence_svc.domain.commands import Attach, Command, Detach, Edit, EndMarks, Expire, Focus, GoAway, LoseEdge
from presence_svc.domain.lease import Beat, Lease, Lose
from presence_svc.domain.lock import Acquire, HolderLeft, Lock, Release, Use
from presence_svc.domain.person import Notice, Person

LEASE_S, AWAY_S, EDITING_S, GRACE_S = 20.0, 120.0, 120.0, 15.0
USERS = ("ana", "ben", "eve")
FIELDS = ("va", "iop")
edges, users, fields = st.integers(0, 1), st.sampled_from(USERS), st.sampled_from(FIELDS)


@dataclass(frozen=True)
class Tab:
    """A live connection of a person, and the edge that serves it."""

    user: str
    session: str
    edge: str
    attach: int


class Presence(RuleBasedStateMachine):
    tabs = Bundle("tabs")
    late = Bundle("late")  # detaches that an edge still has to tell

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_700_000_000.0
        self.count = 0
        self.attaches: Counter[str] = Counter()  # each edge counts for itself
        self.people = {user: Person(user_id=user) for user in USERS}
        self.leases: dict[str, Lease] = {}
        self.heard: dict[str, list[Notice]] = {user: [] for user in USERS}
        self.edges = ["edge-a", "edge-b"]
        self.live: dict[str, Tab] = {}
        self.lock = Lock()
        for edge in self.edges:
            self._beat(edge)

    # --- clients --------------------------------------------------------------------------------------

    @rule(target=tabs, user=users, edge=edges)
    def open(self, user: str, edge: int) -> str:
        session = self._id("tab")
        self._attach(user, session, self.edges[edge])
        return session

    @rule(session=consumes(tabs), grace_s=st.sampled_from([0.0, 2.0]))
    def close(self, session: str, grace_s: float) -> None:
        if tab := self.live.pop(session, None):
            self._detach(tab, grace_s)

    @rule(target=late, session=tabs, edge=edges)
    def move(self, session: str, edge: int) -> Tab | object:
        """It is back through an edge before the one that served it has noticed."""
        before = self.live.get(session)
        if before is None:
            return multiple()
        self._attach(before.user, session, self.edges[edge])
        return before

    @rule(tab=consumes(late))
    def notice(self, tab: Tab) -> None:
        self._detach(tab, GRACE_S)

    @rule(session=tabs, field=st.none() | fields)
    def focus(self, session: str, field: str | None) -> None:
        if tab := self.live.get(session):
            command = Focus(name=field, session=session, op=self._id("op"), now=self.now)
            self._run(tab.user, command)
            chosen = self.people[tab.user].marks.get(session)
            assert (chosen and chosen.field) == field

    @rule(session=tabs, field=fields)
    def edit(self, session: str, field: str) -> None:
        if tab := self.live.get(session):
            self._run(tab.user, Edit(session=session, at=self.now, fields=frozenset({field})))

    # --- edges and time -------------------------------------------------------------------------------

    @rule(edge=edges)
    def kill(self, edge: int) -> None:
        dead, self.edges[edge] = self.edges[edge], self._id("edge")
        self.live = {session: tab for session, tab in self.live.items() if tab.edge != dead}
        self._beat(self.edges[edge])

    @rule(seconds=st.sampled_from([0.5, 3.0, 10.0, 15.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        for edge in self.edges:
            self._beat(edge)
        self._pass()

    @rule()
    def settle(self) -> None:
        """After a lease and a grace period presence is the live connections."""
        for _ in range(4):
            self.wait(15.0)
        for user, person in self.people.items():
            assert set(person.sessions) == {tab.session for tab in self.live.values() if tab.user == user}
            assert person.present == bool(person.sessions)
        assert self.lock.holder is None or self.people[self.lock.holder].present

    # --- locks ----------------------------------------------------------------------------------------

    @rule(user=users, over=st.booleans())
    def acquire(self, user: str, over: bool) -> None:
        held, token = self.lock.held(self.now), self.lock.token
        command = Acquire(
            user=user, op=self._id("op"), now=self.now, lasts_s=30.0, seen=self.lock.token if over else None
        )
        refused = self._run_lock(command)
        assert refused == (held and self.lock.holder != user and not over)
        if not refused:
            assert self.lock.held(self.now)
            assert self.lock.holder == user
        assert self.lock.token - token in (0, 1)

    @rule(user=users)
    def release(self, user: str) -> None:
        mine = self.lock.holder == user
        self._run_lock(Release(user=user, op=self._id("op"), now=self.now))
        assert not mine or not self.lock.held(self.now)

    @rule(user=users)
    def use(self, user: str) -> None:
        before = self.lock
        self._run_lock(Use(user=user, now=self.now))
        assert (self.lock.holder, self.lock.token) == (before.holder, before.token)

    # --- what always holds ----------------------------------------------------------------------------

    @invariant()
    def the_room_hears_in_turns(self) -> None:
        for user, told in self.heard.items():
            assert told == [Notice.JOINED, Notice.LEFT] * (len(told) // 2) + [Notice.JOINED] * (len(told) % 2)
            assert self.people[user].present == (len(told) % 2 == 1)

    @invariant()
    def whoever_is_connected_is_there(self) -> None:
        for tab in self.live.values():
            assert self.people[tab.user].sessions[tab.session].attach == tab.attach

    @invariant()
    def marks_are_of_sessions(self) -> None:
        for person in self.people.values():
            assert not person.sessions or person.marks.keys() <= person.sessions.keys()

    # --- how it is done -------------------------------------------------------------------------------

    def _attach(self, user: str, session: str, edge: str) -> None:
        self.attaches[edge] += 1
        tab = self.live[session] = Tab(user, session, edge, self.attaches[edge])
        command = Attach(
            session=tab.session, incarnation=tab.edge, attach=tab.attach, name=tab.user, role="nurse", now=self.now
        )
        self._run(tab.user, command)
        self._run(tab.user, command)  # it is told twice

    def _detach(self, tab: Tab, grace_s: float) -> None:
        detach = Detach(session=tab.session, incarnation=tab.edge, attach=tab.attach, now=self.now, grace_s=grace_s)
        self._run(tab.user, detach)

    def _beat(self, edge: str) -> None:
        lease = self.leases.get(edge, Lease())
        self.leases[edge] = leases.decide(Beat(now=self.now, every_s=LEASE_S / 4), lease) or lease

    def _pass(self) -> None:
        """What replicas do as time passes; twice, as there are two."""
        for _ in range(2):
            for edge, lease in self.leases.items():
                if self.now - lease.beat_at > LEASE_S:
                    self.leases[edge] = leases.decide(Lose(silent_since=lease.beat_at, now=self.now), lease) or lease
                    for user in USERS:
                        self._run(user, LoseEdge(incarnation=edge, now=self.now))
            for user, person in self.people.items():
                if person.grace_until is not None:
                    self._run(user, Expire(grace_until=person.grace_until, now=self.now))
                if self.now - person.last_activity >= AWAY_S:
                    self._run(user, GoAway(last_activity=person.last_activity))
                self._run(user, EndMarks(silent_since=self.now - EDITING_S))
            lock = self.lock
            self._run_lock(locks.Expire(token=lock.token, expires_at=lock.expires_at, now=self.now))
            if self.lock.holder is not None and not self.people[self.lock.holder].present:
                self._run_lock(HolderLeft(token=self.lock.token, now=self.now))

    def _run(self, user: str, command: Command) -> None:
        event = people.decide(command, self.people[user])
        if event is not None:
            self.people[user] = event.person
            if event.notice in (Notice.JOINED, Notice.LEFT):
                self.heard[user].append(event.notice)

    def _run_lock(self, command: locks.Command) -> bool:
        """Whether it was refused."""
        try:
            event = locks.decide(command, self.lock)
        except Rejection:
            return True
        if event is not None:
            self.lock = event.lock
        return False

    def _id(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"


TestPresence = Presence.TestCase
TestPresence.settings = settings(max_examples=60, stateful_step_count=40)
