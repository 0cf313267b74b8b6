"""Whatever is sent, retried, marked, followed, expired and restarted: every note is in every addressee's inbox exactly
once, with the state and the counts of a model that keeps plain sets."""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from confer_contracts.notify import InboxQuery
from confer_contracts.subjects import FactSubject
from confer_kit.facts import NewFact, StoredFact
from notify_svc.codec import AUDIENCES, NOTE
from notify_svc.domain import audience as audience_domain
from notify_svc.domain import person as person_domain
from notify_svc.domain.audience import Audience, Content, Send, receipt_of
from notify_svc.domain.person import Follow, Mark, Person, Prefer, See, State
from notify_svc.domain.preferences import Preferences
from notify_svc.inboxes import Entry, Inboxes
from notify_svc.pages import Reader, counts, entries, page
from notify_svc.person_codec import PERSONS

START = 1_800_000_000.0
ROLES = {"ana": "nurse", "bob": "doctor"}  # few of everything, so that the same comes again
TOPICS = ["topic.board"]
TARGETS = ["user.ana", "role.nurse", "all.all", *TOPICS]
DEDUPE_S = 30.0
users = st.sampled_from(sorted(ROLES))
ops = st.sampled_from("abcd")


class Replica:
    """What a process of notify-svc makes of the log."""

    def __init__(self) -> None:
        self.audiences: dict[str, Audience] = {}
        self.persons: dict[str, Person] = {}
        self.inboxes = Inboxes(1000, 1000)

    def apply(self, fact: StoredFact) -> None:
        name = f"{fact.subject.kind}.{fact.subject.ident}"
        if fact.subject.key == NOTE:
            sent = AUDIENCES.decode(fact)
            assert sent is not None
            self.audiences[name] = AUDIENCES.evolve(self.audiences.get(name, Audience()), sent)
            self.inboxes.add(Entry(fact.seq, name, sent))
        else:
            event = PERSONS.decode(fact)
            assert event is not None
            user = fact.subject.ident
            self.persons[user] = PERSONS.evolve(self.persons.get(user, Person()), event)

    def person(self, user: str) -> Person:
        return self.persons.get(user, Person())

    def reader(self, user: str) -> Reader:
        return Reader(user, ROLES[user], self.person(user))


@dataclass
class Note:
    position: int
    id: str
    audience: str
    type: str
    group: str | None
    expires_at: float | None


@dataclass
class Somebody:
    """The model of a person: plain sets of positions."""

    known_since: int | None = None
    follows: dict[str, int] = field(default_factory=dict)
    marks: dict[str, set[int]] = field(default_factory=lambda: {"seen": set(), "read": set(), "archived": set()})
    mute: frozenset[str] = frozenset()


