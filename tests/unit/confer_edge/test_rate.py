"""The token bucket and what it makes of a connection's packets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confer_edge.rate import BYTES_PER_TOKEN, PATIENCE_S, Bucket, Inflow, Verdict, attachments_of
from confer_edge.unparsed import head_of_event

PER_S, BURST = 10.0, 20.0
EVENT, BINARY_EVENT = b'2["e",1]', b'52-["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'


def flooded() -> Inflow:
    """Its bucket is empty at time 0."""
    inflow = Inflow(PER_S, BURST, 0)
    assert [inflow.judge(EVENT, 0) for _ in range(20)] == [Verdict.PASS] * 20
    return inflow


@given(steps=st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 4)), max_size=60))
def test_no_more_passes_than_the_burst_and_the_rate_over_the_time(steps: list[tuple[float, float]]) -> None:
    """And one taker more, which may leave a debt."""
    bucket, now, taken, largest = Bucket(PER_S, BURST, 0), 0.0, 0.0, 0.0
    for pause, cost in steps:
        now += pause
        if bucket.take(cost, now):
            taken, largest = taken + cost, max(largest, cost)
        assert taken <= BURST + PER_S * now + largest + 1e-6


@given(times=st.lists(st.floats(0, 100), min_size=1), cost=st.floats(0.1, 50))
def test_a_clock_that_steps_back_gives_nothing_away(times: list[float], cost: float) -> None:
    bucket = Bucket(PER_S, BURST, 50)
    taken = sum(cost for at in times if bucket.take(cost, at))
    assert taken <= BURST + PER_S * 50 + cost + 1e-6


def test_within_the_rate_everything_passes_for_ever() -> None:
    inflow = Inflow(PER_S, BURST, 0)
    assert {inflow.judge(EVENT, n / PER_S) for n in range(5000)} == {Verdict.PASS}


def test_what_costs_more_than_the_burst_passes_and_is_paid_for_afterwards() -> None:
    inflow = Inflow(PER_S, BURST, 0)
    assert inflow.judge(b"2" * (BYTES_PER_TOKEN * 39), 0) is Verdict.PASS
    assert inflow.judge(EVENT, 1.9) is Verdict.REFUSE
    assert inflow.judge(EVENT, 2.1) is Verdict.PASS


def test_attachments_share_the_fate_of_their_packet() -> None:
    inflow = Inflow(PER_S, 1, 0)
    assert [inflow.judge(BINARY_EVENT, 0), *(inflow.judge(b"51-x", 0, binary=True) for _ in range(2))] == (
        [Verdict.PASS] * 3
    )
    assert inflow.judge(BINARY_EVENT, 0) is Verdict.REFUSE
    assert [inflow.judge(b"51-x", 9, binary=True) for _ in range(2)] == [Verdict.DROP] * 2
    assert inflow.judge(EVENT, 9) is Verdict.PASS


def test_who_goes_on_is_cut_once_and_then_not_heard() -> None:
    inflow = flooded()
    verdicts = [inflow.judge(EVENT, 0) for _ in range(200)]
    refused = int(PATIENCE_S * PER_S)
    assert verdicts == [Verdict.REFUSE] * refused + [Verdict.CUT] + [Verdict.DROP] * (199 - refused)


def test_a_pause_makes_up_for_everything() -> None:
    inflow, now = Inflow(PER_S, BURST, 0), 0.0
    for _ in range(50):
        verdicts = [inflow.judge(EVENT, now) for _ in range(100)]
        assert Verdict.CUT not in verdicts
        now += 10 * BURST / PER_S


def test_who_leaves_may_but_not_for_ever() -> None:
    inflow = flooded()
    verdicts = [inflow.judge(b"1", 0) for _ in range(102)]
    assert verdicts == [Verdict.PASS] * 100 + [Verdict.CUT, Verdict.DROP]


@pytest.mark.parametrize(
    ("packet", "attachments"),
    [(EVENT, 0), (BINARY_EVENT, 2), (b"610-[]", 10), (b"5-[]", 0), (b"599-[]", 10), (b"5999999-[]", 0), (b"", 0)],
)
def test_attachments_are_counted_by_the_head(packet: bytes, attachments: int) -> None:
    assert attachments_of(packet) == attachments


@pytest.mark.parametrize(
    ("packet", "head"),
    [
        (b'2["e",{"a":', ("e", None)),
        (b'212["e"]', ("e", 12)),
        (b'51-7["e",{"_placeholder":true,"num":0}]', ("e", 7)),
        ('2["ห้อง"]'.encode(), ("ห้อง", None)),
        (b'2["\\ud800"]', ("?", None)),
        (b'2["' + b"x" * 9000 + b'"]', ("x" * 509, None)),
        (b"2" + b"1" * 400 + b'["e"]', ("e", None)),
        (b'2/admin,["e"]', None),
        (b"2{}", None),
        (b"0", None),
        (b"", None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_the_head_of_an_event_is_known_without_its_payload(packet: bytes, head: tuple[str, int | None] | None) -> None:
    assert head_of_event(packet) == head
