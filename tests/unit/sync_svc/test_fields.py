"""What becomes of an update whose base is stale: the policies, one sentence each."""

from dataclasses import dataclass, field, replace

import pytest

from confer_contracts.errors import ErrorCode, Rejection
from confer_kit.testing import specification
from sync_svc.domain.fields import BasesNeeded, UpdateRefused, refused
from sync_svc.domain.form import MergeBy, Policy
from sync_svc.domain.merge import MERGE_BYTES_MAX
from sync_svc.domain.messages import Change, Committed, FieldsUpdated, Json, Replaced, UpdateFields
from sync_svc.domain.record import decide, evolve
from sync_svc.domain.state import PAST_BYTES_MAX, PAST_MAX, Record, WrittenFields, fingerprint

given = specification(Record, evolve, decide)
T0 = 1_750_000_000.0


@dataclass(frozen=True)
class Rules:
    """A form: each field's policy by its name, and values that one must not have."""

    forbidden: tuple[Json, ...] = field(default=("forbidden",))
    steps: tuple[tuple[int, str], ...] = ()

    def policy(self, name: str) -> Policy:
        return "merge" if name.startswith("text") else "refuse" if name.startswith("strict") else "last_write"

    def merge_by(self, name: str) -> MergeBy:
        return "lines" if name.endswith("lines") else "words"

    def problem(self, name: str, value: Json) -> str | None:
        return "must not be forbidden" if value in self.forbidden else None


def update(op: str, *changes: Change, user: str = "ann", partial: bool = False) -> UpdateFields:
    return UpdateFields(user, op, T0, changes, form=Rules(), partial=partial)


def updated(op: str, *changes: Committed, user: str = "bob", request: str | None = None) -> FieldsUpdated:
    return FieldsUpdated(user, op, T0, changes, request=request)


def wrote(name: str, *values: Json) -> list[FieldsUpdated]:
    """Bob's versions of a field."""
    return [updated(f"{name}-{n}", Committed(name, value, n)) for n, value in enumerate(values, 1)]


def folded(*events: FieldsUpdated) -> Record:
    record = Record()
    for event in events:
        record = evolve(record, event)
    return record


def conflict(outcome: object) -> UpdateRefused:
    refusal = outcome.then_refused(ErrorCode.CONFLICT)  # type: ignore[attr-defined]
    assert isinstance(refusal, UpdateRefused)
    return refusal


# --- last_write ------------------------------------------------------------------------------------------


def test_last_write_tells_what_it_replaced() -> None:
    outcome = given(*wrote("iop", 14, 15)).when(update("a", Change("iop", 16, 1)))
    outcome.then(updated("a", Committed("iop", 16, 3, "overwrote", Replaced(15, 2, "bob", T0)), user="ann"))


def test_a_stale_base_that_writes_what_is_there_already_overwrites_nothing() -> None:
    for name in ("iop", "text", "strict"):
        before = wrote(name, "a", "b")
        given(*before).when(update("a", Change(name, "b", 1))).then(updated("a", Committed(name, "b", 3), user="ann"))
    given(*wrote("strict", 0, 1)).when(update("a", Change("strict", True, 1))).then_refused(ErrorCode.CONFLICT)


# --- refuse ----------------------------------------------------------------------------------------------


def test_refuse_answers_the_current_value_with_version_and_author() -> None:
    (why,) = conflict(given(*wrote("strict", 1, 2)).when(update("a", Change("strict", 3, 1)))).refused
    assert (why.field, why.code) == ("strict", ErrorCode.CONFLICT)
    assert why.message == "strict: must be updated from its current version (base 1, current 2)"
    assert why.current
    assert (why.current.value, why.current.version, why.current.user) == (2, 2, "bob")


def test_refuse_takes_the_current_base_and_none() -> None:
    for base in (None, 2):
        outcome = given(*wrote("strict", 1, 2)).when(update("a", Change("strict", 3, base)))
        outcome.then(updated("a", Committed("strict", 3, 3), user="ann"))


# --- merge -----------------------------------------------------------------------------------------------


def test_texts_that_were_changed_in_different_places_are_merged() -> None:
    change = Change("text", "left eye very red", 1)
    outcome = given(*wrote("text", "left eye red", "the left eye red")).when(update("a", change))
    outcome.then(
        updated(
            "a", Committed("text", "the left eye very red", 3, "merged"), user="ann",
            request=fingerprint([("text", "left eye very red")]),
        )
    )  # fmt: skip


def test_a_field_may_be_merged_by_lines_only() -> None:
    before = wrote("text of lines", "aspirin 100 mg\nrest\n", "aspirin 200 mg\nrest\n")
    dose = Change("text of lines", "ibuprofen 100 mg\nrest\n", 1)
    conflict(given(*before).when(update("a", dose)))
    more = Change("text of lines", "aspirin 100 mg\nrest\nwater\n", 1)
    outcome = given(*before).when(update("a", more))
    assert outcome.event.changes[0].value == "aspirin 200 mg\nrest\nwater\n"


