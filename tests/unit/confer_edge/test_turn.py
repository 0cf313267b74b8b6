"""The end of a turn of the event loop: whether clients are written to together or one by one, each gets the same."""

import asyncio
import random
from dataclasses import dataclass
from typing import Any

import pytest
import uvloop

from confer_edge import packets
from confer_edge.audiences import Audiences
from confer_edge.batch import opened
from confer_edge.frames import close_frame
from confer_edge.outbox import Outbox
from confer_edge.outlet import PACKETS_PER_WRITE, Outlet
from confer_edge.packets import Outgoing, ack
from confer_edge.session import Membership, Session
from confer_edge.turn import WORTHWHILE, Turn
from confer_edge.websocket import WebSocket

from .conftest import session
from .sockets import Dial, Receiving, served

CLIENTS, TURNS, LARGE = WORTHWHILE + 10, 60, 30_000
EVERYBODY, ODD, FEW = "all.all", "room.odd", "room.few"


class Whose:
    """Whoever owns a way out that never runs full."""

    def overflow(self) -> None:
        raise AssertionError("everything fits")


@dataclass
class Person:
    one: Session
    out: Outlet
    link: WebSocket
    reader: asyncio.StreamReader
    expected: bytes = b""
    held: list[bytes] | None = None

    def is_sent(self, packet: Outgoing) -> None:
        self.out.write(packet)
        self.expected += packet.wire

    def hears(self, event: packets.Event) -> None:
        wire = (event.marked if self.one.pid else event.plain).wire
        if self.held is None:
            self.expected += wire
        else:
            self.held.append(wire)

    def waits(self) -> None:
        self.one.hold(EVERYBODY)
        self.held = self.held or []

    def goes_on(self) -> None:
        self.one.release(EVERYBODY, {})
        self.expected += b"".join(self.held or [])
        self.held = None

    async def gets(self, head: bytes = b"") -> None:
        assert head + await self.reader.readexactly(len(self.expected) - len(head)) == self.expected


async def person(dial: Dial, turn: Turn, number: int) -> Person:
    link, reader, _writer = await dial()
    out = Outlet(Outbox(10_000, 1 << 30), turn, Whose())
    out.attach(link)
    link.pass_on(Receiving(out.resume))
    pid = None if number % 3 == 0 else "secret"
    one, _ = session(f"s{number}", buffer_max=10_000, bytes_max=1 << 30, out=out, pid=pid)
    out.give_to(one)
    return Person(one, out, link, reader)


def enter(audiences: Audiences, people: list[Person]) -> dict[str, list[Person]]:
    """The members of each audience."""
    members = {EVERYBODY: people, ODD: people[1::2] + people[:WORTHWHILE], FEW: people[:5]}
    for audience, those in members.items():
        for each in those:
            audiences.add(audience, each.one)
            each.one.memberships.setdefault(audience, Membership())
    return {audience: list({id(p): p for p in those}.values()) for audience, those in members.items()}


async def each_gets_all_of_it_in_order(together: bool, seed: int) -> None:
    """Half of the clients begin to read only at the end."""
    chance = random.Random(seed)
    turn = Turn(opened() if together else None)
    audiences = Audiences(turn)
    async with served() as dial:
        people = [await person(dial, turn, number) for number in range(CLIENTS)]
        members = enter(audiences, people)
        reading = [asyncio.create_task(each.reader.readexactly(1)) for each in people[::2]]
        for number in range(TURNS):
            for step in range(chance.choice([1, 1, 2, PACKETS_PER_WRITE + 3])):
                body = b'"%b"' % (b"x" * chance.choice([10, 300, LARGE]))
                audience = chance.choices([EVERYBODY, ODD, FEW], [8, 2, 1])[0]
                event = packets.fact("field_updated", body, f"{number}.{step}")
                audiences.emit(audience, "field_updated", event, origin=None)
                for each in members[audience]:
                    each.hears(event)
                some = chance.choice(people)
                if chance.random() < 0.2:
                    some.is_sent(ack(step, body))
                if chance.random() < 0.1:
                    some.waits()
                if chance.random() < 0.1:
                    some.goes_on()
                if chance.random() < 0.05:
                    some.out.flush()
            await asyncio.sleep(0)
        for each in people:
            each.goes_on()
        heads = await asyncio.gather(*reading)
        for each, head in zip(people[::2], heads, strict=True):
            await each.gets(head)
        for each in people[1::2]:
            await each.gets()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("together", [True, False])
