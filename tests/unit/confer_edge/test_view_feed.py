"""Which views an edge hands out: the newest, once, unless one is shown again on purpose."""

from typing import Any

from nats.aio.msg import Msg

from confer_contracts.subjects import Header
from confer_edge.audiences import Audiences
from confer_edge.packets import Event
from confer_edge.view_feed import ViewFeed
from confer_kit.nats_link import Link


class Member:
    sid = "member"

    def __init__(self) -> None:
        self.packets: list[Any] = []

    def receive(self, audience: str, event: Event, stream: str, seq: int) -> None:
        self.packets.append(event.plain.packet.data)

    def lose(self) -> None:
        self.packets.clear()


async def at_once() -> None: ...


async def received(*views: tuple[str, str, bool]) -> list[Any]:
    """What a member gets of (body, as of, again)."""
    audiences, member, link = Audiences(), Member(), Link()
    audiences.add("room.P-1", member)
    feed = ViewFeed(link, audiences, before=at_once)
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
