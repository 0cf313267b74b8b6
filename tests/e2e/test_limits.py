"""How much one client may send: a portal's bursts pass, who sends too much is told and then cut off, and nobody else
notices. How often one user may be here, and what a storm of joins does."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from confer_kit.tasks import Tasks
from confer_kit.testing import System, running_system
from confer_kit.testing.javascript import WAYS, Node, Way, node
from confer_kit.testing.raw import RawClient, raw_client

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.node]

PER_S, BURST = 100, 200  # the defaults
PATIENCE = 10 * PER_S
CROWD = 150
LIMIT = "events: more than 100 per second and 200 at once"
_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system(CONFER_HEALTH_CHECK_S="600") as running:
        await running.add_edge(
            "strict", CONFER_CONNECTIONS_PER_USER_MAX="2", CONFER_JOINS_AT_ONCE="1", CONFER_JOIN_WAIT_S="1"
        )
        await running.add_edge(
            "rare", CONFER_CONNECTS_PER_USER_BURST="3", CONFER_CONNECTS_PER_USER_PER_S="0.001",
            CONFER_CONNECTS_PER_ADDRESS_BURST="20", CONFER_CONNECTS_PER_ADDRESS_PER_S="0.001",
            CONFER_TRUSTED_PROXIES="127.0.0.1",
        )  # fmt: skip
        await running.healthy("strict")
        await running.healthy("rare")
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process() -> AsyncIterator[Node]:
    async with node(Path(__file__).parent / "js") as running:
        yield running


async def entered(stack: AsyncExitStack, system: System, user: str, room: str) -> RawClient:
    client = await stack.enter_async_context(raw_client(system.url(), {"user_id": user}, name=user))
    assert (await client.call("join_patient_room", {"patient_id": room}))["status"] == "ok"
    return client


def update(room: str, value: Any) -> dict[str, Any]:
    return {"patient_id": room, "field": "f", "value": value}


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_a_burst_of_two_hundred_on_joining_a_form_passes(system: System, process: Node, way: Way) -> None:
    """All of it is emitted before the connection is up, as pages do."""
    room = f"burst-{next(_numbers)}"
    burst = [["emit", "field_update", update(room, n)] for n in range(BURST - 1)]
    options = {"transports": way.transports, "query": {"user_id": "page"}}
    page = await process.open(way.version, system.url(), options, ["emit", "join_patient_room", {"patient_id": room}])
    await page.steps(*burst)
    await page.until(lambda: len(page.bodies("field_updated")) == len(burst), "all updates")
    assert [body["value"] for body in page.bodies("field_updated")] == list(range(len(burst)))
    assert not page.bodies("error")
    await page.close()


async def test_who_sends_too_much_is_told_and_the_rest_is_done(system: System) -> None:
    room = f"told-{next(_numbers)}"
    async with AsyncExitStack() as stack:
        client, member = [await entered(stack, system, name, room) for name in ("hasty", "member")]
        calls = [client.next_number() for _ in range(2 * BURST)]
        for number in calls:
            await client.send(f"42{number}" + json.dumps(["live_typing", {"refused": "not looked at"}]))
            await client.send(f"42{number}0000" + json.dumps(["field_update", update(room, number)]))
        answers = [await client.acked(number * 10000) for number in calls]
        refused = [answer for answer in answers if answer["status"] != "ok"]
        assert {(r["code"], r["retry"], r["message"]) for r in refused if r["message"] == LIMIT} == {
            ("limit_exceeded", True, LIMIT)
        }
        done = [number for number, answer in zip(calls, answers, strict=True) if answer["status"] == "ok"]
        await member.until(lambda: len(member.bodies("field_updated")) == len(done), "what was accepted")
        assert [body["value"] for body in member.bodies("field_updated")] == done
        assert not client.ended


async def test_without_an_ack_the_refusal_is_an_event_with_the_name(system: System) -> None:
    async with AsyncExitStack() as stack:
        client = await entered(stack, system, "terse", f"terse-{next(_numbers)}")
        for _ in range(2 * BURST):
            await client.emit("user_heartbeat", {"step": 1})
        told = await client.got("error")
        assert (told["code"], told["event"], told["message"]) == ("limit_exceeded", "user_heartbeat", LIMIT)


@pytest.mark.parametrize(
    "packet",
    [
        '42["ping",null]', '42["no_such_event"]', '42["x",{"deep":' + "[" * 500 + "]" * 500 + "}]", "40", "40/nowhere,",
        "41/nowhere,", "430[]", "3", "6", "5",
    ],
    ids=lambda packet: packet[:12],
)  # fmt: skip
async def test_who_goes_on_is_cut_off_and_told_why(system: System, packet: str) -> None:
    """Whatever it is that it sends."""
    before = await system.metrics("edge")
    async with raw_client(system.url(), {"user_id": "flooder"}) as flooder:
        await flood(flooder, packet)
        last = flooder.bodies("error")[-1]
        assert (last["code"], last["retry"]) == ("limit_exceeded", True)
        assert last["message"] == f"{LIMIT} for 10 s: the connection ends"
        assert len(flooder.events) < 2 * (BURST + PATIENCE) + 50
    await system.risen(before, "confer_edge_limits_total", limit="events_for_too_long")
    await system.risen(before, "confer_edge_limits_total", limit="events", by=PATIENCE)


async def flood(client: RawClient, packet: str) -> None:
    """Until the connection ends."""
    async with asyncio.timeout(30):
        while not client.ended:
            for _ in range(100):
                try:
                    await client.send(packet)
                except (ConnectionError, aiohttp.ClientError):
                    break
            await asyncio.sleep(0)


@pytest.mark.parametrize("kind", ["ping", "pong"])
async def test_control_frames_of_the_websocket_are_bounded(system: System, kind: str) -> None:
    query = {"EIO": "4", "transport": "websocket", "user_id": kind}
    before = await system.metrics("edge")
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{system.url()}/socket.io/", params=query) as socket:
        await socket.send_str("40")
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            async with asyncio.timeout(30):
                while True:
                    await getattr(socket, kind)(b"x")
        async with asyncio.timeout(30):
            async for _ in socket:
                pass
    await system.risen(before, "confer_edge_limits_total", limit="events_for_too_long")


@pytest.mark.parametrize("body", ['42["ping",null]', "6"])
async def test_who_floods_by_post_is_told_in_its_next_get(system: System, body: str) -> None:
    url, query = f"{system.url()}/socket.io/", {"EIO": "4", "transport": "polling", "user_id": "poster"}
    packets = "\x1e".join([body] * 500)
    tasks, heard = Tasks(), []
    async with aiohttp.ClientSession() as http:
        async with http.get(url, params=query) as answer:
            query["sid"] = json.loads((await answer.text())[1:])["sid"]

        async def listen() -> None:
            status = 200
            while status == 200:
                async with http.get(url, params=query) as answer:
                    status = answer.status
                    heard.extend((await answer.text()).split("\x1e"))

        async with http.post(url, params=query, data="40") as answer:
            assert answer.status == 200
        tasks.start(listen())
        async with asyncio.timeout(30):
            while True:
                async with http.post(url, params=query, data=packets) as answer:
                    if answer.status != 200:
                        break
        assert await tasks.finished(30)
    (told,) = [packet for packet in heard if "the connection ends" in packet]
    assert told.startswith('42["error",{"status":"error","code":"limit_exceeded"')


async def test_a_flood_of_one_client_is_nobody_else_s_affair(system: System) -> None:
    """Others in the same room and in another one keep writing: each is answered, none refused, in order."""
    flooded, other = f"flooded-{next(_numbers)}", f"other-{next(_numbers)}"
    async with AsyncExitStack() as stack:
        members = {name: await entered(stack, system, name, flooded) for name in ("anna", "mali")}
        members |= {name: await entered(stack, system, name, other) for name in ("bert", "nok")}
        flooder = await entered(stack, system, "flooder", flooded)
        before, tasks = await system.metrics("edge"), Tasks()
        tasks.start(flood(flooder, "42" + json.dumps(["field_update", update(flooded, "flood")])))
        while not flooder.ended:
            for name, member in members.items():
                room = flooded if name in ("anna", "mali") else other
                assert (await member.call("field_update", update(room, name)))["status"] == "ok"
        await system.risen(before, "confer_edge_limits_total", limit="events_for_too_long")
        assert await tasks.finished(30)
        for name in ("bert", "nok"):
            assert "flood" not in [body["value"] for body in members[name].bodies("field_updated")]
        assert not any(member.bodies("error") or member.ended for member in members.values())


async def test_an_address_comes_so_often(system: System) -> None:
    """The rest is shown at the transport: tests/integration/edge/test_http_limits.py."""
    before, query = await system.metrics("rare"), {"EIO": "4", "transport": "polling"}
    async with aiohttp.ClientSession(headers={"X-Forwarded-For": "192.0.2.1"}) as http:
        for status in [200] * 20 + [429, 429]:
            async with http.get(f"{system.url('rare')}/socket.io/", params=query) as answer:
                assert answer.status == status
    await system.risen(before, "confer_edge_limits_total", limit="connects_per_address", by=2)


async def test_a_storm_of_joins_is_served_while_another_room_works(system: System) -> None:
    """Nobody is told that a part is away; and the others' updates are taken."""
    stormed, quiet = f"stormed-{next(_numbers)}", f"quiet-{next(_numbers)}"
    async with AsyncExitStack() as stack:
        writer = await entered(stack, system, "writer", quiet)
        crowd = [
            await stack.enter_async_context(raw_client(system.url(), {"user_id": f"crowd-{number}"}))
            for number in range(CROWD)
        ]
        joining = asyncio.gather(
            *(member.call("join_patient_room", {"patient_id": stormed}, timeout=60) for member in crowd)
        )
        while not joining.done():
            assert (await writer.call("field_update", update(quiet, "on")))["status"] == "ok"
        for answer in joining.result():
            assert answer["status"] == "ok"
            assert answer["sync"]["status"] == answer["presence"]["status"] == "ok"


async def welcomed(stack: AsyncExitStack, url: str, user: str) -> RawClient:
    """Whose inbox is there, which took a turn of its own."""
    client = await stack.enter_async_context(raw_client(url, {"user_id": user}, name=user))
    await client.got("notification_counts")
    return client


async def test_a_join_that_waits_too_long_is_told(system: System) -> None:
    """A service that hangs holds the only turn."""
    url, room = system.url("strict"), {"patient_id": f"hanging-{next(_numbers)}"}
    async with AsyncExitStack() as stack:
        first, second = [await welcomed(stack, url, user) for user in ("first", "second")]
        system.processes["sync-svc"].freeze()
        try:
            answers = await asyncio.gather(*(client.call("join_patient_room", room) for client in (first, second)))
        finally:
            system.processes["sync-svc"].thaw()
        served, told = sorted(answers, key=lambda answer: answer["status"] != "ok")
        assert (served["status"], served["sync"]["status"]) == ("ok", "unavailable")
        assert (told["code"], told["retry"]) == ("unavailable", True)
        assert told["message"] == "joins: 1 at a time, and this one has waited 1 s"
        assert (await second.call("join_patient_room", room))["status"] == "ok"
