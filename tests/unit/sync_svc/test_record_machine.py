"""Clients, replicas and crashes in any order over one log: what was acknowledged is in it, once, and stays so."""

from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from confer_contracts.errors import ErrorCode, Rejection
from confer_kit.facts import StoredFact
from sync_svc.codec import RecordCodec, encode
from sync_svc.domain.fields import BasesNeeded, UpdateRefused
from sync_svc.domain.messages import Change, Event, FieldsUpdated, Json, MoveToStep, UpdateFields, UpdateStep
from sync_svc.domain.record import decide, evolve
from sync_svc.domain.state import Answer, Record
from sync_svc.forms import SchemaForm

T0 = 1_750_000_000.0
SKEW_S = {"ann": -3 * 24 * 3600.0, "bob": 3600.0}  # what their clocks are wrong by
CODEC = RecordCodec()
FORM = SchemaForm(
    {
        "x-confer-version": 1,
        "properties": {
            "text": {"type": "string", "x-confer-policy": "merge"},
            "strict": {"x-confer-policy": "refuse"},
            "free": {},
        },
        "additionalProperties": False,
    }
)
users = st.sampled_from(["ann", "bob"])
fields = st.sampled_from(["text", "strict", "free"])
words = st.lists(st.sampled_from(["left", "eye", "red", "ตา", "👍🏽"]), max_size=4).map(" ".join)
replicas = st.integers(0, 1)
Asked = UpdateFields | UpdateStep | MoveToStep


@dataclass
class Replica:
    """A fold that is behind the log by what it has not been given yet."""

    record: Record
    seq: int = 0

    def catch_up(self, facts: list[StoredFact], upto: int | None = None) -> None:
        for fact in facts[self.seq : upto]:
            event = CODEC.decode(fact)
            assert event is not None
            self.record = evolve(self.record, event)
            self.seq = fact.seq


