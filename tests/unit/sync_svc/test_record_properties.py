"""What must hold for the record under any interleaving of commands."""

import contextlib
import copy

from hypothesis import given, settings
from hypothesis import strategies as st

from confer_contracts.errors import Rejection
from sync_svc.domain.messages import (
    Change,
    Command,
    FieldsUpdated,
    MoveToStep,
    ReportConflict,
    UpdateFields,
    UpdateStep,
)
from sync_svc.domain.record import decide, evolve
from sync_svc.domain.state import Record

T0 = 1_750_000_000.0
users = st.sampled_from(["ann", "bob", "สมชาย"])
ops = st.integers(0, 30).map("op-{}".format)
names = st.sampled_from(["acuity", "notes", "a.>"])
values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=3)
times = st.floats(T0, T0 + 3600)
changes = st.lists(
    st.builds(Change, names, values, st.none() | st.integers(0, 6)), min_size=1, max_size=3, unique_by=lambda c: c.field
).map(tuple)
statuses = st.sampled_from(["waiting", "in_progress", "completed", "blocked"])
steps = st.integers(0, 4)
commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(UpdateFields, users, ops, times, changes),
    st.builds(UpdateStep, users, ops, times, steps, statuses, st.none() | st.just("Acuity")),
    st.builds(MoveToStep, users, ops, times, steps, st.just("Refraction")),
    st.builds(ReportConflict, users, ops, times, names, st.just("two of us")),
)


def run(record: Record, command: Command) -> tuple[Record, bool]:
    """The record after the command, and whether the command was refused."""
    try:
        event = decide(command, record)
    except Rejection:
        return record, True
    return (record if event is None else evolve(record, event)), False


@given(st.lists(commands, max_size=20), commands)
def test_the_same_command_twice_does_nothing_the_second_time(before: list[Command], command: Command) -> None:
    record = Record()
    for earlier in before:
        record, _ = run(record, earlier)
    record, refused = run(record, command)
    if not refused:
        answered = record.operations.find(command.user, command.op)
        assert decide(command, record) is None
        assert record.operations.find(command.user, command.op) == answered


@given(st.lists(commands, max_size=20), commands)
def test_deciding_never_changes_the_record(before: list[Command], command: Command) -> None:
    record = Record()
    for earlier in before:
        record, _ = run(record, earlier)
    untouched = copy.deepcopy(record)
    with contextlib.suppress(Rejection):
        decide(command, record)
    assert record == untouched


@settings(max_examples=200)
@given(st.lists(commands, max_size=40))
def test_interleaved_updates_give_contiguous_versions_and_the_last_one_in_log_order_wins(
    sent: list[Command],
) -> None:
    record = Record()
    log: dict[str, list[tuple[int, object]]] = {}
    for command in sent:
        try:
            event = decide(command, record)
        except Rejection:
            continue
        if event is None:
            continue
        record = evolve(record, event)
        if isinstance(event, FieldsUpdated):
            for change in event.changes:
                log.setdefault(change.field, []).append((change.version, change.value))
    for name, history in log.items():
        assert [version for version, _ in history] == list(range(1, len(history) + 1))
        assert (record.fields[name].version, record.fields[name].value) == history[-1]
    assert set(record.fields) == set(log)
    assert record.size == sum(f.size for f in record.fields.values())


@given(st.lists(commands, max_size=30))
def test_two_replicas_that_fold_the_same_log_agree(sent: list[Command]) -> None:
    first, second = Record(), Record()
    for command in sent:
        try:
            event = decide(command, first)
        except Rejection:
            continue
        if event is not None:
            first, second = evolve(first, event), evolve(second, copy.deepcopy(event))
    assert first == second
