"""The people of a room in pages, whoever comes, changes or leaves meanwhile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confer_contracts.errors import ErrorCode, Rejection
from presence_svc.domain.person import Person, Session
from presence_svc.roll import Roll

users = st.sampled_from(["ana", "ben", "=40", "dan", "eve", "fay"])
people = st.builds(
    Person, user_id=users, joined_at=st.sampled_from([0.5, 1.0, 1.25]), status=st.sampled_from(["active", "away"]),
    sessions=st.sampled_from([{}, {"t": Session("A", 1)}]),
)  # fmt: skip


def pages(roll: Roll, limit: int) -> list[list[Person]]:
    page, cursor = roll.page(None, limit)
    found = [page]
    while cursor is not None:
        page, cursor = roll.page(cursor, limit)
        found.append(page)
    return found


@given(st.lists(people, max_size=30), st.integers(1, 4))
def test_it_is_the_people_who_are_present_in_order(put: list[Person], limit: int) -> None:
    roll, present = Roll(), {}
    for person in put:
        roll.put(person.user_id, person)
        present[person.user_id] = person
    expected = sorted((p for p in present.values() if p.present), key=lambda p: (p.joined_at, p.user_id))
    found = pages(roll, limit)
    assert [person for page in found for person in page] == expected
    assert all(len(page) == limit for page in found[:-1])
    assert (len(roll), roll.away) == (len(expected), sum(p.status == "away" for p in expected))
    assert [roll.place(p.user_id) for p in expected] == list(range(len(expected)))


def test_a_cursor_outlives_the_one_it_named() -> None:
    roll = Roll()
    for number, user in enumerate("abcd"):
        roll.put(user, Person(user_id=user, joined_at=float(number), sessions={"t": Session("A", 1)}))
    _, cursor = roll.page(None, 2)
    roll.put("b", Person(user_id="b", left_at=9.0))
    assert [person.user_id for person in roll.page(cursor, 2)[0]] == ["c", "d"]
    assert roll.place("b") is None


@pytest.mark.parametrize("cursor", ["", "x", "~", "1.0.0~ana"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Rejection) as refused:
        Roll().page(cursor, 2)
    assert (refused.value.code, refused.value.field) == (ErrorCode.INVALID, "after")
