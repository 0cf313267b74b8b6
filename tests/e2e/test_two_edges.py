"""One room over two edges: the same facts, views and people; an edge that goes away sends its clients elsewhere."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from confer_contracts.ids import patient_room
from confer_kit.testing import System, running_system
from confer_kit.testing.client import Client
from confer_kit.testing.javascript import JavaScriptClient, node
from confer_kit.testing.log import log_reader
from confer_kit.testing.overheard import overheard

pytestmark = pytest.mark.asyncio(loop_scope="module")

JS = Path(__file__).parent / "js"
FACTS = ("field_updated", "step_updated", "patient_ticket_queued", "patient_ticket_called", "user_left")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    """Nobody counts as gone while an edge starts again, however long that takes."""
    patience = {
        "CONFER_DROP_GRACE_S": "120",
        "CONFER_PRESENCE_DROPPED_GRACE_S": "120",
        "CONFER_PRESENCE_LEASE_S": "120",
        "CONFER_PRESENCE_GONE_S": "120",
    }
    async with running_system(CONFER_BEAT_S="1", CONFER_LEAVE_GRACE_S="0", **patience) as running:
        await running.add_edge("edge2")
        await running.healthy("edge2")
        yield running


async def _member(stack: AsyncExitStack, system: System, edge: str, user: str, patient: str, **options: Any) -> Client:
    client = Client(user, **options)
    stack.push_async_callback(client.close)
    await client.connect(system.url(edge))
    assert (await client.call("join_patient_room", patient_id=patient))["status"] == "ok"
    return client


async def test_both_edges_show_the_same_facts_in_the_order_of_live(system: System) -> None:
    """Facts of four services, which only LIVE puts into one order."""
    async with AsyncExitStack() as stack:
        ann = await _member(stack, system, "edge", "ann", "p1")
        bob = await _member(stack, system, "edge2", "bob", "p1", transport="polling")
        await _member(stack, system, "edge", "eve", "p1")

        async def write(client: Client) -> None:
            for n in range(20):
                await client.until_ok("field_update", patient_id="p1", field="notes", value=n)
                await client.until_ok("step_update", patient_id="p1", step=n % 3, status="completed")

        async def attend(client: Client) -> None:
            await client.until_ok("queue_enqueue", queue="eyes", patient_id="p1")
            await client.until_ok("queue_call_next", queue="eyes")

        await asyncio.gather(write(ann), write(bob), attend(ann))
        dan = await _member(stack, system, "edge2", "dan", "p1")
        await dan.call("leave_patient_room", patient_id="p1")
        for client in (ann, bob):
            await client.until(lambda client=client: [event.json for event in client.of("user_left")] == ["dan"])  # type: ignore[misc]
        log = await stack.enter_async_context(log_reader(system.nats.url))
        room = await log.live(f"room.{patient_room('p1')}")
        stored = [(_name(m.headers or {}), m.data) for m in room if _name(m.headers or {}) in FACTS]
        assert {name for name, _ in stored} == set(FACTS)
        for client in (ann, bob):
            assert [(event.name, event.body) for event in client.of(*FACTS)] == stored, client.user


def _name(headers: dict[str, str]) -> str:
    return headers.get("Confer-Event-room") or headers.get("Confer-Event", "")


async def test_views_and_ephemera_cross_edges_and_skip_their_origin(system: System) -> None:
    async with AsyncExitStack() as stack:
        ann = await _member(stack, system, "edge", "ann", "p2")
        bob = await _member(stack, system, "edge2", "bob", "p2")
        await ann.until(lambda: any(_names(event.json) == ["ann", "bob"] for event in ann.of("active_users_updated")))
        for client in (ann, bob):
            await client.call("join_room", room="hospital_mobile_session_s 1")
        typed: dict[str, Any] = {"session_id": "s 1", "step": "eyes", "field_name": "notes"}
        await ann.call("live_typing", **typed, current_value="14", user_name="Ann")
        await bob.until(lambda: bob.of("live_field_typing"))
        await bob.call("live_typing", **typed, current_value="15", user_name="Bob")
        await ann.until(lambda: ann.of("live_field_typing"))
        assert [event.json["current_value"] for event in ann.of("live_field_typing")] == ["15"]
        await bob.call("queue_open", queue="ears")
        await ann.until_ok("queue_enqueue", queue="ears", patient_id="p2")
        await bob.until(lambda: [row["patient_id"] for row in bob.of("queue_updated")[-1].json] == ["p2"])


def _names(users: list[dict[str, Any]]) -> list[str]:
    return sorted(user["user_id"] for user in users)


async def test_a_person_in_two_tabs_on_two_edges_is_there_once_until_both_are_gone(system: System) -> None:
    async with AsyncExitStack() as stack:
        ann = await _member(stack, system, "edge", "ann", "p3")
        first = await _member(stack, system, "edge", "bob", "p3")
        second = await _member(stack, system, "edge2", "bob", "p3")
        await first.call("leave_patient_room", patient_id="p3")
        await second.until_ok("field_focus", patient_id="p3", field="notes")  # after the first tab's leave
        await ann.until(lambda: any(event.json["focus"] == "notes" for event in ann.of("user_updated")))
        assert not ann.of("user_left")
        await second.call("leave_patient_room", patient_id="p3")
        await ann.until(lambda: ann.of("user_left"))
        assert [event.json["user_id"] for event in ann.of("user_joined")] == ["bob"]


@pytest.mark.node
async def test_a_stopped_edge_answers_its_calls_and_sends_its_clients_away_to_come_back(system: System) -> None:
    async with AsyncExitStack() as stack:
        watcher = await _member(stack, system, "edge", "watcher", "p4")
        scripts = [
            await _member(stack, system, "edge2", f"py-{way}", "p4", transport=way, reconnects=True)
            for way in ("polling", "websocket")
        ]
        pages = await _pages(stack, system, "p4")
        people = [*(script.user for script in scripts), *pages]

        edge, sync = system.processes["edge2"], system.processes["sync-svc"]
        log = await stack.enter_async_context(log_reader(system.nats.url))
        asked = await stack.enter_async_context(overheard(log.nc, "call.sync.field_update"))
        sync.freeze()
        async with asyncio.TaskGroup() as group:
            write: dict[str, Any] = {"patient_id": "p4", "field": "notes", "value": 1}
            calls = [group.create_task(script.call("field_update", **write)) for script in scripts]
            calls += [group.create_task(page.call("field_update", write)) for page in pages.values()]
            await asked.until(lambda: len(asked.ops) == len(calls))
            assert not any(call.done() for call in calls), "no call was in flight"
            stopping = group.create_task(edge.stop(60))
            async with asyncio.timeout(30):
                while await system.status("/readyz", "edge2") != 503:
                    await asyncio.sleep(0.05)
            sync.thaw()
        assert stopping.result() == 0
        assert [call.result()["status"] for call in calls] == ["ok"] * len(calls)

        for page in pages.values():
            await page.until(lambda page=page: bool(page.disconnects), "the end")  # type: ignore[misc]
            assert page.disconnects == ["transport close"], page.name
        await scripts[0].until(lambda: all(script.ends for script in scripts))
        assert not {end for script in scripts for end in script.ends} & {"server disconnect", "client disconnect"}

        await system.restart("edge2")
        for page in pages.values():
            await page.until(lambda page=page: page.connected and len(page.sids) == 2, "the return", timeout=40)  # type: ignore[misc]
            assert (await page.call("join_patient_room", {"patient_id": "p4"}))["status"] == "ok"
        for script in scripts:
            await script.until(lambda script=script: script.connections == 2)  # type: ignore[misc]
            assert (await script.call("join_patient_room", patient_id="p4"))["status"] == "ok"
        await watcher.until(lambda: sorted(people) == sorted({e.json["user_id"] for e in watcher.of("user_joined")}))
        assert not watcher.of("user_left")
        assert not watcher.ends


async def _pages(stack: AsyncExitStack, system: System, patient: str) -> dict[str, JavaScriptClient]:
    """The official client over each transport, in the room, by user."""
    process = await stack.enter_async_context(node(JS))
    pages = {}
    for name, transports in (
        ("polling", ["polling"]),
        ("websocket", ["websocket"]),
        ("both", ["polling", "websocket"]),
    ):
        user = f"js-{name}"
        options = {"transports": transports, "query": {"user_id": user, "name": user, "role": "nurse"}}
        page = pages[user] = await process.open("4.8", system.url("edge2"), options)
        if name == "both":
            await page.until(lambda page=page: bool(page.upgrades), "the upgrade")  # type: ignore[misc]
        assert (await page.call("join_patient_room", {"patient_id": patient}))["status"] == "ok"
    return pages
