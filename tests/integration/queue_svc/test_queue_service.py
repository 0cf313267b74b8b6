"""The real service, as one or two replicas, over a real nats-server."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from nats.aio.msg import Msg
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from confer_contracts import presence, queue
from confer_contracts.errors import ErrorCode
from confer_contracts.ids import patient_room, token
from confer_contracts.message import Identity, Payload
from confer_contracts.presence import RoomSnapshotRequest
from confer_contracts.queue import CallNext, ClaimedTicket, DashboardQuery, Enqueue, OnTicket
from confer_contracts.route import Call
from confer_contracts.subjects import FactSubject, Header
from confer_kit import clock
from confer_kit.calls import ask
from confer_kit.facts import NewFact, StoredFact
from confer_kit.jetstream import JetStreamEventLog
from confer_kit.nats_link import Link
from confer_kit.process import started
from confer_kit.testing import NatsServer, nats_server
from confer_ops.provision import provision
from queue_svc.app import build
from queue_svc.settings import Settings

SCREENING = "log.queue.*.screening.*"
Body = dict[str, Any]


def who(user: str) -> Identity:
    return Identity(user_id=user, name=user.title(), role="nurse", session=f"s-{user}")


class World:
    """A server with the streams, replicas of the service, and somebody who asks."""

    def __init__(self, server: NatsServer, link: Link, stack: AsyncExitStack) -> None:
        self._server = server
        self._link = link
        self._stack = stack
        self.log = JetStreamEventLog(link.nc)
        self.tables: list[tuple[list[Body], int]] = []

    async def replica(self, claim_s: float = 1800, stack: AsyncExitStack | None = None) -> None:
        """Another replica, until the end or until `stack` is closed."""
        into = stack or self._stack
        link = await into.enter_async_context(connected(self._server))
        settings = Settings(nats_url=self._server.url, metrics_port=0, queue_claim_s=claim_s)
        await into.enter_async_context(started("queue", link, settings, build))

    async def ask(
        self, call: Call[Any, Any], request: Payload | DashboardQuery, user: str = "ana", op: str = ""
    ) -> Body:
        """The answer, as JSON; a fresh operation unless one is given."""
        body = request.model_dump_json().encode()
        answer: Body = json.loads(
            await ask(self._link.nc, call.subject, body, who(user), op=op or clock.new_id(), timeout_s=20)
        )
        return answer

    async def snapshot(self, kind: str, ident: str, seen: int) -> Body:
        body = RoomSnapshotRequest(kind=kind, id=ident, seen={"QUEUE": seen}).model_dump_json().encode()
        subject = "call.queue.snapshot"
        answer: Body = json.loads(await ask(self._link.nc, subject, body, who("ana"), op=clock.new_id(), timeout_s=20))
        return answer

    async def live(self, audience: str) -> RawStreamMsg:
        """The last message of an audience in LIVE, once there is one."""
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(NotFoundError):
                    return await self._link.nc.jetstream().get_last_msg("LIVE", audience)
                await asyncio.sleep(0.02)

    async def facts(self, guard: str = SCREENING) -> list[StoredFact]:
        last = await self.log.last(guard)
        return list(await self.log.read(guard, after=0, upto=last.seq)) if last else []

    async def until_facts(self, enough: Callable[[list[StoredFact]], bool]) -> list[StoredFact]:
        async with asyncio.timeout(60):
            while not enough(facts := await self.facts()):
                await asyncio.sleep(0.02)
        return facts

    async def until_table(self, enough: Callable[[list[Body]], bool]) -> tuple[list[Body], int]:
        """The first table among those that were published, or will be, that is as wanted; with its `as_of`."""
        async with asyncio.timeout(60):
            while not (found := [table for table in self.tables if enough(table[0])]):
                await asyncio.sleep(0.02)
        return found[0]

    async def keep_tables(self) -> None:
        async def keep(msg: Msg) -> None:
            assert msg.headers and msg.headers[Header.EVENT] == "queue_updated"
            self.tables.append((json.loads(msg.data), int(msg.headers[Header.AS_OF])))

        await self._link.nc.subscribe("view.queue.screening.table", cb=keep)

    async def tell(self, subject: FactSubject, body: object, event: str | None, fold: object = None) -> int:
        """Another service's fact."""
        last = await self.log.last(str(subject))
        fact = NewFact(
            subject=subject,
            body=json.dumps(body).encode(),
            event=event,
            fold=json.dumps(fold).encode() if fold else None,
            actor="ana",
        )
        return await self.log.append(fact, guard=str(subject), expected=last.seq if last else 0, timeout=10)

    async def tell_presence(self, user: str, event: str | None, *, screening: bool = False, step: int = 3) -> int:
        subject = FactSubject("presence", "room", patient_room("p1"), token(user))
        left = event == "user_left"
        body = user if left else presence.ActiveUser(
            user_id=user, name=user, role="nurse", step=step, last_activity="", joined_at="",
        ).model_dump()  # fmt: skip
        return await self.tell(subject, body, event, {"joined_screening": True} if screening else {"sessions": {}})


