"""What a session holds back while snapshots are fetched, and what is let through after them."""

from typing import Any

from confer_edge import packets
from confer_edge.audiences import Audiences
from confer_edge.losses import LOSSES_MAX, LOSSES_WITHIN_S, Loss, lately
from confer_edge.packets import Event, Outgoing
from confer_edge.session import Membership, Session

from .conftest import BYTES_MAX
from .conftest import session as made

ROOM, OTHER = "room.P1", "room.P2"


def session(sid: str = "s1", **more: Any) -> tuple[Session, list[Outgoing]]:
    one, sent = made(sid, **more)
    one.memberships = {ROOM: Membership(), OTHER: Membership()}
    return one, sent


def fact(number: int) -> Event:
    return packets.event("e", b"%d" % number)


def payloads(sent: list[Outgoing]) -> list[str]:
    return [packet.payload.decode() for packet in sent]


def test_facts_pass_while_nothing_is_fetched() -> None:
    one, sent = session()
    one.receive(ROOM, fact(1), "SYNC", 1)
    assert len(sent) == 1


def test_what_the_snapshot_contains_is_not_sent_again() -> None:
    one, sent = session()
    one.hold(ROOM)
    for seq in (4, 5, 6):
        one.receive(ROOM, fact(seq), "SYNC", seq)
    one.receive(ROOM, fact(1), "QUEUE", 1)
    assert not sent
    one.release(ROOM, {"SYNC": 5})
    assert payloads(sent) == ['42["e",6]', '42["e",1]']


def test_what_the_snapshot_contains_is_not_sent_when_the_feed_brings_it_later() -> None:
    delivered = {"SYNC": 3}
    one, sent = session(delivered=delivered)
    one.hold(ROOM)
    one.release(ROOM, {"SYNC": 5})
    for seq in (4, 5, 6, 7):
        one.receive(ROOM, fact(seq), "SYNC", seq)
        one.receive(OTHER, fact(10 * seq), "SYNC", seq)
        delivered["SYNC"] = seq
    one.receive(ROOM, fact(1), "QUEUE", 1)
    one.receive(ROOM, packets.view("v", b"8", "view.room.P1.roster"), "", 2**63)
    assert [int(p.partition(",")[2][:-1]) for p in payloads(sent)] == [40, 50, 6, 60, 7, 70, 1, 8]


def test_all_audiences_wait_so_that_the_order_is_lives() -> None:
    one, sent = session()
    one.hold(ROOM)
    one.receive(ROOM, fact(1), "SYNC", 1)
    one.receive(OTHER, fact(2), "SYNC", 2)
    one.receive(ROOM, fact(3), "SYNC", 3)
    one.release(ROOM, {})
    assert payloads(sent) == ['42["e",1]', '42["e",2]', '42["e",3]']


def test_the_last_of_several_snapshots_lets_go() -> None:
    one, sent = session()
    one.hold(ROOM)
    one.hold(OTHER)
    for seq, audience in ((1, ROOM), (2, OTHER), (3, ROOM)):
        one.receive(audience, fact(seq), "SYNC", seq)
    one.release(ROOM, {"SYNC": 1})
    assert not sent
    one.release(OTHER, {"SYNC": 2})
    assert payloads(sent) == ['42["e",3]']


def test_too_much_is_a_loss_and_after_one_nothing_comes_until_it_is_mended() -> None:
    lost: list[tuple[Session, Loss]] = []
    one, sent = session(buffer_max=2, lost=lambda *told: lost.append(told))
    one.hold(ROOM)
    for seq in (1, 2, 3, 4):
        one.receive(ROOM, fact(seq), "SYNC", seq)
    assert lost == [(one, Loss.OVERTAKEN)]
    one.release(ROOM, {})
    one.receive(OTHER, fact(5), "SYNC", 5)
    assert not sent
    one.mend("epoch", 5)
    one.receive(ROOM, fact(6), "SYNC", 6)
    assert payloads(sent) == ['42["e",6]']


def test_a_mended_session_begins_anew_in_all_it_is_in() -> None:
    one, _ = session()
    one.memberships[ROOM] = Membership(since=400, as_of={"SYNC": 300})
    one.lose()
    one.mend("later", 7)
    assert (one.whole, one.epoch, one.whole_from) == (True, "later", 7)
    assert set(one.memberships) == {ROOM, OTHER}
    assert all(m == Membership(since=7) for m in one.memberships.values())


