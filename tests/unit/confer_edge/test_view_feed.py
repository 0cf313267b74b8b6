"""Which views an edge hands out: the newest, once, unless one is shown again on purpose."""

from typing import Any

from nats.aio.msg import Msg

from confer_contracts.subjects import Header
from confer_edge.audiences import Audiences
from confer_edge.packets import Event
from confer_edge.view_feed import ViewFeed
from confer_kit.nats_link import Link


class Member:
    link, marked = None, False
    sid = "member"

    def __init__(self) -> None:
        self.packets: list[Any] = []

    def receive(self, audience: str, event: Event, stream: str, seq: int) -> None:
        self.packets.append(event.plain.packet.data)

    def lose(self) -> None:
        self.packets.clear()


async def at_once() -> None: ...


class Displays:
    """On another namespace."""

    def __init__(self, *audiences: str) -> None:
        self._audiences = audiences
        self.shown: list[tuple[str, bytes, int]] = []

    def has(self, audience: str) -> bool:
        return audience in self._audiences

    async def show(self, audience: str, body: bytes, as_of: int) -> int:
        self.shown.append((audience, body, as_of))
        return 1

    def forget(self) -> None:
        self.shown.clear()


async def received(*views: tuple[str, str, bool]) -> list[Any]:
    """What a member gets of (body, as of, again)."""
    audiences, member, link = Audiences(), Member(), Link()
    audiences.add("room.P-1", member)
    feed = ViewFeed(link, audiences, Displays(), before=at_once)
    for body, as_of, again in views:
        headers = {Header.EVENT: "active_users_updated", Header.AS_OF: as_of} | ({Header.AGAIN: "1"} if again else {})
        message = Msg(_client=link.nc, subject="view.room.P-1.roster", data=body.encode(), headers=headers)
        await feed._receive(message)
    return [packet.removeprefix('2["active_users_updated",').removesuffix("]") for packet in member.packets]


async def test_the_same_view_of_another_replica_is_handed_out_once() -> None:
    assert await received(("1", "7", False), ("1", "7", False), ("2", "8", False)) == ["1", "2"]


async def test_an_older_view_comes_too_late() -> None:
    assert await received(("2", "8", False), ("1", "7", False), ("1", "7", True)) == ["2"]


async def test_a_view_that_is_shown_again_is_handed_out_again() -> None:
    assert await received(("1", "7", False), ("1", "7", True), ("1", "7", True)) == ["1", "1", "1"]


async def test_ephemera_are_never_old() -> None:
    assert await received(("1", "0", False), ("1", "0", False)) == ["1", "1"]


async def test_a_board_goes_to_displays_alone_and_no_other_view_does() -> None:
    audiences, member, displays, link = Audiences(), Member(), Displays("queue.eyes"), Link()
    audiences.add("queue.eyes", member)
    feed = ViewFeed(link, audiences, displays, before=at_once)
    for event, subject, as_of in (
        ("queue_board", "view.queue.eyes.board", "7"), ("queue_updated", "view.queue.eyes.table", "8"),
        ("queue_board", "view.queue.eyes.board", "6"), ("queue_board", "view.queue.other.board", "9"),
    ):  # fmt: skip
        headers = {Header.EVENT: event, Header.AS_OF: as_of}
        await feed._receive(Msg(_client=link.nc, subject=subject, data=b"{}", headers=headers))
    assert displays.shown == [("queue.eyes", b"{}", 7)]
    assert member.packets == ['2["queue_updated",{}]']
