"""The numbers that displays show: one count a day, never the same for two who are there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queue_svc.days import Days
from queue_svc.domain.commands import By, Cancel, Enqueue
from queue_svc.domain.decide import decide
from queue_svc.domain.number import Number, Numbers, Series, letter_of
from queue_svc.domain.queue import Queue, evolve

T0 = 1_700_000_000.0


def test_a_number_is_a_letter_and_a_count_of_the_day() -> None:
    numbers = Numbers("2026-11-23", 16)
    assert str(numbers.next(Series("S", "2026-11-23"))) == "S-017"
    assert str(numbers.next(Series("S", "2026-11-24"))) == "S-001"
    assert str(Number("S", "2026-11-23", 1234)) == "S-1234"


def test_a_clock_that_is_still_in_yesterday_does_not_begin_it_again() -> None:
    numbers = Numbers("2026-11-23", 16)
    assert numbers.next(Series("S", "2026-11-22")) == Number("S", "2026-11-23", 17)


@pytest.mark.parametrize(
    ("queue", "letter"), [("screening", "S"), ("2-x-ray", "X"), ("ตา", "Q"), ("7", "Q"), ("éclair", "C")]
)
def test_the_letter_is_the_queues_first(queue: str, letter: str) -> None:
    assert letter_of(queue) == letter


def test_the_day_is_that_of_the_place() -> None:
    bangkok, utc = Days("Asia/Bangkok"), Days("UTC")
    assert (bangkok.day(T0), utc.day(T0)) == ("2023-11-15", "2023-11-14")
    assert bangkok.midnight(T0) == 1_699_981_200.0
    assert bangkok.day(bangkok.midnight(T0)) == "2023-11-15"
    assert bangkok.day(bangkok.midnight(T0) - 1) == "2023-11-14"


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2)), max_size=60))
def test_nobody_in_the_queue_has_the_number_of_another_whatever_the_day(moves: list[tuple[bool, int]]) -> None:
    """Comings, and goings of whoever waits longest, over days that end in the midst of it."""
    queue, day = Queue(), 1
    for at, (comes, later) in enumerate(moves):
        day += later == 2
        by = By("ana", "s", f"o{at}", T0 + at)
        if comes:
            event = decide(Enqueue(by, f"t{at}", f"p{at}", series=Series("S", f"2026-11-{day:02}")), queue)
        elif queue.tickets:
            event = decide(Cancel(by, next(iter(queue.tickets))), queue)
        else:
            continue
        assert event is not None
        queue = evolve(queue, event)
        shown = [ticket.shown_number for ticket in queue.tickets.values()]
        assert len(shown) == len(set(shown))
        assert queue.numbers.shown == set(shown)
