"""What people ask of a queue: pages, a ticket's past, statistics, boards; of the real service, as operators too."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from nats.aio.msg import Msg
from pydantic import BaseModel

from confer_contracts import queue
from confer_contracts.board import BOARD, BoardQuery
from confer_contracts.ids import token
from confer_contracts.message import Identity
from confer_contracts.presence import RoomSnapshotRequest
from confer_contracts.queue import CallNext, ClaimedTicket, Enqueue, OfQueue, OnTicket
from confer_contracts.queue_life import POSITION, PositionQuery
from confer_contracts.queue_reading import GET, LIST, STATISTICS, TICKET, QueueGet, QueuesQuery, QueueTicket
from confer_contracts.route import Call
from confer_contracts.subjects import Header
from confer_kit import clock
from confer_kit.calls import ask, nobody
from confer_kit.nats_link import Link
from confer_kit.process import started
from confer_kit.testing import command, nats_server
from confer_ops.provision import provision
from queue_svc.app import build
from queue_svc.domain.estimate import BASIS_MIN
from queue_svc.settings import Settings

Body = dict[str, Any]
EYES = "eyes ตา"


class World:
    """Two replicas of the service, and somebody who asks."""

    def __init__(self, link: Link, settings: Settings) -> None:
        self._link = link
        self.settings = settings
        self.boards: list[tuple[Body, int]] = []

    async def ask(self, call: Call[Any, Any], request: BaseModel, user: str = "ana") -> Body:
        who = Identity(user_id=user, name=user, role="nurse", session=f"s-{user}")
        answer = await ask(
            self._link.nc, call.subject, request.model_dump_json().encode(), who, op=clock.new_id(), timeout_s=20
        )
        return dict(json.loads(answer))

    async def ok(self, call: Call[Any, Any], request: BaseModel, user: str = "ana") -> Body:
        answer = await self.ask(call, request, user)
        assert answer["status"] == "ok", answer
        return answer

    async def snapshot(self, room: str, seen: int) -> Body:
        body = RoomSnapshotRequest(kind="room", id=room, seen={"QUEUE": seen}).model_dump_json().encode()
        return dict(json.loads(await ask(self._link.nc, "call.queue.snapshot", body, nobody(), op="o", timeout_s=20)))

    async def serve(self, patient: str, station: str | None = "room 1", user: str = "ben") -> str:
        """From coming to going; answers the ticket's id."""
        await self.ok(queue.ENQUEUE, Enqueue(queue=EYES, patient_id=patient))
        called = await self.ok(queue.CALL_NEXT, CallNext(queue=EYES, station=station), user)
        claim = ClaimedTicket(queue=EYES, ticket=called["ticket"]["ticket"], token=called["token"])
        await self.ok(queue.SERVE, claim, user)
        await self.ok(queue.DONE, claim, user)
        return claim.ticket

    async def keep_boards(self) -> None:
        async def keep(msg: Msg) -> None:
            assert msg.headers
            assert msg.headers[Header.EVENT] == "queue_board"
            self.boards.append((json.loads(msg.data), int(msg.headers[Header.AS_OF])))

        await self._link.nc.subscribe(f"view.queue.{token(EYES)}.board", cb=keep)
        await self._link.nc.flush()

    async def until_board(self, board: Body) -> None:
        async with asyncio.timeout(60):
            while board not in [shown for shown, _ in self.boards]:
                await asyncio.sleep(0.02)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server())
        settings = Settings(nats_url=server.url, metrics_port=0)
        links = [Link() for _ in range(3)]
        for link in links:
            await link.connect(settings, "test")
            stack.push_async_callback(link.nc.close)
        await provision(links[0].nc)
        for link in links[1:]:
            await stack.enter_async_context(started("queue", link, settings, build))
        yield World(links[0], settings)


