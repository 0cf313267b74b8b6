"""Operation ids: a repeat is recognised or refused, never run again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confer_contracts import operations
from confer_contracts.errors import ErrorCode, Rejection
from confer_contracts.operations import KEPT_MAX, KEPT_S, OperationLog, made_at

NOW = 1_700_000_000.0


def operation(at: float, number: int = 0) -> str:
    """A UUIDv7 made at `at`."""
    digits = f"{int(at * 1000):012x}7{number:03x}8{number:015x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def refused(log: OperationLog[Any], user: str, op: str) -> bool:
    try:
        log.refuse_if_stale(user, op)
    except Rejection as refusal:
        assert (refusal.code, refusal.field) == (ErrorCode.STALE_OPERATION, "op")
        return True
    return False


def test_the_time_of_a_uuid_is_read_and_other_ids_have_none() -> None:
    assert made_at(operation(NOW)) == NOW
    assert made_at(operation(NOW).replace("-", "").upper()) == NOW
    for other in ("", "op-1", "7" * 31, "g" * 12 + "7" + "0" * 19, "0f0e0d0c-0b0a-4908-8706-050403020100", "ทำ"):
        assert made_at(other) is None


def test_what_ran_is_found_by_user_and_operation() -> None:
    log: OperationLog[str] = OperationLog()
    op = operation(NOW)
    log.remember("ann", op, NOW, "first")
    assert log.find("ann", op) == "first"
    assert log.find("ben", op) is None
    assert log.find("ann", operation(NOW, 1)) is None


def test_an_operation_is_refused_when_the_log_may_have_forgotten_it() -> None:
    log: OperationLog[str] = OperationLog()
    first, second = operation(NOW), operation(NOW + 1)
    assert not refused(log, "ann", first)
    log.remember("ann", second, NOW + 2, "ran")
    assert not refused(log, "ann", first), "nothing is forgotten yet"
    log.remember("ben", operation(NOW), NOW + KEPT_S + 3, "later")
    assert log.find("ann", second) is None
    assert refused(log, "ann", second)
    assert refused(log, "ann", first)
    assert not refused(log, "ann", operation(NOW + 3))
    assert not refused(log, "ann", "an id without a time")


@pytest.mark.parametrize("skew", [-1000 * KEPT_S, -2 * KEPT_S, -3600, 0, 3600, KEPT_S - 1])
def test_a_wrong_clock_is_no_fault(skew: float) -> None:
    """Ann's clock is wrong; others' are right, and the log forgets again and again."""
    log: OperationLog[str] = OperationLog()
    for day in range(5):
        now = NOW + day * (KEPT_S + 10)
        for user, made in (("ann", now + skew), ("ben", now)):
            op = operation(made)
            assert not refused(log, user, op)
            log.remember(user, op, now, "ran")
    assert refused(log, "ann", operation(NOW + skew))


def test_a_clock_that_is_days_fast_does_not_make_the_persons_other_devices_look_old() -> None:
    log: OperationLog[str] = OperationLog()
    log.remember("ann", operation(NOW + 9 * KEPT_S), NOW, "from the fast one")
    log.remember("ben", operation(NOW), NOW + KEPT_S + 1, "later")
    assert not refused(log, "ann", operation(NOW + KEPT_S + 1))


def test_users_are_forgotten_too_and_then_count_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "USERS_MAX", 2)
    log: OperationLog[int] = OperationLog()
    for number in range(4):
        log.remember(f"u{number}", operation(NOW + number), NOW + number, number)
    log.remember("u4", operation(NOW + 2 * KEPT_S), NOW + 2 * KEPT_S, 4)
    assert set(log.forgotten) == {"u2", "u3"}
    assert refused(log, "u1", operation(NOW + 1))
    assert refused(log, "u9", operation(NOW))
    assert not refused(log, "u9", operation(NOW + 2))


def test_no_more_are_kept_than_the_bound_and_what_is_forgotten_is_refused() -> None:
    log: OperationLog[int] = OperationLog()
    ops = [operation(NOW + n / 100, n) for n in range(KEPT_MAX + 10)]
    for number, op in enumerate(ops):
        log.remember("ann", op, NOW + number / 100, number)
    assert len(log.results) == KEPT_MAX
    assert log.find("ann", ops[-1]) == KEPT_MAX + 9
    assert log.find("ann", ops[0]) is None
    with pytest.raises(Rejection):
        log.refuse_if_stale("ann", ops[0])


def test_large_results_are_forgotten_sooner_but_never_the_latest() -> None:
    log: OperationLog[int] = OperationLog()
    ops = [operation(NOW + n, n) for n in range(100)]
    for number, op in enumerate(ops):
        log.remember("ann", op, NOW + number, number, weight=500)
    assert log.weight == 500 * len(log.results) == operations.WEIGHT_MAX
    assert refused(log, "ann", ops[0])
    log.remember("ann", operation(NOW + 200), NOW + 200, 100, weight=10 * operations.WEIGHT_MAX)
    assert [result for _, result, _ in log.results.values()] == [100]
    log.remember("ann", operation(NOW + 201), NOW + 201, 101)
    assert (log.weight, len(log.results)) == (1, 1)


def test_what_is_older_than_a_day_is_forgotten() -> None:
    log: OperationLog[str] = OperationLog()
    log.remember("ann", operation(NOW), NOW, "old")
    log.remember("ann", operation(NOW + KEPT_S + 1), NOW + KEPT_S + 1, "new")
    assert list(log.results.values()) == [(NOW + KEPT_S + 1, "new", 1)]


@given(st.lists(st.tuples(st.floats(0, KEPT_S), st.floats(0, 600)), min_size=1, max_size=40))
def test_no_operation_runs_twice(arrivals: list[tuple[float, float]]) -> None:
    """Each arrives some time after it was made, and later again: it is found or refused, never new."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations, "KEPT_MAX", 5)
        log: OperationLog[int] = OperationLog()
        now, ran = NOW, []
        for number, (pause, age) in enumerate(arrivals):
            now += pause
            op = operation(now - age, number)
            if not refused(log, "ann", op):
                log.remember("ann", op, now, number)
                ran.append(op)
            for earlier in ran:
                assert log.find("ann", earlier) is not None or refused(log, "ann", earlier)
        assert len(log.results) <= 5
