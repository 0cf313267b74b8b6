"""The edge's numbers: each is seen to move, by as much as it should, and no label has a value that was not foreseen."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import nats
import pytest
import pytest_asyncio

import confer_edge.metrics
import confer_kit.metrics
from confer_contracts.portal import SESSION_PREFIX
from confer_kit import access
from confer_kit.metrics import FORESEEN
from confer_kit.testing import System, running_system
from confer_kit.testing.javascript import WAYS, Node, Way, node
from confer_kit.testing.metrics import Metrics
from confer_kit.testing.raw import RawClient, raw_client
from confer_kit.testing.tokens import SECRET, token

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.node]

LIMITS = {
    "CONFER_ROOMS_MAX": "5",  # two of them are everybody's own
    "CONFER_NESTING_MAX": "3",
    "CONFER_PENDING_CALLS_MAX": "1",
    "CONFER_RECOVERY_WINDOW_S": "0.5",
}
STERN = {"CONFER_HANDSHAKE_S": "3", "CONFER_PING_INTERVAL_S": "3", "CONFER_PING_TIMEOUT_S": "3"}
EDGES = ("edge", "limited", "stern", "jwt")
_numbers = itertools.count(1)
_OWN = [*vars(confer_edge.metrics).values(), *vars(confer_kit.metrics).values()]  # not those of services


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system(CONFER_HEALTH_CHECK_S="600") as running:
        await running.add_edge("limited", **LIMITS)
        await running.add_edge("stern", **STERN)
        await running.add_edge("jwt", CONFER_IDENTITY="jwt", CONFER_JWT_SECRET=SECRET)
        for edge in EDGES:
            await running.healthy(edge)
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process() -> AsyncIterator[Node]:
    async with node(Path(__file__).parent / "js") as running:
        yield running


def room() -> str:
    return f"M{next(_numbers)}"


@asynccontextmanager
async def member(system: System, user: str, *rooms: str, edge: str = "edge", **more: Any) -> AsyncIterator[RawClient]:
    async with raw_client(system.url(edge), {"user_id": user}, name=user, **more) as client:
        await client.got("system_status")
        for each in rooms:
            assert (await client.call("join_patient_room", {"patient_id": each}))["status"] == "ok"
        yield client


async def quiet(system: System, edge: str = "edge") -> Metrics:
    """The numbers when those of the test before have gone: what they do is not counted as this one's."""
    return await system.settled(lambda shown: not shown.value("confer_edge_sessions"), edge)


async def write(client: RawClient, room: str, value: Any) -> None:
    assert (await client.call("field_update", {"patient_id": room, "field": "f", "value": value}))["status"] == "ok"


# --- connections ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS[-3:], ids=str)
async def test_clients_by_transport(system: System, process: Node, way: Way) -> None:
    before = await quiet(system)
    client = await process.open(way.version, system.url(), {"transports": way.transports})
    await client.is_connected()
    await system.risen(before, "confer_edge_handshakes_total", transport=way.transports[0])
    await system.risen(before, "confer_edge_clients", transport=way.transports[-1])
    await system.risen(before, "confer_edge_upgrades_total", by=len(way.transports) - 1, outcome="succeeded")
    await system.risen(before, "confer_edge_connects_total", outcome="new")
    await system.risen(before, "confer_edge_sessions")
    await system.risen(before, "confer_edge_memberships", by=None)
    await client.close()
    await system.risen(before, "confer_edge_disconnects_total", reason="client_disconnect")
    await system.risen(before, "confer_edge_clients", by=0)


async def test_an_upgrade_that_fails(system: System) -> None:
    before, path = await quiet(system), f"{system.url()}/socket.io/?EIO=4&transport="
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{path}polling") as answer:
            sid = json.loads((await answer.text())[1:])["sid"]
        async with http.ws_connect(f"{path}websocket&sid={sid}") as socket:
            await socket.send_str("not a probe")
            await socket.receive()
    await system.risen(before, "confer_edge_upgrades_total", outcome="failed")