async def test_a_queue_is_read_by_the_page_with_filters_and_what_was_written_is_in_it(world: World) -> None:
    for number in range(5):
        priority = "high" if number == 4 else "normal"
        await world.ok(queue.ENQUEUE, Enqueue(queue=EYES, patient_id=f"p{number}", priority=priority))
    await world.ok(queue.CALL_NEXT, CallNext(queue=EYES, station="room 1"), "ben")
    first = await world.ok(GET, QueueGet(queue=EYES, limit=2))
    assert [(row["patient_id"], row["queue_position"], row["number"]) for row in first["rows"]] == [
        ("p4", 1, "E-005"), ("p0", 2, "E-001"),
    ]  # fmt: skip
    assert (first["total"], first["next"], first["rows"][1]["estimated_wait"]) == (5, 2, None)
    rest = await world.ok(GET, QueueGet(queue=EYES, after=2))
    assert ([row["patient_id"] for row in rest["rows"]], rest["next"]) == (["p1", "p2", "p3"], None)
    for query, found in (
        (QueueGet(queue=EYES, statuses=["called"]), ["p4"]),
        (QueueGet(queue=EYES, station="room 1"), ["p4"]),
        (QueueGet(queue=EYES, priorities=["high"]), ["p4"]),
        (QueueGet(queue=EYES, patient_id="p2", statuses=["waiting"]), ["p2"]),
        (QueueGet(queue=EYES, station="room 2"), []),
        (QueueGet(queue="nobody's"), []),
    ):
        page = await world.ok(GET, query)
        assert ([row["patient_id"] for row in page["rows"]], page["total"]) == (found, len(found))


async def test_a_ticket_has_its_past_also_when_it_is_over(world: World) -> None:
    before = await world.serve("p1")
    ticket = await world.serve("p1")
    assert ticket != before
    refused = await world.ask(TICKET, QueueTicket(queue=EYES, ticket=ticket))
    assert (refused["code"], refused["field"]) == ("not_found", "ticket")
    past = await world.ok(TICKET, QueueTicket(queue=EYES, ticket=ticket, patient_id="p1"))
    told = [(e["change"], e["status"], e["user_id"], e["station"]) for e in past["history"]]
    assert told == [
        ("queued", "waiting", "ana", None), ("called", "called", "ben", "room 1"),
        ("serving", "serving", "ben", "room 1"), ("done", "done", "ben", "room 1"),
    ]  # fmt: skip
    assert (past["ticket"], past["next"]) == (None, None)

    waiting = (await world.ok(queue.ENQUEUE, Enqueue(queue=EYES, patient_id="p1")))["ticket"]["ticket"]
    now = await world.ok(TICKET, QueueTicket(queue=EYES, ticket=waiting))
    assert ([e["change"] for e in now["history"]], now["ticket"]["queue_position"]) == (["queued"], 1)
    await world.ok(queue.CANCEL, OnTicket(queue=EYES, ticket=waiting, reason="went home"))
    page = await world.ok(TICKET, QueueTicket(queue=EYES, ticket=waiting, patient_id="p1", limit=1))
    assert [e["change"] for e in page["history"]] == ["queued"]
    page = await world.ok(TICKET, QueueTicket(queue=EYES, ticket=waiting, patient_id="p1", after=page["next"]))
    assert [(e["change"], e["reason"]) for e in page["history"]] == [("cancelled", "went home")]
    unknown = await world.ask(TICKET, QueueTicket(queue=EYES, ticket="none", patient_id="p1"))
    assert unknown["code"] == "not_found"


async def test_how_a_queue_goes_is_told_with_its_basis_and_not_before_there_is_one(world: World) -> None:
    for number in range(BASIS_MIN - 1):
        await world.serve(f"p{number}", station=f"room {number % 2}")
    few = await world.ok(STATISTICS, OfQueue(queue=EYES))
    assert (few["waiting"], few["longest_wait_s"], few["estimated_wait"]) == (0, None, None)
    await world.serve("last")
    await world.ok(queue.ENQUEUE, Enqueue(queue=EYES, patient_id="waits"))
    figures = await world.ok(STATISTICS, OfQueue(queue=EYES))
    assert (figures["waiting"], figures["tickets"]) == (1, {"waiting": 1})
    assert figures["longest_wait_s"] >= 0
    assert (figures["estimated_wait"]["services"], figures["estimated_wait"]["stations"]) == (BASIS_MIN, 2)
    assert (figures["hour"]["served"], figures["hour"]["called"]) == (BASIS_MIN, BASIS_MIN)
    assert [(s["station"], s["served"]) for s in figures["hour"]["stations"]] == [("room 1", 3), ("room 0", 2)]
    assert figures["hour"]["average_service_s"] >= 0
    (row,) = (await world.ok(GET, QueueGet(queue=EYES)))["rows"]
    assert row["estimated_wait"]["services"] == BASIS_MIN
    stands = await world.ok(POSITION, PositionQuery(queue=EYES, patient_id="waits"))
    assert (stands["place"]["position"], stands["estimated_wait"]["services"]) == (1, BASIS_MIN)
    await world.ok(queue.ENQUEUE, Enqueue(queue="other", patient_id="p"))
    listed = await world.ok(LIST, QueuesQuery(limit=1))
    assert ([(q["queue"], q["waiting"]) for q in listed["queues"]], listed["next"]) == ([(EYES, 1)], EYES)
    assert [q["queue"] for q in (await world.ok(LIST, QueuesQuery(after=EYES)))["queues"]] == ["other"]


