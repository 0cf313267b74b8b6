"""What has been revoked and who was kicked: the latest counts, and in doubt it counts against the token."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confer_contracts.access import KICK_AGE_S, AccessFact, Key, Who
from confer_edge.identity import Claim
from confer_edge.revocations import SKEW_S, Revocations
from confer_kit.access import Said

times = st.integers(0, 1000).map(float)


def said(key: Key, at: float, ident: str = "anna", who: Who = "user", *, lifted: bool = False) -> Said:
    return Said(who=who, ident=ident, key=key, at=at, fact=AccessFact(lifted=lifted))


def claim(issued_at: float | None, user: str = "anna") -> Claim:
    return Claim.of(user, None, None, issued_at=issued_at)


@given(times, times | st.none(), st.integers(0, 300))
def test_a_token_counts_only_when_it_is_surely_younger(at: float, issued: float | None, leeway: int) -> None:
    known = Revocations(leeway)
    known.apply(said(Key.REVOKED, at))
    refused = known.of_token(claim(issued)) is not None
    assert refused == (issued is None or issued < at + leeway)
    assert known.of_token(claim(issued, "somebody else")) is None


@given(times, times)
def test_a_kick_is_for_sessions_before_it(at: float, began: float) -> None:
    known = Revocations(0)
    known.apply(said(Key.KICKED, at))
    assert (known.of_stored(claim(None), "s1", began) is not None) == (began < at + SKEW_S)
    assert known.of_token(claim(None)) is None
    assert known.of_stored(claim(None, "somebody else"), "s2", began) is None


@given(times, times)
def test_a_kicked_session_never_comes_back(at: float, began: float) -> None:
    known = Revocations(0)
    known.apply(said(Key.KICKED, at, "s1", "session"))
    ended = known.of_stored(claim(0.0), "s1", began)
    assert ended is not None
    assert ended.reason == "kicked"
    assert known.of_stored(claim(0.0), "s2", began) is None


@given(st.lists(st.sampled_from(["anna", "bob"]), max_size=10), st.integers(0, 10), st.booleans())
def test_a_session_that_is_there_ends_by_what_is_heard_after_it(kicked: list[str], began: int, again: bool) -> None:
    """Whatever the clocks say, and also where the stream is read once more from its beginning."""
    known = Revocations(0)
    facts = [said(Key.KICKED, float(n), who) for n, who in enumerate(kicked)]
    for fact in facts[:began]:
        known.apply(fact)
    heard = known.heard
    for fact in facts[began:]:
        known.apply(fact)
    for fact in {fact.ident: fact for fact in facts}.values() if again else ():
        known.apply(fact)
    assert (known.of_session(claim(None), "s1", heard) is not None) == ("anna" in kicked[began:])


@given(st.lists(st.tuples(st.sampled_from(["anna", "bob"]), st.booleans()), max_size=20))
def test_the_latest_of_each_counts(facts: list[tuple[str, bool]]) -> None:
    known = Revocations(0)
    for at, (user, lifted) in enumerate(facts):
        known.apply(said(Key.REVOKED, float(at), user, lifted=lifted))
    for user in ("anna", "bob"):
        lasting = next((not lifted for who, lifted in reversed(facts) if who == user), False)
        assert (known.of_token(claim(None, user)) is not None) == lasting


@pytest.mark.parametrize("key", [Key.RIGHTS, Key.KICKED])
def test_only_a_revocation_touches_tokens(key: Key) -> None:
    known = Revocations(0)
    known.apply(said(Key.REVOKED, 1.0))
    known.apply(said(key, 2.0))
    assert known.of_token(claim(0.5)) is not None
    assert known.of_token(claim(1.5)) is None


def test_old_kicks_are_forgotten() -> None:
    known = Revocations(0)
    for n in range(100):
        known.apply(said(Key.KICKED, float(n), f"user-{n}"))
    known.apply(said(Key.REVOKED, 5.0))
    known.apply(said(Key.KICKED, KICK_AGE_S + 90.0, "late"))
    assert len(known) == 12


def test_the_person_is_told_what_the_fact_says() -> None:
    known = Revocations(0)
    fact = AccessFact(reason="secret", message="Please see the office")
    known.apply(Said(who="user", ident="anna", key=Key.REVOKED, at=1.0, fact=fact))
    ended = known.of_token(claim(None))
    assert ended is not None
    assert (ended.reason, ended.message) == ("revoked", "Please see the office")