def test_a_reset_reaches_every_member_once() -> None:
    lost: list[tuple[Session, Loss]] = []
    a, b = [session(sid, lost=lambda *told: lost.append(told))[0] for sid in "ab"]
    audiences = Audiences()
    for audience in (ROOM, OTHER):
        audiences.add(audience, a)
    audiences.add(ROOM, b)
    audiences.lose()
    assert lost == [(a, Loss.RESET), (b, Loss.RESET)]


def test_what_is_held_back_is_bounded_in_bytes_too() -> None:
    lost: list[tuple[Session, Loss]] = []
    one, sent = session(lost=lambda *told: lost.append(told))
    for _ in range(3):  # what was let go does not count any more
        one.hold(ROOM)
        one.receive(ROOM, packets.fact("e", b"x" * BYTES_MAX), "SYNC", 1)
        one.release(ROOM, {})
    assert (len(sent), lost) == (3, [])
    one.hold(ROOM)
    for _ in range(2):
        one.receive(ROOM, packets.fact("e", b"x" * (BYTES_MAX - 1)), "SYNC", 1)
    assert lost == [(one, Loss.OVERTAKEN)]


def test_some_losses_are_borne_with_but_not_too_many_in_a_row() -> None:
    losses: tuple[float, ...] = ()
    steady: tuple[float, ...] = ()
    for at in range(LOSSES_MAX + 1):
        assert len(losses) <= LOSSES_MAX
        losses = lately(losses, float(at))
    assert len(losses) > LOSSES_MAX
    assert len(lately(losses, LOSSES_MAX + LOSSES_WITHIN_S)) <= LOSSES_MAX
    for number in range(20):
        steady = lately(steady, number * LOSSES_WITHIN_S / LOSSES_MAX)
        assert len(steady) <= LOSSES_MAX


def test_a_join_that_failed_holds_nothing_back() -> None:
    one, sent = session()
    one.hold(ROOM)
    one.receive(OTHER, fact(1), "SYNC", 1)
    one.settle()
    one.receive(OTHER, fact(2), "SYNC", 2)
    assert payloads(sent) == ['42["e",1]', '42["e",2]']


def test_an_audience_that_was_left_meanwhile_is_not_heard() -> None:
    one, sent = session()
    one.hold(ROOM)
    one.receive(OTHER, fact(1), "SYNC", 1)
    del one.memberships[OTHER]
    one.release(ROOM, {})
    assert not sent


def test_only_a_client_with_a_pid_gets_offsets() -> None:
    (plain, to_plain), (recoverable, to_recoverable) = session(), session(pid="secret")
    for one in (plain, recoverable):
        one.send(packets.event("e", b"1", "5f.7"))
    assert payloads(to_plain) == ['42["e",1]']
    assert payloads(to_recoverable) == ['42["e",1,"5f.7"]']


def test_some_events_skip_the_session_they_came_from_and_others_do_not() -> None:
    audiences = Audiences()
    a, at_a = session("a")
    b, at_b = session("b")
    for member in (a, b):
        audiences.add(ROOM, member)
    audiences.emit(ROOM, "step_changed", fact(1), origin="a")
    audiences.emit(ROOM, "field_updated", fact(2), origin="a")
    assert payloads(at_a) == ['42["e",2]']
    assert len(at_b) == 2


def test_an_audience_without_members_is_forgotten() -> None:
    audiences = Audiences()
    a, _ = session("a")
    audiences.add(ROOM, a)
    audiences.remove(ROOM, a)
    audiences.remove(ROOM, a)
    assert not audiences.has(ROOM)


def test_a_connection_that_ends_late_does_not_take_its_successor_along() -> None:
    audiences = Audiences()
    (earlier, _), (later, sent) = session("a"), session("a")
    audiences.add(ROOM, earlier)
    audiences.add(ROOM, later)
    audiences.remove(ROOM, earlier)
    audiences.emit(ROOM, "field_updated", fact(1), origin=None)
    assert len(sent) == 1
