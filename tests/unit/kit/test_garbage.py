"""What is there when a process is wired is out of the collector's way; what comes later is still collected."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from confer_kit import garbage


@pytest.fixture
def own_collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


class Knot:
    def __init__(self) -> None:
        self.self = self


@pytest.mark.usefixtures("own_collector")
def test_what_is_there_is_not_looked_at_again_and_later_knots_are() -> None:
    there = gc.get_freeze_count()
    garbage.settle()
    assert gc.get_freeze_count() > there
    gone = weakref.ref(Knot())
    gc.collect()
    assert gone() is None
