"""SIGKILL of each part: sockets stay open, its calls are refused at once, the others go on, nothing is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from nats.aio.client import Client as NatsClient

from confer_contracts.ids import patient_room
from confer_contracts.subjects import call as subject_of
from confer_kit import clock
from confer_kit.testing import System, running_system
from confer_kit.testing.client import Client
from confer_kit.testing.log import log_reader
from confer_kit.testing.overheard import overheard
from confer_kit.testing.system import Process

ROOM = patient_room("p1")
LEASE_S = 10
IN_FLIGHT, REFUSED = "outcome_unknown", "unavailable"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system(
        CONFER_PRESENCE_LEASE_S=str(LEASE_S), CONFER_BEAT_S="1", CONFER_PRESENCE_SETTLE_S="6", CONFER_DROP_GRACE_S="1",
        CONFER_PRESENCE_DROPPED_GRACE_S="1", CONFER_PRESENCE_GONE_S=str(LEASE_S),
    ) as running:  # fmt: skip
        yield running


@asynccontextmanager
async def people(system: System, patient: str, *names: str, edge: str = "edge") -> AsyncIterator[list[Client]]:
    """Connected, in the patient's room, and reading the screening queue."""
    async with AsyncExitStack() as stack:
        clients = [Client(name, transport="polling" if n % 2 else "websocket") for n, name in enumerate(names)]
        for client in clients:
            stack.push_async_callback(client.close)
            await client.connect(system.url(edge))
            assert (await client.call("join_patient_room", patient_id=patient))["status"] == "ok"
            assert (await client.call("queue_open"))["status"] == "ok"
        yield clients


@dataclass(frozen=True)
class Part:
    """A service: a call that it owns, each time another; where the facts of it are; and somebody else's call."""

    service: str
    call: str
    payload: Callable[[str], dict[str, Any]]
    guard: str
    other_call: str
    other_payload: dict[str, Any]

    @property
    def subject(self) -> str:
        return subject_of(self.service.removesuffix("-svc"), self.call)


def _field(text: str) -> dict[str, Any]:
    return {"patient_id": "p1", "field": "notes", "value": text}


ENQUEUE = "queue_enqueue"
PARTS = (
    Part("sync-svc", "field_update", _field, f"log.sync.room.{ROOM}.record", ENQUEUE, {"patient_id": "other"}),
    Part("queue-svc", ENQUEUE, lambda text: {"patient_id": text}, "log.queue.*.screening.*",
         "field_update", _field("")),
    Part("notify-svc", "notification_send", lambda text: {"to": {"all": True}, "title": text}, "log.notify.all.*.*",
         "field_update", _field("")),
    Part("presence-svc", "field_focus", lambda text: {"patient_id": "p1", "field": text},
         f"log.presence.room.{ROOM}.*", "field_update", _field("")),
)  # fmt: skip


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.service)
async def test_a_killed_service_loses_nothing_and_nobody_else_notices(system: System, part: Part) -> None:
    async with people(system, "p1", "ann", "bob", "eve") as clients, log_reader(system.nats.url) as log:
        writers = [Writer(client, part) for client in clients]
        await _kill_under(writers, system.processes[part.service], log.nc, part.subject)

        ann, bob, _ = clients
        refused = await bob.call(part.call, **part.payload("refused"))
        assert (refused["code"], refused["retry"]) == ("unavailable", True), "after a time-out it would be unknown"
        assert (await ann.call(part.other_call, **part.other_payload))["status"] == "ok"

        await system.restart(part.service)
        for writer in writers:
            answers = [await writer.client.until_ok(part.call, **writer.unanswered) for _ in range(2)]
            assert answers[0] == answers[1], "the same operation, another answer"
        operations = [fact.op for fact in await log.facts(part.guard)]
        for op in [op for writer in writers for op in [*writer.acknowledged, writer.unanswered["op"]]]:
            assert operations.count(op) == 1, op
        assert [client.ends for client in clients] == [[], [], []]