async def test_a_board_shows_numbers_and_stations_and_nobody(world: World) -> None:
    await world.keep_boards()
    for patient in ("secret-1", "secret-2", "secret-3"):
        await world.ok(queue.ENQUEUE, Enqueue(queue=EYES, patient_id=patient), "secret-nurse")
    called = await world.ok(queue.CALL_NEXT, CallNext(queue=EYES, station="room 1"), "secret-nurse")
    reply = await world.ok(BOARD, BoardQuery(queue=EYES))
    shown = reply["board"]
    assert shown["called"] == [
        {"number": "E-001", "station": "room 1", "serving": False, "called_at": shown["called"][0]["called_at"]}
    ]
    assert (shown["next"], shown["waiting"], shown["queue"]) == (["E-002", "E-003"], 2, EYES)
    assert "secret" not in json.dumps(shown)
    assert called["token"] not in json.dumps(shown)
    await world.until_board(shown)
    assert max(as_of for board, as_of in world.boards if board == shown) == reply["as_of"]


async def test_a_room_has_the_first_rows_and_its_own_patients(world: World) -> None:
    beside = world.settings.queue_rows_beside
    for number in range(beside + 5):
        await world.ok(queue.ENQUEUE, Enqueue(patient_id=f"p{number}"))
    last = f"p{beside + 4}"
    for room, expected in ((last, [*range(beside), beside + 4]), ("p0", [*range(beside)]), ("none", [*range(beside)])):
        part = await world.snapshot(room, beside + 5)
        assert [row["patient_id"] for row in part["rows"]] == [f"p{number}" for number in expected]
        assert part["total"] == beside + 5


async def confer(world: World, *arguments: str) -> tuple[int, str, str]:
    return await command.confer("queue", *arguments, "--nats-url", world.settings.nats_url)


async def test_operators_see_it_too(world: World) -> None:
    assert await confer(world, "list") == (0, "nobody is in any queue, and none has a policy\n", "")
    over = await world.serve("p 0")
    for number in range(3):
        await world.ok(queue.ENQUEUE, Enqueue(queue=EYES, patient_id=f"p {number}"))
    _, out, _ = await confer(world, "list")
    assert out.splitlines()[1].split()[-4:-2] == ["3", "3"]
    _, out, _ = await confer(world, "show", EYES, "--limit", "2")
    assert [line.split()[1] for line in out.splitlines()[1:3]] == ["E-002", "E-003"]
    assert out.splitlines()[-1] == "2 of 3; --limit shows more"
    _, out, _ = await confer(world, "show", EYES, "--json", "--status", "waiting")
    assert [row["patient_id"] for row in json.loads(out)["rows"]] == ["p 0", "p 1", "p 2"]
    _, out, _ = await confer(world, "stats", EYES)
    assert out.splitlines()[0].endswith("whoever comes now: not known")
    assert [line.split()[:2] for line in out.splitlines()[2:4]] == [["last", "hour"], ["room", "1"]]
    _, out, _ = await confer(world, "stats", EYES, "--json")
    assert json.loads(out)["today"]["served"] == 1
    _, out, _ = await confer(world, "ticket", over, "--queue", EYES, "--patient", "p 0")
    assert [line.split()[2] for line in out.splitlines()[1:]] == ["queued", "called", "serving", "done"]
    for arguments, said in (
        (["ticket", "none"], "confer: ticket: is not in this queue now"),
        (["show", ""], "confer: queue: "),
        (["show", EYES, "--limit", "0"], "confer: --limit: "),
    ):
        code, out, err = await confer(world, *arguments)
        assert code in (1, 2)
        assert (out, len(err.splitlines())) == ("", 1)
        assert err.startswith(said), err