class Records(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.log: list[StoredFact] = []
        self.replicas = [Replica(Record()), Replica(Record())]
        self.asked: list[Asked] = []
        self.answers: dict[tuple[str, str], Answer] = {}
        self.refused: set[tuple[str, str]] = set()
        self.clock = T0

    # --- what clients do ------------------------------------------------------------------------------

    @rule(
        user=users, at=replicas, names=st.sets(fields, min_size=1), value=words, behind=st.integers(0, 3),
        partial=st.booleans(),
    )  # fmt: skip
    def update(self, user: str, at: int, names: set[str], value: str, behind: int, partial: bool) -> None:
        """From the version that the client saw last, which may be `behind`."""
        changes = tuple(
            Change(name, self._edited(name, value, behind), max(0, self._version(name) - behind))
            for name in sorted(names)
        )
        self._send(UpdateFields(user, self._op(user), self.clock, changes, form=FORM, partial=partial), at)

    @rule(user=users, at=replicas, name=fields, value=words)
    def update_without_a_base(self, user: str, at: int, name: str, value: str) -> None:
        self._send(UpdateFields(user, self._op(user), self.clock, (Change(name, value),), form=FORM), at)

    @rule(user=users, at=replicas, step=st.integers(0, 3))
    def move(self, user: str, at: int, step: int) -> None:
        self._send(MoveToStep(user, self._op(user), self.clock, step, "a step"), at)

    @rule(user=users, at=replicas, step=st.integers(0, 3), status=st.sampled_from(["blocked", "completed"]))
    def set_step(self, user: str, at: int, step: int, status: str) -> None:
        self._send(UpdateStep(user, self._op(user), self.clock, step, status), at)  # type: ignore[arg-type]

    @rule(at=replicas, which=st.integers(0, 1000))
    def send_again(self, at: int, which: int) -> None:
        if not self.asked:
            return
        command = self.asked[which % len(self.asked)]
        known, before = self.answers.get((command.user, command.op)), len(self.log)
        self._send(command, at, again=True)
        if known is not None:
            assert len(self.log) == before, "an operation ran twice"

    @rule(at=replicas, which=st.integers(0, 1000), value=words)
    def use_an_operation_for_something_else(self, at: int, which: int, value: str) -> None:
        ran = [c for c in self.asked if isinstance(c, UpdateFields) and (c.user, c.op) in self.answers]
        if not ran:
            return
        command = ran[which % len(ran)]
        first = command.changes[0]
        if first.value == value + "!":
            return
        other = replace(command, changes=(replace(first, value=value + "!"), *command.changes[1:]))
        self.replicas[at].catch_up(self.log)
        try:
            decide(other, self.replicas[at].record)
        except Rejection as refusal:
            assert refusal.field == "op"
            assert refusal.code in (ErrorCode.INVALID, ErrorCode.STALE_OPERATION)
        else:
            raise AssertionError("an id named two requests")

    # --- what happens to replicas ---------------------------------------------------------------------

    @rule(at=replicas, facts=st.integers(1, 5))
    def follow(self, at: int, facts: int) -> None:
        self.replicas[at].catch_up(self.log, self.replicas[at].seq + facts)

    @rule(at=replicas)
    def crash(self, at: int) -> None:
        self.replicas[at] = Replica(Record())

    @rule(seconds=st.sampled_from([3600.0, 30 * 3600.0]))
    def wait(self, seconds: float) -> None:
        self.clock += seconds

    # --- what must hold -------------------------------------------------------------------------------

    @invariant()
    def versions_have_no_holes(self) -> None:
        versions: dict[str, list[int]] = {}
        for event in self._commits():
            for change in event.changes:
                versions.setdefault(change.field, []).append(change.version)
        for found in versions.values():
            assert found == list(range(1, len(found) + 1))

    @invariant()
    def no_operation_is_in_the_log_twice_and_none_that_was_refused(self) -> None:
        ran = [(fact.actor, fact.op) for fact in self.log]
        assert len(ran) == len(set(ran))
        assert not self.refused & set(ran)

    @invariant()
    def whoever_folds_the_log_has_the_same_record(self) -> None:
        whole = Replica(Record())
        whole.catch_up(self.log)
        for replica in self.replicas:
            if replica.seq == whole.seq:
                assert replica.record == whole.record
        assert whole.record.size == sum(field.size for field in whole.record.fields.values())

    @invariant()
    def what_was_merged_or_overwritten_is_told(self) -> None:
        history: dict[str, list[Json]] = {}
        for event in self._commits():
            for change in event.changes:
                past = history.setdefault(change.field, [None])
                if change.outcome == "overwrote":
                    assert change.replaced is not None
                    assert (change.replaced.value, change.replaced.version) == (past[-1], change.version - 1)
                past.append(change.value)

    # --- machinery ------------------------------------------------------------------------------------

    def _commits(self) -> list[FieldsUpdated]:
        return [event for fact in self.log if isinstance(event := CODEC.decode(fact), FieldsUpdated)]

    def _values(self, name: str) -> list[Json]:
        return [change.value for event in self._commits() for change in event.changes if change.field == name]

    def _version(self, name: str) -> int:
        return len(self._values(name))

    def _edited(self, name: str, value: str, behind: int) -> str:
        """A text that goes on from the version that was seen."""
        seen = ["", *self._values(name)][max(0, self._version(name) - behind)]
        return f"{seen} {value}" if name == "text" else value

    def _op(self, user: str) -> str:
        """A UUIDv7 by the user's own clock, which may be wrong."""
        milliseconds = int((self.clock + SKEW_S[user]) * 1000)
        return f"{milliseconds:012x}7000{len(self.asked):016d}"

    def _send(self, command: Asked, at: int, *, again: bool = False) -> None:
        """As the ledger does: an answer without an append counts only on a current state."""
        if not again:
            self.asked.append(command)
        replica, who = self.replicas[at], (command.user, command.op)
        replica.catch_up(self.log)
        try:
            event = self._decide(command, replica.record)
        except UpdateRefused as refusal:
            assert who not in self.answers, refusal
            self.refused.add(who)
            return
        except Rejection as refusal:
            assert again, "a new operation is not stale"
            assert refusal.code is ErrorCode.STALE_OPERATION
            return
        if event is not None:
            self.refused.discard(who)
            fact = encode(event, "r", "session")
            self.log.append(fact.stored(len(self.log) + 1, self.clock))
            replica.catch_up(self.log)
        answer = replica.record.operations.find(*who)
        assert answer is not None
        assert self.answers.setdefault(who, answer) == answer, "the same operation was answered differently"

    def _decide(self, command: Asked, record: Record) -> Event | None:
        try:
            return decide(command, record)
        except BasesNeeded as question:
            assert isinstance(command, UpdateFields)
            found = {(name, number): self._values(name)[number - 1] for name, number in question.wanted}
            return decide(replace(command, bases=found), record)


Records.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestRecords = Records.TestCase