class Writer:
    """Writes without pause until a call is not answered."""

    def __init__(self, client: Client, part: Part) -> None:
        self.client = client
        self._part = part
        self.acknowledged: list[str] = []
        self.asking = ""
        self.unanswered: dict[str, Any] = {}
        self.refusal = ""

    async def write(self) -> None:
        for n in range(10_000):
            payload = self._part.payload(f"{self.client.user}-{n}") | {"op": clock.new_id()}
            self.asking = payload["op"]
            ack = await self.client.call(self._part.call, **payload)
            if ack["status"] != "ok":
                assert ack["retry"] is True and ack["code"] in (IN_FLIGHT, REFUSED), ack
                self.unanswered, self.refusal = payload, ack["code"]
                return
            self.acknowledged.append(payload["op"])


async def _kill_under(writers: list[Writer], process: Process, nc: NatsClient, subject: str) -> None:
    """Freeze the service in the middle of all writers' calls, and kill it while they wait for the answers."""
    async with asyncio.TaskGroup() as group:
        async with overheard(nc, subject) as calls:
            writing = [group.create_task(writer.write()) for writer in writers]
            await writers[0].client.until(lambda: all(len(writer.acknowledged) >= 10 for writer in writers))
            process.freeze()
            await calls.until(lambda: all(writer.asking in calls.ops for writer in writers))
        assert not any(task.done() for task in writing), "no call was in flight at the kill"
        await process.kill()
    assert all(writer.acknowledged and writer.unanswered for writer in writers)
    # An answer that had left before the service froze may reach its writer after the kill: its next call finds nobody.
    assert IN_FLIGHT in {writer.refusal for writer in writers}


async def test_presence_killed_and_started_again_shows_nobody_as_gone_and_nobody_twice(system: System) -> None:
    async with people(system, "p2", "ann", "bob", "eve") as (ann, bob, eve):
        await ann.until(lambda: {e.json["user_id"] for e in ann.of("user_joined")} == {"bob", "eve"})
        await system.processes["presence-svc"].kill()
        await eve.close()  # nobody hears of it
        async with people(system, "p2", "dan") as (dan,):  # comes while presence is away
            await system.restart("presence-svc")
            await ann.until(lambda: "eve" in _left(ann))
            await ann.until(lambda: "dan" in _joined(ann))
            await _until_roster(ann, "p2", ["ann", "bob", "dan"])
            await asyncio.sleep(LEASE_S + 2)  # a wrong sweep would come within the lease
            assert _left(ann) == ["eve"]
            assert sorted(_joined(ann)) == ["bob", "dan", "eve"]
            assert ann.ends == bob.ends == dan.ends == []


async def test_the_people_of_a_killed_edge_are_gone_once_unless_they_came_back_elsewhere(system: System) -> None:
    await system.add_edge("edge2")
    await system.healthy("edge2")
    async with people(system, "p3", "ann") as (ann,), people(system, "p3", "bob", "eve", edge="edge2"):
        await ann.until(lambda: sorted(_joined(ann)) == ["bob", "eve"])
        await system.processes["edge2"].kill()
        async with people(system, "p3", "eve"):
            await ann.until(lambda: _left(ann) == ["bob"])
            await asyncio.sleep(LEASE_S)
            assert _left(ann) == ["bob"]
            assert sorted(_joined(ann)) == ["bob", "eve"]
            await _until_roster(ann, "p3", ["ann", "eve"])


def _left(client: Client) -> list[str]:
    return [event.json for event in client.of("user_left")]


def _joined(client: Client) -> list[str]:
    return [event.json["user_id"] for event in client.of("user_joined")]


async def _until_roster(client: Client, patient: str, wanted: list[str]) -> None:
    """Who is in the room, as a snapshot tells; asked again until it is as wanted."""
    async with asyncio.timeout(20):
        names: list[str] = []
        while names != wanted:
            ack = await client.call("join_patient_room", patient_id=patient)
            names = sorted(user["user_id"] for user in ack["presence"].get("users", []))
