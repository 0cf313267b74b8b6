"""What the stock JavaScript clients may rely on, on polling, WebSocket and through the upgrade: order, who gets an own
event back, calls with a timeout, namespaces."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from confer_kit.testing import System, running_system
from confer_kit.testing.javascript import WAYS, JavaScriptClient, Node, Way, node

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.node]

every_way = pytest.mark.parametrize("way", WAYS, ids=str)
WAVE = 20
_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    """An upgrade may take its time while the page goes on calling."""
    rate = {"CONFER_EVENTS_PER_S": "100000", "CONFER_EVENTS_BURST": "100000"}
    async with running_system(CONFER_HEALTH_CHECK_S="600", **rate) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process() -> AsyncIterator[Node]:
    async with node(Path(__file__).parent / "js") as running:
        yield running


async def opened(process: Node, system: System, way: Way, user: str, *steps: list[Any]) -> JavaScriptClient:
    options = {
        "transports": way.transports,
        "query": {"user_id": user, "user_name": user},
        "reconnectionDelay": 100,
        "reconnectionDelayMax": 500,
    }
    return await process.open(way.version, system.url(), options, *steps, name=user)


def update(room: str, value: Any) -> dict[str, Any]:
    return {"patient_id": room, "field": "f", "value": value}


@every_way
async def test_calls_acks_replies_and_facts_keep_their_order(system: System, process: Node, way: Way) -> None:
    """From the very first packets on: where the connection is upgraded, that happens in the middle of them."""
    room = f"order-{next(_numbers)}"
    page = await opened(process, system, way, "page", ["emit", "join_patient_room", {"patient_id": room}])
    count = 0
    while count < 2 * WAVE or len(page.upgrades) < len(way.transports) - 1:
        wave = [
            work
            for n in range(count, count + WAVE)
            for work in (page.call("field_update", update(room, n)), page.call("ping"))
        ]
        await asyncio.gather(*wave)
        count += WAVE
    await page.until(lambda: len(page.bodies("field_updated")) == count, "all facts")
    assert [body["value"] for body in page.bodies("field_updated")] == list(range(count))
    heard = [_shown(name, body) for name, body in page.order if name in ("ack", "pong")]
    assert heard == [what for n in range(1, count + 1) for what in (n, "pong", "done")]
    await page.close()


def _shown(name: str, body: Any) -> Any:
    """The version that an update was acknowledged with; `done` for a ping; `pong`."""
    if name == "pong":
        return name
    return body["version"] if "version" in body else {"ok": "done"}[body["status"]]


@every_way
async def test_nobody_gets_its_own_back_live_or_when_it_returns(system: System, process: Node, way: Way) -> None:
    session = f"S{next(_numbers)}"
    pages = [await opened(process, system, way, user) for user in ("ann", "bob")]
    for page in pages:
        await page.is_connected()
        assert (await page.call("join_room", {"room": f"hospital_mobile_session_{session}"}))["status"] == "ok"

    async def complete(page: JavaScriptClient, value: str) -> None:
        field = {"session_id": session, "step": "eyes", "field_name": "f", "final_value": value, "user_name": "x"}
        assert (await page.call("field_completed", field))["status"] == "ok"

    ann, bob = pages
    await complete(bob, "bob 1")
    await ann.got("live_field_updated", lambda body: body["new_value"] == "bob 1")
    await complete(ann, "ann 1")  # behind the offset that ann has: a replay comes past it
    await ann.cut()
    await complete(bob, "bob 2")
    await ann.is_connected(times=2)
    await ann.got("live_field_updated", lambda body: body["new_value"] == "bob 2")
    await complete(ann, "ann 2")
    await bob.got("live_field_updated", lambda body: body["new_value"] == "ann 2")
    assert ann.recovered == [False, True]
    assert [body["new_value"] for body in ann.bodies("live_field_updated")] == ["bob 1", "bob 2"]
    assert [body["new_value"] for body in bob.bodies("live_field_updated")] == ["ann 1", "ann 2"]
    for page in pages:
        await page.close()


@every_way
async def test_an_answer_that_comes_after_the_clients_timeout_does_no_harm(
    system: System, process: Node, way: Way
) -> None:
    room, sync = f"late-{next(_numbers)}", system.processes["sync-svc"]
    page = await opened(process, system, way, "page")
    assert (await page.call("join_patient_room", {"patient_id": room}))["status"] == "ok"
    sync.freeze()
    try:
        with pytest.raises(TimeoutError, match="operation has timed out"):
            await page.call_within(0.3, "field_update", update(room, "late"))
    finally:
        sync.thaw()
    answer = await page.call_within(30, "field_update", update(room, "in time"))
    assert (answer["status"], answer["version"]) == ("ok", 2)
    await page.until(lambda: len(page.bodies("field_updated")) == 2, "both facts")
    assert not page.disconnects
    await page.close()


@every_way
async def test_an_unknown_namespace_is_refused_and_the_known_one_is_not_touched(
    system: System, process: Node, way: Way
) -> None:
    page = await opened(process, system, way, "page")
    await page.is_connected()
    lost = await process.open(way.version, f"{system.url()}/nowhere", {"transports": way.transports})
    await lost.until(lambda: bool(lost.connect_errors), "the refusal")
    assert lost.connect_errors == [("Invalid namespace", None)]
    assert (await page.call("ping"))["status"] == "ok"
    for client in (lost, page):
        await client.close()