@pytest.mark.parametrize(
    ("reason", "method", "query", "headers"),
    [
        ("transport", "GET", "EIO=4&transport=smoke", {}),
        ("session", "GET", "EIO=4&transport=polling&sid=nobody", {}),
        ("method", "PUT", "EIO=4&transport=polling", {}),
        ("method", "POST", "EIO=4&transport=polling", {}),
        ("version", "GET", "EIO=3&transport=polling", {}),
        ("origin", "GET", "EIO=4&transport=polling", {"Origin": "https://evil.example"}),
        ("other", "GET", "EIO=4&transport=polling&j=x", {}),
    ],
)
async def test_refused_requests(system: System, reason: str, method: str, query: str, headers: dict[str, str]) -> None:
    before = await quiet(system)
    url = f"{system.url()}/socket.io/?{query}"
    async with aiohttp.ClientSession() as http, http.request(method, url, headers=headers) as answer:
        assert answer.status == 400
    await system.risen(before, "confer_edge_refused_requests_total")
    await system.risen(before, "confer_edge_refused_requests_total", reason=reason)


async def test_a_connection_that_breaks_the_protocol(system: System) -> None:
    before = await quiet(system)
    async with member(system, "vandal") as client:
        await client.send("x")
        await client.until(lambda: client.ended, "the end")
    await system.risen(before, "confer_edge_violations_total")
    await system.risen(before, "confer_edge_disconnects_total", reason="transport_error")


async def test_a_client_that_vanishes(system: System) -> None:
    before, path = await quiet(system, "stern"), f"{system.url('stern')}/socket.io/?EIO=4&transport=polling"
    async with aiohttp.ClientSession() as http:
        async with http.get(path) as answer:
            sid = json.loads((await answer.text())[1:])["sid"]
        async with http.post(f"{path}&sid={sid}", data="40") as answer:
            assert answer.status == 200
        await system.risen(before, "confer_edge_disconnects_total", reason="ping_timeout")
        async with http.get(path):
            pass
    await system.risen(before, "confer_edge_limits_total", limit="handshake_s")


# --- identity ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("bad_signature", token()[:-8] + "AAAAAAAA"),
        ("expired_token", token(expires_s=-60)),
        ("missing_claim", token(exp=None)),
        ("other", token("a\x00b", expires_s=3600)),
        ("decode_error", "a.b.c"),
        ("other", "x" * 20_000),
    ],
)
async def test_refused_tokens(system: System, reason: str, told: str) -> None:
    before = await quiet(system, "jwt")
    async with raw_client(system.url("jwt"), auth={"token": told}) as client:
        assert client.refused
    await system.risen(before, "confer_edge_refused_tokens_total", reason=reason)
    await system.risen(before, "confer_edge_connects_total", outcome="unauthenticated")
    assert (await system.metrics("jwt")).value("confer_edge_sessions") == before.value("confer_edge_sessions")


async def test_claims_that_are_renewed_and_that_expire(system: System) -> None:
    before = await quiet(system, "jwt")
    async with raw_client(system.url("jwt"), auth={"token": token()}) as client:
        await client.call("authenticate", {"token": token(expires_s=6)})
        await system.risen(before, "confer_edge_claims_total", what="renewed")
        await client.got("session_expired")
    await system.risen(before, "confer_edge_claims_total", what="expired")
    await system.risen(before, "confer_edge_disconnects_total", reason="server_disconnect")


async def test_rights_that_are_missing_and_that_end(system: System) -> None:
    before, joined = await quiet(system, "jwt"), room()
    async with raw_client(system.url("jwt"), auth={"token": token(rooms=[joined])}) as client:
        assert (await client.call("join_room", {"room": "another"}))["code"] == "forbidden"
        await system.risen(before, "confer_edge_denied_total", source="claims")
        assert (await client.call("join_room", {"room": joined}))["status"] == "ok"
        await client.call("authenticate", {"token": token(rooms=[])})
        await system.risen(before, "confer_edge_memberships_ended_total")


async def test_sessions_that_are_ended_by_somebody_else(system: System) -> None:
    user, before = "unwanted", await quiet(system, "jwt")
    nc = await nats.connect(system.nats.url)
    async with raw_client(system.url("jwt"), auth={"token": token(user, issued_s=-30)}):
        await access.kick(nc, "user", user, actor="test")
        await system.risen(before, "confer_edge_disconnects_total", reason="kicked")
    async with raw_client(system.url("jwt"), auth={"token": token(user, issued_s=-30)}):
        await access.revoke(nc, user, actor="test")
        await system.risen(before, "confer_edge_disconnects_total", reason="revoked")
    async with raw_client(system.url("jwt"), auth={"token": token(user, issued_s=-30)}) as client:
        assert client.refused
    await system.risen(before, "confer_edge_denied_total", source="revoked")
    await nc.close()