@asynccontextmanager
async def connected(server: NatsServer) -> AsyncIterator[Link]:
    link = Link()
    await link.connect(Settings(nats_url=server.url), "test")
    try:
        yield link
    finally:
        await link.nc.close()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server())
        link = await stack.enter_async_context(connected(server))
        await provision(link.nc)
        yield World(server, link, stack)


async def enqueue(world: World, *patients: str) -> None:
    for patient in patients:
        assert (await world.ask(queue.ENQUEUE, Enqueue(patient_id=patient)))["status"] == "ok"


async def test_a_patient_is_queued_called_served_and_done(world: World) -> None:
    await world.replica()
    await world.keep_tables()
    queued = await world.ask(queue.ENQUEUE, Enqueue(patient_id="p 1"))
    await world.ask(queue.ENQUEUE, Enqueue(patient_id="ผู้ป่วย.>"))
    assert (queued["status"], queued["queue_position"], queued["token"]) == ("ok", 1, None)

    called = await world.ask(queue.CALL_NEXT, CallNext(station="room 3"), user="ben")
    assert called["ticket"] == queued["ticket"] | {"status": "called", "called_by": "ben", "station": "room 3"}
    held = ClaimedTicket(ticket=called["ticket"]["ticket"], token=called["token"])
    serving = await world.ask(queue.SERVE, held, user="ben")
    assert (serving["ticket"]["status"], serving["token"]) == ("serving", called["token"])
    done = await world.ask(queue.DONE, held, user="ben")
    assert (done["ticket"]["status"], done["queue_position"], done["token"]) == ("done", None, None)

    facts = await world.facts()
    assert [fact.event for fact in facts] == [f"ticket_{n}" for n in ("queued", "queued", "called", "serving", "done")]
    assert {fact.headers[f"{Header.EVENT_FOR}room"] for fact in facts[2:3]} == {"patient_ticket_called"}
    assert called["token"].encode() not in b"".join(fact.body for fact in facts)
    assert [(fact.actor, fact.origin) for fact in facts[1:3]] == [("ana", "s-ana"), ("ben", "s-ben")]

    rows, as_of = await world.until_table(lambda rows: [row["patient_id"] for row in rows] == ["ผู้ป่วย.>"])
    assert (rows[0]["status"], rows[0]["queue_position"], as_of) == ("waiting", 1, facts[-1].seq)


async def test_the_patients_room_gets_a_copy_of_each_ticket_fact(world: World) -> None:
    await world.replica()
    await enqueue(world, "a.>")
    copy = await world.live(f"room.{patient_room('a.>')}")
    own = await world.live("queue.screening")
    assert copy.data == own.data
    assert copy.headers and copy.headers[f"{Header.EVENT_FOR}room"] == "patient_ticket_queued"


