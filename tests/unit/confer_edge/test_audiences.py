"""The fan-out: who gets an event, and to how many it went."""

from confer_contracts.catalogue import OTHERS
from confer_edge import packets
from confer_edge.audiences import Audiences
from confer_edge.packets import Event

ROOM = "room.r1"
FOR_OTHERS = min(OTHERS)


class Member:
    link, marked = None, False

    def __init__(self, sid: str) -> None:
        self.sid = sid
        self.got: list[Event] = []

    def receive(self, audience: str, event: Event, stream: str, seq: int) -> None:
        self.got.append(event)

    def lose(self) -> None: ...


def emit(audiences: Audiences, name: str, origin: str | None) -> int:
    return audiences.emit(ROOM, name, packets.event(name, b"{}"), origin=origin)


def test_it_tells_to_how_many_it_went() -> None:
    audiences, members = Audiences(), [Member(sid) for sid in "abc"]
    for member in members:
        audiences.add(ROOM, member)
    assert emit(audiences, "field_updated", origin="a") == 3
    assert emit(audiences, FOR_OTHERS, origin="a") == 2
    assert emit(audiences, FOR_OTHERS, origin="elsewhere") == 3
    assert [len(member.got) for member in members] == [2, 3, 3]
    assert audiences.emit("room.empty", "x", packets.event("x", b"{}"), origin=None) == 0
