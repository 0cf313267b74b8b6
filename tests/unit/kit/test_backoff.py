from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from confer_kit.backoff import CAP_S, FIRST_S, OFTEN, STEADY_S, Backoff


def test_it_doubles_up_to_the_cap() -> None:
    backoff = Backoff()
    waits = [backoff.after(0) for _ in range(30)]
    assert FIRST_S * 0.75 <= waits[0] <= FIRST_S * 1.25
    for earlier, later in pairwise(waits[:6]):
        assert later > earlier
    assert all(CAP_S * 0.75 <= wait <= CAP_S for wait in waits[10:])


def test_a_steady_life_starts_it_anew() -> None:
    backoff = Backoff()
    for _ in range(10):
        backoff.after(0)
    assert backoff.failing
    assert backoff.after(STEADY_S) <= FIRST_S * 1.25
    assert not backoff.failing


def test_it_tells_when_somebody_should_look() -> None:
    backoff = Backoff()
    for _ in range(OFTEN - 1):
        backoff.after(1)
    assert not backoff.failing
    backoff.after(1)
    assert backoff.failing


@given(st.lists(st.floats(min_value=0, max_value=1e6), max_size=200))
def test_it_is_bounded_whatever_happens(lives: list[float]) -> None:
    backoff = Backoff()
    assert all(0 < backoff.after(life) <= CAP_S for life in lives)