async def test_a_claim_that_is_ignored(system: System) -> None:
    before = await quiet(system)
    async with member(system, "ann") as client:
        await client.call("authenticate", {"user_id": "ben", "role": "doctor"})
    await system.risen(before, "confer_edge_claims_total", what="ignored")


# --- what clients ask -------------------------------------------------------------------------------------


async def test_calls_by_route_and_outcome(system: System) -> None:
    name, before = room(), await quiet(system)
    async with member(system, "ann", name) as client:
        await write(client, name, 1)
        assert (await client.call("field_update", {"patient_id": name, "field": "f", "value": 2, "base_version": 99}))[
            "code"
        ]
        await client.call("field_update", {"patient_id": name})
        await client.emit("field_update", {"patient_id": name})
        await client.call("no_such_event", {})
        await client.send('423["join_patient_room",{"patient_id":"\\ud800"}]')
        await client.acked(3)
    calls, seconds = "confer_edge_calls_total", "confer_edge_call_duration_seconds_count"
    await system.risen(before, calls, route="join_patient_room", outcome="ok")
    await system.risen(before, calls, route="join_patient_room", outcome="invalid")
    await system.risen(before, calls, route="field_update", outcome="ok")
    await system.risen(before, calls, route="field_update", outcome="invalid", by=3)
    await system.risen(before, calls, route="other", outcome="invalid")
    await system.risen(before, seconds, route="field_update", by=4)
    await system.risen(before, calls, by=7)


async def test_a_join_while_a_service_is_away(system: System) -> None:
    before = await quiet(system)
    async with member(system, "ann", room()):
        await system.risen(before, "confer_edge_joins_total", outcome="whole", by=2)  # her inbox is one
        await system.processes["sync-svc"].kill()
        async with member(system, "ben", room()):
            await system.risen(before, "confer_edge_joins_total", outcome="partial")
    await system.restart("sync-svc")


async def test_limits(system: System) -> None:
    before = await quiet(system, "limited")
    async with member(system, "ann", edge="limited") as client:
        answers = [await client.call("join_patient_room", {"patient_id": room()}) for _ in range(6)]
        assert answers[-1]["code"] == "limit_exceeded"
        await system.risen(before, "confer_edge_limits_total", limit="rooms_max", by=None)
        deep = {"patient_id": "x", "field": "f", "value": [[[[1]]]]}
        assert (await client.call("field_update", deep))["code"] == "invalid"
        await system.risen(before, "confer_edge_limits_total", limit="nesting_max")
        for _ in range(20):
            await client.emit("field_update", {"patient_id": "x", "field": "f", "value": 1})
        await client.got("error", lambda body: body["code"] == "limit_exceeded")
    await system.risen(before, "confer_edge_limits_total", limit="pending_calls_max", by=None)


# --- what clients get -------------------------------------------------------------------------------------


async def test_deliveries_are_counted_for_each_member(system: System) -> None:
    name = room()
    typing = {"session_id": name, "step": "s", "field_name": "f", "current_value": "v", "user_name": "n"}
    async with AsyncExitStack() as stack:
        members = [await stack.enter_async_context(member(system, user, name)) for user in ("ann", "ben", "cem")]
        for each in members:
            await each.call("join_room", {"room": f"{SESSION_PREFIX}{name}"})
        for each in members[:2]:
            await each.until(lambda e=each: [b["user_id"] for b in e.bodies("user_joined")].count("cem") == 2)  # type: ignore[misc]
        before = await system.metrics()
        await write(members[0], name, 1)
        await members[0].emit("live_typing", typing)
        for each in members[1:]:
            await each.got("field_updated")
            await each.got("live_field_typing")
        await system.risen(before, "confer_edge_deliveries_total", what="fact", by=3)
        await system.risen(before, "confer_edge_deliveries_total", what="view", by=None)