class Notifications(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.log: list[StoredFact] = []
        self.replica = Replica()
        self.notes: list[Note] = []
        self.people = {user: Somebody() for user in ROLES}
        self.sent: dict[tuple[str, str, str], str] = {}  # sender, op, audience -> id
        self.keys: dict[tuple[str, str, str], tuple[float, str]] = {}

    # --- what happens -----------------------------------------------------------------------------------

    @rule(
        sender=users, op=ops, to=st.sampled_from(TARGETS), type_=st.sampled_from(["info", "error"]),
        group=st.none() | st.sampled_from("gh"), lives=st.none() | st.sampled_from([5.0, 50.0]),
        key=st.none() | st.just("x"),
    )  # fmt: skip
    def send(
        self, sender: str, op: str, to: str, type_: str, group: str | None, lives: float | None, key: str | None
    ) -> None:
        """New, or the same operation again."""
        expires_at = None if lives is None else self.now + lives
        content = Content(type=type_, title="t", message="", group=group, expires_at=expires_at)
        command = Send(
            sender=sender, op=op, now=self.now, id=f"n{len(self.log) + 1}", content=content, dedupe=key,
            dedupe_s=DEDUPE_S,
        )  # fmt: skip
        event = audience_domain.decide(command, self.replica.audiences.get(to, Audience()))
        told, at_key = self.sent.get((sender, op, to)), self.keys.get((sender, key or "", to))
        if told is None and at_key is not None and self.now < at_key[0] + DEDUPE_S:
            told = at_key[1]
        assert (event is None) == (told is not None)
        if event is not None:
            self._append(AUDIENCES.encode(to, event))
            told = command.id
            self.sent[sender, op, to] = told
            self.notes.append(Note(len(self.log), told, to, type_, group, expires_at))
            if key is not None:
                self.keys[sender, key, to] = (self.now, told)
        receipt = receipt_of(command, self.replica.audiences[to])
        assert receipt is not None
        assert receipt.id == told

    @rule(user=users)
    def come(self, user: str) -> None:
        if self._do(user, See(role=ROLES[user], now=self.now)):
            self.people[user].known_since = len(self.log)

    @rule(user=users, audience=st.sampled_from(TOPICS), on=st.booleans())
    def follow(self, user: str, audience: str, on: bool) -> None:
        self.come(user)
        if self._do(user, Follow(user=user, op=self._op(), now=self.now, audience=audience, on=on)):
            self.people[user].follows.pop(audience, None)
            if on:
                self.people[user].follows[audience] = len(self.log)

    @rule(user=users, mute=st.frozensets(st.sampled_from(["info", "error"])))
    def prefer(self, user: str, mute: frozenset[str]) -> None:
        self.come(user)
        self._do(user, Prefer(user=user, op=self._op(), now=self.now, preferences=Preferences(mute=mute)))
        self.people[user].mute = mute

    @rule(user=users, state=st.sampled_from(["seen", "read", "archived"]), which=st.integers(0, 9), undo=st.booleans())
    def mark_one(self, user: str, state: State, which: int, undo: bool) -> None:
        """Only what was put away can be taken back."""
        undo = undo and state == "archived"
        if inbox := self._inbox(user):
            note = inbox[which % len(inbox)]
            self._mark(user, state, ids=(note.id,), undo=undo)
            marks = self.people[user].marks[state]
            (marks.discard if undo else marks.add)(note.position)

    @rule(user=users, state=st.sampled_from(["seen", "read", "archived"]), which=st.integers(0, 9))
    def mark_up_to(self, user: str, state: State, which: int) -> None:
        if inbox := self._inbox(user):
            note = inbox[which % len(inbox)]
            self._mark(user, state, up_to=note.id)
            self.people[user].marks[state] |= {n.position for n in inbox if n.position <= note.position}

    @rule(seconds=st.sampled_from([1.0, 5.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.replica.inboxes.expire(self.now)

    @precondition(lambda self: self.log)
    @rule()
    def restart(self) -> None:
        """Another process reads the log from its beginning."""
        self.replica = Replica()
        for fact in self.log:
            self.replica.apply(fact)
        self.replica.inboxes.expire(self.now)

    # --- what must hold ---------------------------------------------------------------------------------

    @invariant()
    def everybody_has_theirs_once(self) -> None:
        for user, somebody in self.people.items():
            reader, inbox = self.replica.reader(user), self._inbox(user)
            found = page(self.replica.inboxes, reader, InboxQuery(limit=200, state="all"), self.now)
            expected = [(note.id, self._state(somebody, note)) for note in inbox]
            assert [(note.id, note.state) for note in found.notifications] == expected
            left = [n for n in inbox if n.type not in somebody.mute and self._state(somebody, n) in ("unseen", "seen")]
            counted = counts(self.replica.inboxes, reader, self.now)
            unseen = sum(self._state(somebody, note) == "unseen" for note in left)
            assert (counted.unread, counted.unseen) == (len(left), unseen)

    def _inbox(self, user: str) -> list[Note]:
        """By the model, newest first."""
        somebody = self.people[user]
        since = {f"user.{user}": 0}
        if somebody.known_since is not None:
            since |= dict.fromkeys(("all.all", f"role.{ROLES[user]}"), somebody.known_since) | somebody.follows
        return [
            note for at, note in reversed(list(enumerate(self.notes)))
            if note.position >= since.get(note.audience, len(self.log) + 1)
            and (note.expires_at is None or note.expires_at > self.now)
            and not any((n.audience, n.group) == (note.audience, note.group or "-") for n in self.notes[at + 1 :])
        ]  # fmt: skip

    @staticmethod
    def _state(somebody: Somebody, note: Note) -> str:
        for state in ("archived", "read", "seen"):
            if note.position in somebody.marks[state]:
                return state
        return "unseen"

    def _mark(
        self, user: str, state: State, *, ids: tuple[str, ...] = (), up_to: str | None = None, undo: bool = False
    ) -> None:
        reader = self.replica.reader(user)
        found = list(entries(self.replica.inboxes, reader))
        command = Mark(
            user=user, op=self._op(), now=self.now, state=state, ids=ids, up_to=up_to, undo=undo,
            inbox={entry.sent.id: entry.position for entry in found},
            silent={entry.position for entry in found if reader.silent(entry)},
        )  # fmt: skip
        self._do(user, command)

    def _do(self, user: str, command: person_domain.Command) -> bool:
        """Whether it changed something; again, it changes nothing."""
        event = person_domain.decide(command, self.replica.person(user))
        if event is not None:
            self._append(PERSONS.encode(user, event))
        assert person_domain.decide(command, self.replica.person(user)) is None
        return event is not None

    def _append(self, fact: NewFact) -> None:
        assert FactSubject.parse(str(fact.subject)) == fact.subject
        stored = fact.stored(len(self.log) + 1, self.now)
        self.log.append(stored)
        self.replica.apply(stored)

    def _op(self) -> str:
        return f"op-{len(self.log)}-{self.now}"


Notifications.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestNotifications = Notifications.TestCase
