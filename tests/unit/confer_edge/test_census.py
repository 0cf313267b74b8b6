"""Connections are counted by who is there: whatever happens in whatever order, nothing is left over."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from confer_contracts.errors import ErrorCode, Rejection
from confer_edge.arrivals import Arrivals
from confer_edge.census import Census, Full, Users, subscriber

PER_KEY_MAX, IN_ALL_MAX = 3, 5
members = st.integers(0, 8)
keys = st.sampled_from("abc")


class Comings(RuleBasedStateMachine):
    """Opens (an upgrade or a take-over is one more of the same member), moves to another user, closes told twice or
    of who never came."""

    def __init__(self) -> None:
        super().__init__()
        self.census = Census(PER_KEY_MAX, IN_ALL_MAX)
        self.there: dict[int, str] = {}

    @rule(member=members, key=keys)
    def comes(self, member: int, key: str) -> None:
        others = [k for m, k in self.there.items() if m != member]
        full = self.census.full(member, key)
        if self.there.get(member) == key:
            assert full is None
        elif others.count(key) >= PER_KEY_MAX:
            assert full is Full.PER_KEY
        elif len(others) >= IN_ALL_MAX:
            assert full is Full.IN_ALL
        else:
            assert full is None
        if full is None:
            self.census.enter(member, key)
            self.there[member] = key

    @rule(member=members)
    def goes(self, member: int) -> None:
        self.census.leave(member)
        self.there.pop(member, None)

    @invariant()
    def the_counts_are_those_who_are_there(self) -> None:
        counted = Counter(self.there.values())
        assert {key: self.census.of(key) for key in "abc"} == {key: counted[key] for key in "abc"}
        assert len(self.census) == len(self.there)

    def teardown(self) -> None:
        for member in range(9):
            self.census.leave(member)
        assert not self.census._counts
        assert not self.census._keys


TestComings = Comings.TestCase


def test_a_user_has_so_many_and_is_told_the_limit() -> None:
    users = Users(2, Arrivals(1, 1, 1))
    for sid in ("a", "b"):
        users.must_admit(sid, "anna")
        users.enter(sid, "anna")
    users.must_admit("b", "anna")  # a session that is taken up again
    users.must_admit("c", "mali")
    with pytest.raises(Rejection, match="a user may have 2 at most") as refusal:
        users.must_admit("c", "anna")
    assert (refusal.value.code, refusal.value.retry) == (ErrorCode.LIMIT_EXCEEDED, True)


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_an_address_counts_by_its_subscriber(host: str, counted: str) -> None:
    assert subscriber(host) == counted


@given(st.ip_addresses(v=6))
def test_every_ipv6_address_has_one_subscriber(address: object) -> None:
    assert subscriber(str(address)) == subscriber(subscriber(str(address)).partition("/")[0])