def test_the_base_of_a_field_that_nobody_had_written_is_the_empty_text() -> None:
    given(*wrote("text", "one")).when(update("a", Change("text", "two", 0))).then_refused(ErrorCode.CONFLICT)
    outcome = given(*wrote("text", "one", None)).when(update("a", Change("text", "one two", 1)))
    conflict(outcome)


@pytest.mark.parametrize(
    ("values", "mine", "why"),
    [
        (("a 1", "a 2"), "a 3", "was changed in the same place"),
        (("a 1", 7), "a 3", "only be merged where"),
        (("a 1", "a 2"), {"a": 3}, "only be merged where"),
        (("a", "x" * MERGE_BYTES_MAX + " y"), "b", "too much to merge"),
        (("is", "for is"), "is bidden", None),
    ],
)
def test_what_cannot_be_merged_is_a_conflict_that_says_why(values: tuple[Json, ...], mine: Json, why: str) -> None:
    outcome = given(*wrote("text", *values)).when(update("a", Change("text", mine, 1)))
    if why is None:
        assert outcome.refusal is None
        return
    (refusal,) = conflict(outcome).refused
    assert why in refusal.message


def test_a_merged_text_keeps_the_forms_rules_too() -> None:
    rules = Rules(forbidden=("for bidden",))
    command = replace(update("a", Change("text", "x bidden", 1)), form=rules)
    before = wrote("text", "x y", "for y")
    assert given(*before).when(command).refusal, "both changed the words beside each other"
    command = replace(update("a", Change("text", "1 - 3", 1)), form=Rules(forbidden=("2 - 3",)))
    (why,) = conflict(given(*wrote("text", "1 - 1", "2 - 1")).when(command)).refused
    assert why.message.startswith("text: cannot be merged: the merged text must not be forbidden")


def test_a_base_that_the_record_forgot_is_asked_for_and_then_used() -> None:
    values = ["x", *("y" * (PAST_BYTES_MAX // 3) for _ in range(4)), "x y"]
    record = folded(*wrote("text", *values))
    command = update("a", Change("text", "a x", 1))
    with pytest.raises(BasesNeeded) as question:
        decide(command, record)
    assert question.value.wanted == {("text", 1)}
    event = decide(replace(command, bases={("text", 1): "x"}), record)
    assert isinstance(event, FieldsUpdated)
    assert event.changes == (Committed("text", "a x y", 7, "merged"),)
    with pytest.raises(UpdateRefused, match="no version 1 any more"):
        decide(replace(command, bases={}), record)


def test_what_a_record_remembers_of_its_past_is_bounded() -> None:
    record = Record()
    for number in range(1, PAST_MAX + 10):
        record = evolve(record, updated(f"{number}", Committed("a", number, number)))
    assert len(record.past) == PAST_MAX
    assert record.past_size == sum(version.size for version in record.past.values())
    assert record.version("a", 1) is None
    assert (newest := record.version("a", PAST_MAX + 8)) is not None
    assert newest.value == PAST_MAX + 8


# --- several fields --------------------------------------------------------------------------------------


def test_one_refused_field_refuses_them_all_and_each_is_told() -> None:
    before = [*wrote("strict", 1, 2), *wrote("strict 2", 1, 2), *wrote("text", "a b", "x b")]
    changes = (Change("strict", 3, 1), Change("text", "a y", 1), Change("strict 2", 3, 1), Change("iop", 1))
    refusal = conflict(given(*before).when(update("a", *changes)))
    assert [why.field for why in refusal.refused] == ["strict", "strict 2"]


def test_what_breaks_a_rule_is_told_before_what_came_too_late() -> None:
    changes = (Change("strict", 3, 1), Change("iop", "forbidden"))
    refusal = given(*wrote("strict", 1, 2)).when(update("a", *changes)).then_refused(ErrorCode.INVALID, "iop")
    assert refusal.message == "iop: must not be forbidden"


def test_a_partial_update_commits_what_it_can_and_tells_the_rest_again_when_it_is_sent_again() -> None:
    before = wrote("strict", 1, 2)
    command = update("a", Change("strict", 3, 1), Change("iop", 1, 0), Change("b", 1, 9), partial=True)
    record = folded(*before)
    event = decide(command, record)
    asked = fingerprint([("strict", 3), ("iop", 1), ("b", 1)])
    assert event == updated("a", Committed("iop", 1, 1), user="ann", request=asked)
    record = evolve(record, event)
    assert decide(command, record) is None
    answer = record.operations.find("ann", "a")
    assert isinstance(answer, WrittenFields)
    told = [(why.field, why.code) for why in refused(command, answer, record)]
    assert told == [("strict", ErrorCode.CONFLICT), ("b", ErrorCode.INVALID)]
    with pytest.raises(Rejection, match="already names another request"):
        decide(update("a", Change("iop", 1, 0)), record)


def test_a_partial_update_of_which_nothing_can_be_committed_is_refused() -> None:
    command = update("a", Change("strict", 3, 1), partial=True)
    given(*wrote("strict", 1, 2)).when(command).then_refused(ErrorCode.CONFLICT)
