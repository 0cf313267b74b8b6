"""Estimates: a range with its basis, and none without one."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queue_svc.domain.estimate import AT_WORK_S, BASIS_MIN, BASIS_S, Basis, Service, basis_of, wait

NOW = 1_700_000_000.0
MINUTE = 60.0


def services(*minutes: float, place: str = "room 1", ago: float = 60) -> list[Service]:
    return [Service(NOW - ago, each * MINUTE, place) for each in minutes]


bases = st.builds(
    Basis,
    services=st.integers(BASIS_MIN, 20),
    quick_s=st.floats(0, 3600),
    slow_s=st.floats(3600, 7200),
    stations=st.integers(1, 20),
    free=st.just(0),
).flatmap(lambda basis: st.integers(0, basis.stations).map(lambda free: replace(basis, free=free)))


def test_the_middle_half_of_the_last_services_says_how_long_one_takes() -> None:
    basis = basis_of(services(4, 5, 6, 8, 30), {"room 1"}, NOW)
    assert basis == Basis(5, 5 * MINUTE, 8 * MINUTE, 1, 0)
    estimate = wait(basis, ahead=2)
    assert (estimate.from_s, estimate.to_s) == (600, 1440)  # two services at least, and three with the one that began


def test_stations_serve_side_by_side() -> None:
    basis = basis_of(services(5, 5, 5) + services(5, 5, place="room 2"), {"room 1", "room 2"}, NOW)
    assert basis is not None
    assert [(e.from_s, e.to_s) for e in (wait(basis, ahead) for ahead in (0, 1, 2, 3))] == [
        (0, 300), (0, 300), (300, 600), (300, 600),
    ]  # fmt: skip


@pytest.mark.parametrize("few", range(BASIS_MIN))
def test_without_enough_services_there_is_no_estimate(few: int) -> None:
    assert basis_of(services(*[5.0] * few), {"room 1"}, NOW) is None


def test_old_services_do_not_count() -> None:
    assert basis_of(services(5, 5, 5, 5, 5, ago=BASIS_S + 1), {"room 1"}, NOW) is None


def test_where_nobody_is_at_work_nobody_knows() -> None:
    quiet = services(5, 5, 5, 5, 5, ago=AT_WORK_S + 1)
    assert basis_of(quiet, set(), NOW) is None
    assert basis_of(quiet, {"room 2"}, NOW) == Basis(5, 300, 300, 1, 0)


@given(bases, st.integers(0, 10_000))
def test_a_range_is_a_range_and_grows_with_who_is_ahead(basis: Basis, ahead: int) -> None:
    mine, next_one = wait(basis, ahead), wait(basis, ahead + 1)
    assert 0 <= mine.from_s <= mine.to_s
    assert mine.from_s <= next_one.from_s
    assert mine.to_s <= next_one.to_s


@given(bases, st.integers(0, 10_000))
def test_another_station_makes_nobody_wait_longer(basis: Basis, ahead: int) -> None:
    more = replace(basis, stations=basis.stations + 1, free=basis.free + 1)
    assert wait(more, ahead).from_s <= wait(basis, ahead).from_s
    assert wait(more, ahead).to_s <= wait(basis, ahead).to_s


@given(st.lists(st.floats(0, 7200), min_size=BASIS_MIN, max_size=20), st.integers(1, 4), st.integers(0, 20))
def test_a_queue_that_keeps_its_pace_calls_within_the_range(seconds: list[float], stations: int, ahead: int) -> None:
    """Services that all take as long as one of the middle half, at stations that have begun some time ago: the ticket
    is called when as many have ended as are before it."""
    places = {f"room {number}" for number in range(stations)}
    basis = basis_of([Service(NOW, each, "room 0") for each in seconds], places, NOW)
    assert basis is not None
    for pace in (basis.quick_s, basis.slow_s):
        for begun in (0.0, 0.5, 1.0):  # of the services under way
            ends = sorted((turn + 1 - begun) * pace for turn in range(ahead + 1) for _ in places)
            estimate = wait(basis, ahead)
            assert estimate.from_s <= ends[ahead] + 1
            assert ends[ahead] <= estimate.to_s + 1
