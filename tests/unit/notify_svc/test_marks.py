"""Marks are a set of positions that costs little: compared with a plain set."""

from hypothesis import given
from hypothesis import strategies as st

from notify_svc.domain.marks import EXCEPTIONS_MAX, Marks

ALL = range(1, 21)
some = st.lists(st.sampled_from(ALL), max_size=6)
changes = st.one_of(
    st.tuples(st.just("with_"), some), st.tuples(st.just("without"), some),
    st.tuples(st.just("up_to"), st.sampled_from(ALL)),
)  # fmt: skip


@given(st.lists(changes, max_size=15))
def test_marks_are_what_a_plain_set_is(said: list[tuple[str, object]]) -> None:
    marks, plain = Marks(), set[int]()
    for name, argument in said:
        marks = getattr(marks, name)(argument)
        match argument:
            case int():
                plain |= set(range(1, argument + 1))
            case list() if name == "with_":
                plain |= set(argument)
            case list():
                plain -= set(argument)
        assert {position for position in ALL if marks.has(position)} == plain
        assert all(marks.has(position) for position in range(1, marks.floor + 1))


def test_only_so_many_exceptions_are_remembered() -> None:
    positions = tuple(range(10, 10 + 2 * EXCEPTIONS_MAX + 10, 2))  # every second one
    marks = Marks().with_(positions)
    assert len(marks.flipped) == EXCEPTIONS_MAX
    assert all(marks.has(position) for position in positions)
    assert not marks.has(positions[-1] - 1)
    assert marks.has(positions[0] + 1), "the price: what is older than 2000 single marks counts as marked"


def test_what_was_taken_back_longest_ago_counts_as_marked_again() -> None:
    marks = Marks(upto=10_000).without(range(1, EXCEPTIONS_MAX + 2))
    assert len(marks.flipped) == EXCEPTIONS_MAX
    assert [marks.has(1), marks.has(2), marks.has(EXCEPTIONS_MAX + 1)] == [True, False, False]
