"""An installation's own authoriser: asked for joins and calls, asked again for what is joined, and no in doubt."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from confer_contracts.access import AccessAnswer, AccessQuestion
from confer_kit import access
from confer_kit.testing import System, running_system
from confer_kit.testing.authoriser import Authoriser, authoriser
from confer_kit.testing.javascript import JavaScriptClient, Node, node
from confer_kit.testing.log import log_reader
from confer_kit.testing.raw import raw_client
from confer_kit.testing.tokens import SECRET, token

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.node]

SETTINGS = {
    "CONFER_IDENTITY": "jwt",
    "CONFER_JWT_SECRET": SECRET,
    "CONFER_ACCESS_CHECK": "true",
    "CONFER_ACCESS_TIMEOUT_S": "20",
}
_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    """The first edge looks again every second; `slow` only when it is told, and doubts nothing for long."""
    async with running_system(**SETTINGS, CONFER_ACCESS_CACHE_S="1", CONFER_ACCESS_DOUBT_S="600") as running:
        slow = {"CONFER_ACCESS_CACHE_S": "600", "CONFER_ACCESS_DOUBT_S": "0"}
        await running.add_edge("slow", **slow)
        await running.healthy("slow")
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def decider(system: System) -> AsyncIterator[Authoriser]:
    async with authoriser(system.nats.url) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process() -> AsyncIterator[Node]:
    async with node(Path(__file__).parent / "js") as running:
        yield running


def only(*shown: str) -> Any:
    """Decides by the shown name of the audience."""
    return lambda question: AccessAnswer(allowed=question.shown in shown, reason=f"not {question.shown}")


def person(system: System, user: str, edge: str = "edge") -> Any:
    return raw_client(system.url(edge), None, {"token": token(user)}, name=user)


async def page(process: Node, system: System, edge: str, user: str, patient: str) -> JavaScriptClient:
    options = {"transports": ["websocket"], "auth": {"token": token(user)}, "reconnectionDelay": 50}
    client = await process.open("4.8", system.url(edge), options, name=user)
    await client.is_connected()
    assert (await client.call("join_patient_room", {"patient_id": patient}))["status"] == "ok"
    return client


async def test_it_decides_on_joins_and_calls(system: System, decider: Authoriser) -> None:
    decider.decide = only("room.screening_P 1", "queue.eyes")
    async with person(system, "anna") as client:
        joined = await client.call("join_patient_room", {"patient_id": "P 1"})
        assert joined["queue"] == {"status": "forbidden"}  # the default queue beside it
        refused = await client.call("join_patient_room", {"patient_id": "P 2"})
        assert (refused["code"], refused["message"]) == ("forbidden", "not room.screening_P 2")
        update = {"field": "f", "value": 1}
        assert (await client.call("field_update", {"patient_id": "P 1", **update}))["status"] == "ok"
        assert (await client.call("field_update", {"patient_id": "P 2", **update}))["code"] == "forbidden"
        assert (await client.call("queue_open", {"queue": "eyes"}))["status"] == "ok"
        assert (await client.call("subscribe_to_updates", {"type": "t"}))["code"] == "forbidden"
        assert (await client.call("notification_send", {"to": {"all": True}, "title": "t"}))["code"] == "forbidden"
        assert (await client.call("notification_inbox", {}))["status"] == "ok"  # the own one: nobody is asked
    asked = {(q.user_id, q.role, q.action, q.shown) for q in decider.asked}
    assert ("anna", "nurse", "field_update", "room.screening_P 2") in asked
    assert not [q for q in decider.asked if q.shown in ("user.anna", "role.nurse")]


async def test_without_an_answer_nothing_is_let_through(system: System) -> None:
    async with person(system, "zoe") as client:
        for event, payload in (
            ("join_patient_room", {"patient_id": "P"}),
            ("queue_open", {"queue": "ears"}),
            ("subscribe_to_updates", {"type": "t"}),
            ("field_update", {"patient_id": "P", "field": "f", "value": 1}),
        ):
            refused = await client.call(event, payload)
            assert (refused["code"], refused["retry"]) == ("unavailable", True), event
        assert (await client.call("notification_inbox", {}))["status"] == "ok"
        async with authoriser(system.nats.url):
            assert (await client.call("join_patient_room", {"patient_id": "P"}))["status"] == "ok"
        await asyncio.sleep(2)  # it is asked again meanwhile, and does not answer: that ends nothing yet
        assert not client.bodies("room_left")


async def test_what_is_followed_is_entered_when_the_authoriser_answers_again(system: System) -> None:
    topic, anna = f"board-{next(_numbers)}", f"anna-{next(_numbers)}"
    async with authoriser(system.nats.url), person(system, anna) as before:
        assert (await before.call("topic_follow", {"topic": topic}))["status"] == "ok"
    await asyncio.sleep(2)  # an answer counts for a second
    async with person(system, anna) as client, person(system, "sender") as sender:
        await client.got("sync_point")
        note = {"to": {"topic": topic}, "title": "t"}
        async with authoriser(system.nats.url), asyncio.timeout(60):
            while not client.bodies("notification"):
                await sender.call("notification_send", note)
                await asyncio.sleep(0.3)


async def test_who_changes_its_mind_ends_memberships(system: System, process: Node, decider: Authoriser) -> None:
    """On one edge within the second for which an answer counts; on the other at once, when somebody says so."""
    patient = f"P-{next(_numbers)}"
    readers = [await page(process, system, edge, "reader", patient) for edge in ("edge", "slow")]
    writer = await page(process, system, "edge", "writer", patient)
    done = asyncio.Event()

    async def write() -> int:
        for n in itertools.count():
            update = {"patient_id": patient, "field": "f", "value": n}
            answer = await writer.call("field_update", update)
            assert answer["status"] == "ok", answer
            await asyncio.sleep(0.02)  # within what a client may send in a second
            if done.is_set():
                return n
        raise AssertionError

    def decide(question: AccessQuestion) -> AccessAnswer:
        return AccessAnswer(allowed=question.user_id != "reader", reason="no longer yours")

    async with asyncio.TaskGroup() as group, log_reader(system.nats.url) as log:
        writing = group.create_task(write())
        for reader in readers:
            await reader.until(lambda reader=reader: len(reader.bodies("field_updated")) > 5, "facts")  # type: ignore[misc]
        decider.decide = decide
        left = await readers[0].got("room_left")
        assert left == {"room": f"screening_{patient}", "message": "no longer yours"}
        assert not readers[1].bodies("room_left")
        await access.rights_changed(log.nc, "reader", actor="test")
        await readers[1].got("room_left")
        seen = len(writer.bodies("field_updated"))
        await writer.until(lambda: len(writer.bodies("field_updated")) > seen + 10, "facts after the end")
        done.set()
    assert [body["value"] for body in writer.bodies("field_updated")][: writing.result()] == list(
        range(writing.result())
    )
    for reader in readers:
        assert "field_updated" not in reader.names(since=reader.names().index("room_left"))
        assert (await reader.call("join_patient_room", {"patient_id": patient}))["code"] == "forbidden"
    await process.close_all()


async def test_doubt_ends_memberships_when_its_time_is_over(system: System, process: Node) -> None:
    patient = f"P-{next(_numbers)}"
    async with authoriser(system.nats.url):
        reader = await page(process, system, "slow", "doubted", patient)
    async with log_reader(system.nats.url) as log:
        await access.rights_changed(log.nc, "doubted", actor="test")
        assert "cannot be known now" in (await reader.got("room_left"))["message"]
    assert (await reader.call("ping"))["status"] == "ok"
    await process.close_all()


async def test_a_session_is_not_taken_up_while_its_rights_cannot_be_known(system: System, process: Node) -> None:
    """The client comes again by itself, and has missed nothing when it is let in."""
    patient = f"P-{next(_numbers)}"
    async with authoriser(system.nats.url):
        reader = await page(process, system, "edge", "back", patient)
    await asyncio.sleep(1.2)  # nothing is remembered
    await reader.cut()
    await reader.until(lambda: not reader.connected, "the cut")
    await asyncio.sleep(1)
    assert not reader.connected
    async with authoriser(system.nats.url):
        await reader.is_connected(times=2)
        assert reader.recovered == [False, True]
        assert (await reader.call("join_patient_room", {"patient_id": patient}))["status"] == "ok"
    await process.close_all()
