"""Stays in a room, made of who came and who went."""

from hypothesis import given
from hypothesis import strategies as st

from confer_contracts.activity import ActivityRow, Stay
from confer_kit.clock import iso
from sync_svc.stays import stays_of

T0 = 1_700_000_000.0


def row(at: int, user: str, event: str) -> ActivityRow:
    return ActivityRow(
        sequence=at, timestamp=iso(T0 + at), service="presence", event=event, user_id=user, trace_id=f"t{at}",
        kind="presence", audience="room.screening_p",
    )  # fmt: skip


def stay(user: str, joined: int | None, left: int | None) -> Stay:
    return Stay(
        user_id=user, joined_at=None if joined is None else iso(T0 + joined),
        joined_trace=None if joined is None else f"t{joined}", left_at=None if left is None else iso(T0 + left),
        left_trace=None if left is None else f"t{left}",
    )  # fmt: skip


ROWS = [
    row(1, "ann", "user_left"), row(2, "ben", "user_joined"), row(3, "ann", "user_joined"),
    row(4, "ann", "field_locked"), row(5, "ben", "user_left"), row(6, "cat", "user_joined"), row(7, "ann", "user_left"),
]  # fmt: skip


def test_a_stay_is_from_the_coming_to_the_going() -> None:
    found = stays_of(reversed(ROWS), None)
    assert found == [stay("ann", None, 1), stay("ben", 2, 5), stay("ann", 3, 7), stay("cat", 6, None)]


def test_those_that_had_ended_are_left_out() -> None:
    assert stays_of(reversed(ROWS), iso(T0 + 6)) == [stay("ann", 3, 7), stay("cat", 6, None)]


def test_a_coming_that_is_told_twice_is_one_stay() -> None:
    rows = [row(1, "ann", "user_joined"), row(2, "ann", "user_joined"), row(3, "ann", "user_left")]
    assert stays_of(reversed(rows), None) == [stay("ann", 1, 3)]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["user_joined", "user_left"])), max_size=12))
def test_at_each_moment_whoever_had_come_and_not_gone_is_in_a_stay(events: list[tuple[str, str]]) -> None:
    rows = [row(at, user, event) for at, (user, event) in enumerate(events)]
    found = stays_of(reversed(rows), None)
    present: set[str] = set()
    for at, (user, event) in enumerate(events):
        present = present | {user} if event == "user_joined" else present - {user}
        now = iso(T0 + at)
        covering = {
            s.user_id for s in found
            if s.joined_at is not None and s.joined_at <= now and (s.left_at is None or s.left_at > now)
        }  # fmt: skip
        assert covering == present
