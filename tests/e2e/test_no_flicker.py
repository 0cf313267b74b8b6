"""A page that is loaded again, and an edge that is killed: to the others nobody leaves and nobody comes."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from confer_kit.testing import System, running_system
from confer_kit.testing.client import Client
from confer_kit.testing.javascript import JavaScriptClient, Node, node

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.node]

JS = Path(__file__).parent / "js"
COMING_AND_GOING = {"user_joined", "user_left"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    """A slow machine loads a page within the grace, and comes back within the lease."""
    timing = {"CONFER_BEAT_S": "1", "CONFER_PRESENCE_LEASE_S": "12", "CONFER_PRESENCE_GONE_S": "12"}
    async with running_system(**timing, CONFER_PRESENCE_SETTLE_S="6", CONFER_LEAVE_GRACE_S="30") as running:
        await running.add_edge("edge2")
        await running.healthy("edge2")
        yield running


async def page(
    process: Node, system: System, user: str, patient: str, transport: str, step: int = 3
) -> JavaScriptClient:
    """The stock client of somebody in the patient's room, on the second edge."""
    query = {"user_id": user, "user_name": user, "user_role": "nurse"}
    options = {"transports": [transport], "query": query, "reconnectionDelay": 50, "reconnectionDelayMax": 400}
    client = await process.open("4.8", system.url("edge2"), options)
    answer = await client.call("join_patient_room", {"patient_id": patient, "step": step})
    assert (answer["status"], answer["presence"]["status"]) == ("ok", "ok")
    return client


async def watcher(stack: AsyncExitStack, system: System, patient: str) -> Client:
    """On the first edge."""
    client = Client("watcher")
    stack.push_async_callback(client.close)
    await client.connect(system.url())
    assert (await client.call("join_patient_room", patient_id=patient))["status"] == "ok"
    return client


async def test_a_page_that_is_loaded_again_is_at_most_an_update(system: System) -> None:
    async with AsyncExitStack() as stack:
        process = await stack.enter_async_context(node(JS))
        other = await watcher(stack, system, "p1")
        for transport in ("polling", "websocket"):
            before = await page(process, system, transport, "p1", transport)
            await until_in(other, transport, joined)
            seen = len(other.received)
            await before.close()
            again = await page(process, system, transport, "p1", transport, step=4)
            await again.call("field_focus", {"patient_id": "p1", "field": transport})  # later than all of the above
            await until_in(other, transport, focused)
            assert not COMING_AND_GOING & {event.name for event in other.received[seen:]}


async def test_people_of_a_killed_edge_who_are_back_on_another_one_do_not_flicker(system: System) -> None:
    """Judged after the sweep, which the leave of somebody who does not come back proves."""
    async with AsyncExitStack() as stack:
        process = await stack.enter_async_context(node(JS))
        other = await watcher(stack, system, "p2")
        back = [await page(process, system, name, "p2", name) for name in ("polling", "websocket")]
        await page(process, system, "gone", "p2", "websocket")
        for name in ("polling", "websocket", "gone"):
            await until_in(other, name, joined)
        seen = len(other.received)

        for client in back:
            await client.move(system.url())
        await system.processes["edge2"].kill()
        await other.until(lambda: [e.json for e in other.of("user_left")] == ["gone"], within=60)
        for client in back:
            await client.is_connected(times=2)
            assert client.recovered == [False, True]
            await client.call("field_focus", {"patient_id": "p2", "field": client.name})
            await until_in(other, client.name, focused)
        coming_and_going = [(e.name, e.json) for e in other.received[seen:] if e.name in COMING_AND_GOING]
        assert coming_and_going == [("user_left", "gone")]


async def until_in(client: Client, name: str, told: Callable[[Client], list[str]]) -> None:
    await client.until(lambda: name in told(client))


def joined(client: Client) -> list[str]:
    return [event.json["user_id"] for event in client.of("user_joined")]


def focused(client: Client) -> list[str]:
    return [event.json["focus"] for event in client.of("user_updated")]