async def test_a_snapshot_is_as_new_as_what_the_edge_has_delivered(world: World) -> None:
    await world.replica()
    await world.replica()
    await enqueue(world, "p1", "p2")
    await world.ask(queue.ENQUEUE, Enqueue(queue="x.ray >", patient_id="p3"))
    last = await world.log.last("log.queue.*.*.*")
    assert last
    room = await world.snapshot("room", "p1", last.seq)
    assert ([row["patient_id"] for row in room["rows"]], room["as_of"]) == (["p1", "p2"], {"QUEUE": last.seq})
    other = await world.snapshot("queue", token("x.ray >"), last.seq)
    assert ([row["patient_id"] for row in other["rows"]], other["queue"]) == (["p3"], "x.ray >")
    dashboard = await world.ask(queue.DASHBOARD, DashboardQuery(role="doctor", user_id="ana", limit=1))
    assert ([row["patient_id"] for row in dashboard["pending_screenings"]], dashboard["total_patients"]) == (["p1"], 3)


async def test_fifty_callers_over_two_replicas_have_one_winner_per_ticket(world: World) -> None:
    await world.replica()
    await world.replica()
    patients = [f"p{number}" for number in range(40)]
    await enqueue(world, *patients)
    ops = [clock.new_id() for _ in range(50)]
    answers = await asyncio.gather(*(world.ask(queue.CALL_NEXT, CallNext(), f"u{n}", op) for n, op in enumerate(ops)))
    assert {answer["status"] for answer in answers} == {"ok"}
    won = [answer["ticket"]["patient_id"] for answer in answers if answer["ticket"]]
    assert sorted(won) == sorted(patients)
    facts = [json.loads(fact.body) for fact in await world.facts() if fact.event == "ticket_called"]
    assert [fact["patient_id"] for fact in facts] == patients  # in the order of arrival
    assert {fact["op"]: fact["called_by"] for fact in facts}.items() <= {
        op: f"u{n}" for n, op in enumerate(ops)
    }.items()

    again = await asyncio.gather(*(world.ask(queue.CALL_NEXT, CallNext(), f"u{n}", op) for n, op in enumerate(ops)))
    assert [one["token"] for one in again] == [one["token"] for one in answers]
    assert len(await world.facts()) == 80


async def test_fifty_enqueues_of_one_patient_are_one_ticket(world: World) -> None:
    await world.replica()
    await world.replica()
    answers = await asyncio.gather(
        *(world.ask(queue.ENQUEUE, Enqueue(patient_id="p1"), f"u{number}") for number in range(50))
    )
    assert len({answer["ticket"]["ticket"] for answer in answers}) == 1
    assert len(await world.facts()) == 1


async def test_refusals_say_why_and_store_nothing(world: World) -> None:
    await world.replica()
    await enqueue(world, "p1")
    ticket = (await world.ask(queue.ENQUEUE, Enqueue(patient_id="p1")))["ticket"]["ticket"]
    early = await world.ask(queue.SERVE, ClaimedTicket(ticket=ticket, token="guessed"))
    assert (early["code"], early["field"]) == (ErrorCode.CONFLICT, "ticket")
    assert "call_next" in early["allowed"] and "serve" not in early["allowed"]
    called = await world.ask(queue.CALL_NEXT, CallNext())
    wrong = await world.ask(queue.DONE, ClaimedTicket(ticket=ticket, token="guessed"))
    assert (wrong["code"], wrong["field"], wrong["retry"]) == (ErrorCode.CONFLICT, "token", False)
    late = await world.ask(queue.CANCEL, OnTicket(ticket=ticket))
    assert late["code"] == ErrorCode.CONFLICT
    assert called["token"] not in json.dumps([wrong, late])
    assert (await world.ask(queue.CANCEL, OnTicket(ticket="nobody")))["code"] == ErrorCode.NOT_FOUND
    assert len(await world.facts()) == 2


async def test_two_replicas_return_a_claim_that_ended_once(world: World) -> None:
    await world.replica(claim_s=0.2)
    await world.replica(claim_s=0.2)
    await enqueue(world, "p1", "p2")
    called = await world.ask(queue.CALL_NEXT, CallNext())
    facts = await world.until_facts(lambda facts: facts[-1].event == "ticket_returned")
    body = json.loads(facts[-1].body)
    assert (body["reason"], body["user_id"], body["called_by"]) == ("claim expired", "system", None)

    again = await world.ask(queue.CALL_NEXT, CallNext())
    assert again["ticket"]["ticket"] == called["ticket"]["ticket"]
    assert again["token"] != called["token"]
    old = ClaimedTicket(ticket=called["ticket"]["ticket"], token=called["token"])
    assert (await world.ask(queue.DONE, old))["code"] == ErrorCode.CONFLICT
    facts = await world.until_facts(lambda facts: len(facts) > 4 and facts[-1].event == "ticket_returned")
    assert [fact.event for fact in facts[2:]] == ["ticket_called", "ticket_returned"] * 2


