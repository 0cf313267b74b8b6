"""The lease of an edge."""

from hypothesis import given as forall
from hypothesis import strategies as st

from confer_kit.testing import specification
from presence_svc.domain.lease import Beat, Lease, Lose, decide, evolve
from presence_svc.lease_codec import LeaseCodec

T0 = 1_700_000_000.0
given = specification(Lease, evolve, decide)


def beat(at: float) -> Beat:
    return Beat(now=T0 + at, every_s=5)


def test_a_beat_is_stored_when_the_last_one_is_old() -> None:
    given().when(beat(0)).then(Lease(beat_at=T0))
    given(Lease(beat_at=T0)).when(beat(4)).then_nothing()
    given(Lease(beat_at=T0)).when(beat(5)).then(Lease(beat_at=T0 + 5))


def test_a_silent_edge_is_lost_once() -> None:
    lost = Lease(beat_at=T0, lost_at=T0 + 21)
    given(Lease(beat_at=T0)).when(Lose(silent_since=T0, now=T0 + 21)).then(lost)
    given(lost).when(Lose(silent_since=T0, now=T0 + 22)).then_nothing()


def test_an_edge_that_another_replica_heard_is_not_lost() -> None:
    given(Lease(beat_at=T0 + 10)).when(Lose(silent_since=T0, now=T0 + 21)).then_nothing()


def test_a_lost_edge_that_beats_is_back() -> None:
    given(Lease(beat_at=T0, lost_at=T0 + 21)).when(beat(22)).then(Lease(beat_at=T0 + 22))


@forall(st.builds(Lease, beat_at=st.floats(0, 2e9), lost_at=st.none() | st.floats(0, 2e9)))
def test_it_comes_back_from_its_fact(lease: Lease) -> None:
    codec = LeaseCodec()
    fact = codec.encode("edge=2EA", lease)
    assert fact.event is None
    assert str(fact.subject) == codec.guard("edge=2EA")
    assert codec.aggregate(fact.subject) == "edge=2EA"
    assert codec.decode(fact.stored(1, 0.0)) == lease
