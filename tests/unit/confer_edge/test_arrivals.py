"""How often connections may begin, by key."""

from hypothesis import given
from hypothesis import strategies as st

from confer_edge.arrivals import Arrivals, whole_seconds

PER_S, BURST, KEYS = 2.0, 5, 3


@given(pauses=st.lists(st.floats(0, 3), max_size=80))
def test_no_more_come_than_the_burst_and_the_rate_over_the_time(pauses: list[float]) -> None:
    arrivals, now, came = Arrivals(PER_S, BURST, KEYS), 0.0, 0
    for pause in pauses:
        now += pause
        came += not arrivals.wait_s("a", now)
        assert came <= BURST + PER_S * now + 1e-6


@given(refused=st.integers(0, 50))
def test_who_waits_as_long_as_it_is_told_may_come_however_often_it_was_refused(refused: int) -> None:
    arrivals, now = Arrivals(PER_S, BURST, KEYS), 0.0
    while not arrivals.wait_s("a", now):
        now += 0.001
    waits = [arrivals.wait_s("a", now) for _ in range(refused + 1)]
    assert 0 < waits[0] == waits[-1] <= 1 / PER_S
    assert arrivals.wait_s("a", now + waits[0] + 0.001) == 0


def test_each_has_its_own() -> None:
    arrivals = Arrivals(PER_S, BURST, KEYS)
    while not arrivals.wait_s("a", 0):
        pass
    assert arrivals.wait_s("b", 0) == 0


@given(keys=st.lists(st.integers(0, 20).map(str), max_size=60))
def test_only_so_many_are_remembered_and_those_that_came_last(keys: list[str]) -> None:
    arrivals = Arrivals(PER_S, 1, KEYS)
    for key in keys:
        arrivals.wait_s(key, 0)
        assert len(arrivals) <= KEYS
    for key in list(dict.fromkeys(reversed(keys)))[:KEYS]:
        assert arrivals.wait_s(key, 0) > 0, "it is remembered"


def test_the_wait_is_told_in_whole_seconds_and_never_as_none() -> None:
    assert [whole_seconds(wait) for wait in (0.0, 0.001, 1.0, 1.2)] == [1, 1, 1, 2]


def test_whoever_has_a_full_bucket_again_is_forgotten() -> None:
    arrivals = Arrivals(PER_S, BURST, 100)
    for key in "abcdef":
        arrivals.wait_s(key, 0)
    assert len(arrivals) == 6
    for _ in range(BURST):
        arrivals.wait_s("often", 0)
    for turn in range(3):
        arrivals.wait_s("now", 1 + turn / 100)
    assert len(arrivals) == 2, "those with a debt are remembered"