async def test_a_new_replica_knows_everything_from_the_log(world: World) -> None:
    op = clock.new_id()
    async with AsyncExitStack() as first:
        await world.replica(claim_s=5.0, stack=first)
        await enqueue(world, "p1")
        called = await world.ask(queue.CALL_NEXT, CallNext(), op=op)
    await world.replica()
    assert await world.ask(queue.CALL_NEXT, CallNext(), op=op) == called
    facts = await world.until_facts(lambda facts: facts[-1].event == "ticket_returned")  # its timer was set at start
    assert [fact.event for fact in facts] == ["ticket_queued", "ticket_called", "ticket_returned"]


async def test_who_begins_to_screen_queues_the_patient_once_and_is_listed(world: World) -> None:
    await world.replica()
    await world.replica()
    await world.keep_tables()
    await world.tell_presence("ben", "user_joined")  # in the room, but not screening
    await world.tell_presence("ana", "user_joined", screening=True)
    await world.until_facts(bool)  # two replicas may take two facts at the same time
    await world.tell_presence("cat", "user_joined", screening=True)
    rows, _ = await world.until_table(lambda rows: bool(rows) and len(rows[0]["staff_working"]) == 2)
    assert (rows[0]["patient_id"], rows[0]["current_step"], sorted(rows[0]["staff_working"])) == (
        "p1",
        3,
        ["ana", "cat"],
    )

    subject = FactSubject("sync", "room", "p1", "record")
    step = {"user_id": "ana", "step": 5, "step_name": "x", "patient_id": "p1", "timestamp": ""}
    await world.tell(subject, step, "step_changed")
    await world.until_table(lambda rows: bool(rows) and rows[0]["current_step"] == 5)
    await world.tell_presence("cat", "user_left")
    await world.until_table(lambda rows: bool(rows) and rows[0]["staff_working"] == ["ana"])
    public = [fact for fact in await world.facts() if fact.event]
    assert [fact.event for fact in public] == ["ticket_queued"]
    assert public[0].op == "PRESENCE-2"


async def test_a_patient_who_is_done_is_not_queued_again_by_those_who_are_still_there(world: World) -> None:
    await world.replica()
    await world.tell_presence("ana", "user_joined", screening=True)
    await world.until_facts(bool)
    called = await world.ask(queue.CALL_NEXT, CallNext())
    await world.ask(queue.DONE, ClaimedTicket(ticket=called["ticket"]["ticket"], token=called["token"]))
    await world.tell_presence("ana", "user_updated")  # a heartbeat
    await world.tell_presence("ana", "user_left")
    await world.tell_presence("ben", "user_joined", screening=True)
    facts = await world.until_facts(lambda facts: len(facts) > 3)
    assert [(f.event, f.actor) for f in facts] == [
        ("ticket_queued", "ana"), ("ticket_called", "ana"), ("ticket_done", "ana"), ("ticket_queued", "ben"),
    ]  # fmt: skip


async def test_each_fact_tells_the_status_before(world: World) -> None:
    await world.replica()
    await world.ask(queue.ENQUEUE, Enqueue(patient_id="p1"))
    called = await world.ask(queue.CALL_NEXT, CallNext())
    claim = ClaimedTicket(ticket=called["ticket"]["ticket"], token=called["token"])
    for call in (queue.SERVE, queue.REQUEUE):
        assert (await world.ask(call, claim))["status"] == "ok"
    told = [(fact.json().get("previous_status"), fact.json()["status"]) for fact in await world.facts()]
    assert told == [(None, "waiting"), ("waiting", "called"), ("called", "serving"), ("serving", "waiting")]
    assert "previous_status" not in (await world.facts())[0].json()
