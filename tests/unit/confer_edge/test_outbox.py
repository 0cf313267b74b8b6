"""What waits for a slow client: views give way to newer ones, facts go all together, answers stay."""

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from confer_edge.outbox import ANSWERS, EPHEMERA_BEHIND_MAX, Outbox
from confer_edge.packets import Nature, Outgoing

PACKETS_MAX, BYTES_MAX = 12, 400
ROSTER, TABLE = "view.room.P1.roster", "view.queue.Q1.table"


def packet(number: int, nature: Nature, key: str = "", size: int = 0) -> Outgoing:
    return Outgoing(b"%d %b" % (number, b"x" * size), nature=nature, key=key)


def fact(number: int, size: int = 0) -> Outgoing:
    return packet(number, Nature.FACT, size=size)


def answer(number: int, size: int = 0) -> Outgoing:
    return packet(number, Nature.ANSWER, size=size)


def view(number: int, key: str = ROSTER) -> Outgoing:
    return packet(number, Nature.VIEW, key)


def filled(*packets: Outgoing) -> Outbox:
    outbox = Outbox(PACKETS_MAX, BYTES_MAX)
    for one in packets:
        outbox.put(one)
    return outbox


def number(one: Outgoing) -> int:
    return int(one.payload.split(b" ")[0])


def numbers(taken: list[Outgoing]) -> list[int]:
    return [number(one) for one in taken]


def test_a_newer_view_replaces_an_older_one_and_goes_last() -> None:
    outbox = filled(view(1), fact(2), view(3, TABLE), view(4))
    assert outbox.superseded == 1
    assert numbers(outbox.take(10)) == [2, 3, 4]


def test_over_the_limit_facts_and_views_go_and_answers_stay() -> None:
    outbox = filled(answer(0), view(1), *(fact(n, 60) for n in range(2, 9)))
    assert outbox.behind
    assert not outbox.full
    outbox.put(fact(20))
    outbox.put(view(21))
    outbox.put(answer(22))
    assert numbers(outbox.take(10)) == [0, 22]
    assert not outbox.behind


def test_who_takes_a_part_is_still_behind() -> None:
    outbox = filled(answer(0), answer(1), *(fact(n, 60) for n in range(2, 9)))
    assert numbers(outbox.take(1)) == [0]
    assert outbox.behind


def test_who_lost_everything_is_behind_until_the_next_look() -> None:
    outbox = filled(*(fact(n) for n in range(PACKETS_MAX + 1)))
    assert outbox.behind
    assert outbox.take(10) == []
    assert not outbox.behind


def test_answers_have_room_where_facts_have_none_but_alone_can_be_too_many() -> None:
    for outbox in (filled(*(answer(n) for n in range(PACKETS_MAX + 1))), filled(answer(0, BYTES_MAX))):
        assert not (outbox.full or outbox.behind)
        outbox.put(fact(100))
        assert outbox.behind
        outbox.put(answer(101))
        assert numbers(outbox.take(100))[-1] == 101
    assert filled(*(answer(n) for n in range(ANSWERS * PACKETS_MAX + 1))).full
    assert filled(answer(0, ANSWERS * BYTES_MAX)).full


def test_ephemera_do_not_queue_up() -> None:
    outbox = Outbox(100, BYTES_MAX)
    for n in range(EPHEMERA_BEHIND_MAX + 5):
        outbox.put(packet(n, Nature.EPHEMERAL))
    assert numbers(outbox.take(100)) == list(range(EPHEMERA_BEHIND_MAX))
    assert outbox.dropped == 5


@dataclass
class Take:
    packets: int


Step = Take | tuple[Nature, str, int]  # or put: nature, key, size
puts = st.tuples(st.sampled_from(Nature), st.sampled_from([ROSTER, TABLE]), st.integers(0, 90))
steps = st.lists(st.one_of(puts, puts, puts, st.builds(Take, st.integers(0, 6))), max_size=60)


class Client:
    """What was sent to one, and what it got. `stretches`: the facts between one loss and the next, each list ending
    with the fact that was too much, if any."""

    def __init__(self) -> None:
        self.outbox = Outbox(PACKETS_MAX, BYTES_MAX)
        self.sent: list[Outgoing] = []
        self.got: list[Outgoing] = []
        self.stretches: list[list[int]] = [[]]

    def run(self, steps: list[Step]) -> None:
        """Until answers alone are too many: then the connection ends."""
        for step in steps:
            if isinstance(step, Take):
                self.got += self.outbox.take(step.packets)
                continue
            nature, key, size = step
            was_behind = self.outbox.behind
            one = packet(len(self.sent), nature, key if nature is Nature.VIEW else "", size)
            self.sent.append(one)
            self.outbox.put(one)
            if self.outbox.full:
                self.sent.pop()
                return
            if nature is Nature.FACT and not was_behind:
                self.stretches[-1].append(number(one))
            if self.outbox.behind and not was_behind:
                self.stretches.append([])

    def all_got(self) -> list[Outgoing]:
        return self.got + self.outbox.take(1000)


@given(steps)
def test_answers_are_never_lost_and_nothing_overtakes(steps: list[Step]) -> None:
    client = Client()
    client.run(steps)
    full = client.outbox.full
    got = client.all_got()
    assert all(a < b for a, b in pairwise(numbers(got)))
    answers = [one for one in got if one.nature is Nature.ANSWER]
    if not full:
        assert answers == [one for one in client.sent if one.nature is Nature.ANSWER]


@given(steps)
def test_facts_are_a_prefix_until_a_loss_and_none_comes_between_a_loss_and_its_end(steps: list[Step]) -> None:
    client = Client()
    client.run(steps)
    full = client.outbox.full
    got = [number(one) for one in client.all_got() if one.nature is Nature.FACT]
    *lost, last = client.stretches
    for stretch in lost:
        assert [n for n in got if n in stretch] == stretch[: sum(n in stretch for n in got)]
    if not full:
        assert [n for n in got if n in last] == last
    assert set(got) <= {n for stretch in client.stretches for n in stretch}


@given(steps)
def test_the_last_view_of_each_key_survives_where_nothing_was_lost(steps: list[Step]) -> None:
    client = Client()
    client.run(steps)
    if len(client.stretches) == 1 and not client.outbox.full:
        last = {one.key: one for one in client.sent if one.nature is Nature.VIEW}
        assert {one.key: one for one in client.all_got() if one.nature is Nature.VIEW} == last


@given(steps)
def test_it_is_bounded_and_knows_its_size(steps: list[Step]) -> None:
    client = Client()
    client.run(steps)
    outbox = client.outbox
    full, bytes_then, waiting = outbox.full, outbox.bytes, outbox.take(1000)
    limits = (PACKETS_MAX, BYTES_MAX)
    if all(one.nature is Nature.ANSWER for one in waiting):
        limits = (PACKETS_MAX * ANSWERS, BYTES_MAX * ANSWERS)
    assert full or (len(waiting) <= limits[0] and bytes_then <= limits[1])
    assert bytes_then == sum(len(one.wire) for one in waiting)
    assert (outbox.bytes, outbox.behind) == (0, False)
