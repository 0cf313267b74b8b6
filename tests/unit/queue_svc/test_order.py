"""Who is next: strictly by priority, by ageing, by shares."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confer_contracts.errors import ErrorCode, Rejection
from queue_svc.domain.order import Line, Ordering
from queue_svc.domain.policy import Policy, Station
from queue_svc.domain.ticket import PRIORITIES, Place, between, order_of

AGEING_S = 60.0
arrivals = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 300_000)), max_size=25, unique_by=lambda one: one[1])


def line(ordering: Ordering, places: list[tuple[int, int]]) -> Line:
    """Of ranks and arrivals (ms)."""
    made = Line(ordering)
    for rank, at in places:
        made.add(Place(rank, order_of(at), f"t{at}"), "")
    return made


def called(waiting: Line) -> list[Place]:
    """Everybody, as they are called."""
    order = []
    while (place := waiting.first(None)) is not None:
        waiting.called(place)
        waiting.remove(place, "")
        order.append(place)
    return order


@given(arrivals, st.sampled_from([Ordering(), Ordering(AGEING_S), Ordering(None, (3, 2, 1))]))
def test_everybody_is_called_in_the_order_that_was_told(places: list[tuple[int, int]], ordering: Ordering) -> None:
    waiting = line(ordering, places)
    told = list(waiting)
    assert [waiting.position(place) for place in told] == list(range(1, len(places) + 1))
    assert called(waiting) == told


@given(arrivals)
def test_with_ageing_nobody_waits_longer_than_the_offset_behind_those_who_came_later(
    places: list[tuple[int, int]],
) -> None:
    for place, later in zip(order := list(line(Ordering(AGEING_S), places)), order[1:], strict=False):
        wait_ms = int(place.order) - int(later.order)
        assert wait_ms <= (later.rank - place.rank) * AGEING_S * 1000


def test_with_shares_each_priority_has_its_part_of_the_calls() -> None:
    waiting = line(Ordering(None, (3, 2, 1)), [(rank, rank * 1000 + n) for rank in range(3) for n in range(60)])
    first = Counter(PRIORITIES[place.rank] for place in called(waiting)[:60])
    assert first == {"high": 30, "normal": 20, "low": 10}


def test_a_priority_that_was_empty_has_saved_up_no_calls() -> None:
    waiting = line(Ordering(None, (1, 1, 1)), [(1, n) for n in range(20)])
    for _ in range(10):
        place = waiting.first(None)
        assert place
        waiting.called(place)
        waiting.remove(place, "")
    for n in range(10):
        waiting.add(Place(0, order_of(100 + n), f"late{n}"), "")
    assert [place.rank for place in waiting][:6] == [0, 1, 0, 1, 0, 1]


@given(st.text("0123456789", min_size=15, max_size=18), st.text("0123456789", min_size=15, max_size=18))
def test_between_two_orders_there_is_always_another(one: str, other: str) -> None:
    low, high = sorted((one.rstrip("0").ljust(15, "0"), other.rstrip("0").ljust(15, "0")))
    if low != high:
        assert low < between(low, high) < high
    if high.strip("0"):
        assert between("", high) < high


CLINIC = Policy(
    kinds={"adult": frozenset(), "child": frozenset({"children"}), "eye": frozenset({"children", "retina"})},
    stations={
        "1": Station(), "2": Station(skills=frozenset({"children"})),
        "3": Station(kinds=frozenset({"child"}), skills=frozenset({"children", "retina"})),
    },
)  # fmt: skip


@pytest.mark.parametrize(
    ("station", "asked", "kinds"),
    [
        ("1", set(), {"", "adult"}), ("2", set(), {"", "adult", "child"}), ("3", set(), {"", "child"}),
        ("2", {"child"}, {"child"}), ("1", {"child"}, set()),
    ],
)  # fmt: skip
def test_a_station_has_the_kinds_that_it_can_and_may(station: str, asked: set[str], kinds: set[str]) -> None:
    assert CLINIC.callable_at(station, frozenset(asked)) == frozenset(kinds)


def test_names_that_the_queue_does_not_have_are_refused_with_those_that_it_has() -> None:
    for station, asked, field in (("9", set(), "station"), (None, set(), "station"), ("1", {"dog"}, "kind")):
        with pytest.raises(Rejection) as refused:
            CLINIC.callable_at(station, frozenset(asked))
        assert (refused.value.code, refused.value.field) == (ErrorCode.INVALID, field)
    assert Policy().callable_at("any name", frozenset()) is None
    assert Policy().callable_at(None, frozenset({"x"})) == frozenset({"x"})