def test_each_client_gets_all_of_its_packets_in_order(together: bool, seed: int) -> None:
    uvloop.run(each_gets_all_of_it_in_order(together, seed))


async def who_has_gone_gets_nothing_more() -> None:
    """And neither does whoever has got the number of its socket. Nothing follows a close frame (RFC 6455, 5.5.1)."""
    turn = Turn(opened())
    audiences = Audiences(turn)
    fact = packets.fact("field_updated", b'"x"', "e.1")
    async with served() as dial:
        people = [await person(dial, turn, number) for number in range(CLIENTS)]
        for each in people:
            audiences.add(EVERYBODY, each.one)
            each.is_sent(Outgoing(b"2"))
        await asyncio.sleep(0)
        assert all(each.link.free for each in people)
        numbers = {each.link.fd for each in people[:5]}
        audiences.emit(EVERYBODY, "field_updated", fact, origin=None)
        for each in people[:5]:
            each.link.close()
        for each in people[5:]:
            each.hears(fact)
        strangers: list[Person] = []
        while not numbers & {each.link.fd for each in strangers}:  # until a number is given anew
            strangers.append(await person(dial, turn, 0))
        audiences.emit(EVERYBODY, "field_updated", fact, origin=None)
        for each in people[5:]:
            each.hears(fact)
        await asyncio.sleep(0)
        for each in strangers:
            each.is_sent(Outgoing(b"3"))
        for each in (*people[5:], *strangers):
            await each.gets()
        for each in people[:5]:
            assert await each.reader.read() == each.expected + close_frame(1000)


def test_who_has_gone_gets_nothing_more() -> None:
    uvloop.run(who_has_gone_gets_nothing_more())


async def a_large_audience_is_written_to_without_asking_each(asked: list[str]) -> None:
    turn = Turn(opened())
    audiences = Audiences(turn)
    async with served() as dial:
        people = [await person(dial, turn, number) for number in range(CLIENTS)]
        waiting, late, early = people[3], people[-1], people[-2]
        for each in people:
            each.one.memberships[EVERYBODY] = Membership()
            each.is_sent(Outgoing(b"2"))
        for each in people[:-1]:
            audiences.add(EVERYBODY, each.one)
        await asyncio.sleep(0)

        def emit(number: int, to: list[Person]) -> None:
            event = packets.fact("field_updated", b"%d" % number, f"e.{number}")
            assert audiences.emit(EVERYBODY, "field_updated", event, origin=None) == len(to)
            for each in to:
                each.hears(event)

        waiting.waits()
        emit(1, people[:-1])
        assert asked == [waiting.one.sid]
        await asyncio.sleep(0)
        waiting.goes_on()
        emit(2, people[:-1])  # not before what has waited
        await asyncio.sleep(0)
        emit(3, people[:-1])
        audiences.add(EVERYBODY, late.one)
        emit(4, people)
        audiences.remove(EVERYBODY, early.one)
        emit(5, [each for each in people if each is not early])
        await asyncio.sleep(0)
        asked.clear()
        emit(6, [each for each in people if each is not early])
        assert not asked
        await asyncio.sleep(0)
        for each in people:
            each.is_sent(Outgoing(b"3"))
            await each.gets()


def test_a_large_audience_is_written_to_without_asking_each(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    receive = Session.receive

    def noted(one: Session, *told: Any) -> None:
        asked.append(one.sid)
        receive(one, *told)

    monkeypatch.setattr(Session, "receive", noted)
    uvloop.run(a_large_audience_is_written_to_without_asking_each(asked))


async def few_are_written_to_one_by_one() -> None:
    turn = Turn(opened())
    async with served() as dial:
        one = await person(dial, turn, 0)
        one.is_sent(Outgoing(b"2"))
        await one.gets()


def test_few_are_written_to_one_by_one() -> None:
    uvloop.run(few_are_written_to_one_by_one())