async def test_the_live_feed(system: System) -> None:
    before = await system.metrics()
    await system.risen(before, "confer_edge_feed_delay_seconds_count", by=None)
    system.nats.freeze()
    try:
        async with asyncio.timeout(60):
            while (await system.metrics()).value("confer_edge_feed_silence_seconds") < 5:
                await asyncio.sleep(0.2)
    finally:
        system.nats.thaw()
    await system.healthy()


# --- recovery ---------------------------------------------------------------------------------------------


async def test_a_session_that_is_taken_up(system: System) -> None:
    name = room()
    async with member(system, "writer") as writer, member(system, "reader", name) as first:
        before = await system.metrics()
        await write(writer, name, 1)
        await first.got("field_updated")
        async with raw_client(system.url(), {"user_id": "reader"}, {"pid": first.pid}) as second:
            assert second.sid == first.sid
            await second.got("field_updated")
            await system.risen(before, "confer_edge_connects_total", outcome="recovered")
            await system.risen(before, "confer_edge_recoveries_total", outcome="recovered")
            await system.risen(before, "confer_edge_deliveries_total", what="replayed", by=None)
            await system.risen(before, "confer_edge_disconnects_total", reason="superseded")


async def test_a_session_that_goes_on_at_another_edge(system: System) -> None:
    before, there = await quiet(system), system.url("limited")
    async with (
        member(system, "nomad", room()) as first,
        raw_client(there, {"user_id": "nomad"}, {"pid": first.pid}) as second,
    ):
        assert second.sid == first.sid
        await first.emit("join_patient_room", {"patient_id": room()})
        await first.until(lambda: first.ended, "the end")
    await system.risen(before, "confer_edge_disconnects_total", reason="cut_off")


async def test_sessions_that_are_not_taken_up(system: System) -> None:
    async def tried(outcome: str, user: str, edge: str = "edge", **auth: Any) -> None:
        before = await system.metrics(edge)
        async with raw_client(system.url(edge), {"user_id": user}, auth) as client:
            assert client.sid
        await system.risen(before, "confer_edge_recoveries_total", outcome=outcome)
        assert (await system.metrics(edge)).value("confer_edge_recoveries_total") == (
            before.value("confer_edge_recoveries_total") + 1
        )

    async with member(system, "ann", room()) as client:
        await tried("unknown", "ann", pid="guessed")
        await tried("user", "ben", pid=client.pid)
        await tried("offset", "ann", pid=client.pid, offset="nonsense")
        epoch = (await client.got("sync_point"))["offset"].rpartition(".")[0]
        await tried("ahead", "ann", pid=client.pid, offset=f"{epoch}.999999999")
    async with member(system, "ann", edge="limited") as client:
        pid = client.pid
        await client.send("x")
        await client.until(lambda: client.ended, "the end")
    await asyncio.sleep(1.5)
    await tried("window", "ann", edge="limited", pid=pid)


async def test_a_new_log(system: System) -> None:
    name = room()
    async with member(system, "ann", name) as client:
        before = await system.metrics()
        nc = await nats.connect(system.nats.url)
        await nc.jetstream().delete_stream("LIVE")
        await nc.close()
        await system.provision()
        await client.got("resync")
        await system.risen(before, "confer_edge_resyncs_total", by=None)
        await system.risen(before, "confer_follower_resets_total", stream="LIVE")
    for edge in EDGES:
        await system.healthy(edge)


# --- all of them ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edge", EDGES)
async def test_no_label_has_a_value_that_was_not_foreseen(system: System, edge: str) -> None:
    """Runs after all others: a value that appears with its first event is missed by whoever watches for a rise."""
    shown, compared = await system.metrics(edge), 0
    for metric, values in FORESEEN.items():
        if not any(metric is one for one in _OWN):
            continue
        (family,) = metric.describe()  # type: ignore[attr-defined]
        found = {value for sample in shown.families[family.name].samples for value in sample.labels.values()}
        assert found <= set(values), family.name
        compared += len(found)
    assert compared > 30


@pytest.mark.parametrize("edge", EDGES)
async def test_sessions_are_those_that_came_and_did_not_go(system: System, edge: str) -> None:
    """When the last one has gone."""
    shown = await quiet(system, edge)
    came = sum(shown.value("confer_edge_connects_total", outcome=outcome) for outcome in ("new", "recovered"))
    assert came == shown.value("confer_edge_disconnects_total")
