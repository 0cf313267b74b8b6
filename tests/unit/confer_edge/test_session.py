"""The gate: what is held while a snapshot is fetched, and what is let through after it."""

from confer_edge import packets
from confer_edge.audiences import Audiences
from confer_edge.identity import Claim
from confer_edge.lane import Lane
from confer_edge.packets import Outgoing
from confer_edge.session import Gate, Session
from confer_kit.tasks import Tasks

ROOM = "room.P1"


def session(sid: str = "s1", buffer_max: int = 10) -> tuple[Session, list[Outgoing]]:
    sent: list[Outgoing] = []
    made = Session(
        sid, f"e-{sid}", Claim(user_id="u1", name="Ana"), bound=True, lane=Lane(Tasks(), 10), send=sent.append,
        cut=lambda why: None, buffer_max=buffer_max,
    )  # fmt: skip
    return made, sent


def fact(number: int) -> Outgoing:
    return packets.event("e", b"%d" % number)


def test_without_a_gate_facts_pass() -> None:
    one, sent = session()
    one.receive(ROOM, fact(1), "SYNC", 1)
    assert len(sent) == 1


def test_a_gate_lets_through_what_the_snapshot_does_not_contain() -> None:
    one, sent = session()
    gate = one.gates[ROOM] = Gate()
    for seq in (4, 5, 6):
        one.receive(ROOM, fact(seq), "SYNC", seq)
    one.receive(ROOM, fact(1), "QUEUE", 1)
    assert not sent
    assert one.release(ROOM, gate, {"SYNC": 5})
    assert [p.payload.decode() for p in sent] == ['42["e",6]', '42["e",1]']


def test_facts_of_another_audience_do_not_wait() -> None:
    one, sent = session()
    one.gates[ROOM] = Gate()
    one.receive("user.u1", fact(1), "NOTIFY", 1)
    assert len(sent) == 1


def test_too_much_behind_a_gate_asks_for_another_snapshot() -> None:
    one, sent = session(buffer_max=2)
    gate = one.gates[ROOM] = Gate()
    for seq in (1, 2, 3):
        one.receive(ROOM, fact(seq), "SYNC", seq)
    assert not one.release(ROOM, gate, {})
    assert not sent


def test_a_newer_gate_stays_closed_when_an_older_join_ends() -> None:
    one, sent = session()
    older = one.gates[ROOM] = Gate()
    one.receive(ROOM, fact(1), "SYNC", 1)
    newer = one.gates[ROOM] = Gate()
    one.receive(ROOM, fact(2), "SYNC", 2)
    one.release(ROOM, older, {})
    assert one.gates[ROOM] is newer
    one.release(ROOM, newer, {"SYNC": 1})
    assert [p.payload.decode() for p in sent] == ['42["e",1]', '42["e",2]']


def test_some_events_skip_the_session_they_came_from_and_others_do_not() -> None:
    audiences = Audiences()
    a, at_a = session("a")
    b, at_b = session("b")
    for member in (a, b):
        audiences.add(ROOM, member)
    audiences.emit(ROOM, "step_changed", fact(1), origin="a")
    audiences.emit(ROOM, "field_updated", fact(2), origin="a")
    assert [p.payload.decode() for p in at_a] == ['42["e",2]']
    assert len(at_b) == 2


def test_an_audience_without_members_is_forgotten() -> None:
    audiences = Audiences()
    a, _ = session("a")
    audiences.add(ROOM, a)
    audiences.remove(ROOM, "a")
    audiences.remove(ROOM, "a")
    assert not audiences.has(ROOM)
