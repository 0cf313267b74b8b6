"""Revoked and kicked: on every edge at once, also on one that was away while it was said; by the command `confer`."""

import asyncio
import itertools
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from confer_contracts.access import STREAM
from confer_kit import access
from confer_kit.testing import System, running_system
from confer_kit.testing.javascript import JavaScriptClient, Node, node
from confer_kit.testing.log import log_reader
from confer_kit.testing.overheard import overheard
from confer_kit.testing.raw import raw_client
from confer_kit.testing.tcp_proxy import TcpProxy, tcp_proxy
from confer_kit.testing.tokens import SECRET, token

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.node]

CONFER = Path(sys.executable).with_name("confer")
_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system(CONFER_IDENTITY="jwt", CONFER_JWT_SECRET=SECRET, CONFER_LEAVE_GRACE_S="0") as running:
        await running.add_edge("edge2")
        await running.healthy("edge2")
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cable(system: System) -> AsyncIterator[TcpProxy]:
    """Between the edge `cut` and NATS."""
    async with tcp_proxy(int(system.nats.url.rpartition(":")[2])) as running:
        await system.add_edge("cut", CONFER_NATS_URL=f"nats://127.0.0.1:{running.port}")
        await system.healthy("cut")
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process() -> AsyncIterator[Node]:
    async with node(Path(__file__).parent / "js") as running:
        yield running


def fresh() -> tuple[str, str]:
    """A user and a patient."""
    number = next(_numbers)
    return f"user {number}.>", f"P-{number}"


async def page(
    process: Node, url: str, user: str, auth: dict[str, Any] | None = None, **query: str
) -> JavaScriptClient:
    options = {
        "transports": ["websocket"], "auth": auth or {"token": token(user, issued_s=-30)}, "query": query,
        "reconnectionDelay": 50, "reconnectionDelayMax": 200,
    }  # fmt: skip
    return await process.open("4.8", url, options, name=user)


async def member(process: Node, url: str, user: str, patient: str) -> JavaScriptClient:
    client = await page(process, url, user)
    await client.is_connected()
    assert (await client.call("join_patient_room", {"patient_id": patient}))["status"] == "ok"
    return client


async def confer(system: System, *arguments: str, code: int = 0) -> str:
    """What `confer access` answers."""
    process = await asyncio.create_subprocess_exec(
        CONFER, "access", *arguments, "--nats-url", system.nats.url,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == code, output.decode()
    return output.decode()


async def ended(client: JavaScriptClient, reason: str) -> dict[str, Any]:
    """It is told, disconnected by the server, and hears nothing after that; what it was told."""
    told: dict[str, Any] = await client.got("session_ended")
    assert told["reason"] == reason
    await client.until(lambda: client.disconnects == ["io server disconnect"], "the end")
    assert client.names()[-1] == "session_ended"
    return told


async def write(client: JavaScriptClient, patient: str, value: Any) -> None:
    update = {"patient_id": patient, "field": "f", "value": value}
    assert (await client.call("field_update", update))["status"] == "ok"


async def test_a_kick_ends_all_sessions_of_a_user_on_both_edges(system: System, process: Node) -> None:
    user, patient = fresh()
    here, there = [await member(process, system.url(edge), user, patient) for edge in ("edge", "edge2")]
    other = await member(process, system.url("edge2"), "other", patient)
    answer = await confer(system, "kick", user, "--reason", "lost tablet", "--message", "Sign in again", "--json")
    assert json.loads(answer)["user"] == user
    for client in (here, there):
        assert (await ended(client, "kicked"))["message"] == "Sign in again"
    await other.got("user_left", lambda body: body == user)
    await write(other, patient, "after")
    await other.got("field_updated", lambda body: body["value"] == "after")
    for client in (here, there):
        await client.connect()
        await client.is_connected(times=2)
        assert client.recovered == [False, False]
        assert (await client.call("join_patient_room", {"patient_id": patient}))["status"] == "ok"
        assert "after" not in [body["value"] for body in client.bodies("field_updated")]
    assert not other.disconnects
    row = next(row for row in json.loads(await confer(system, "list", "--json")) if row["id"] == user)
    assert (row["about"], row["what"], row["reason"], row["message"]) == (
        "user",
        "kicked",
        "lost tablet",
        "Sign in again",
    )
    assert row["actor"]
    assert "lost tablet" in await confer(system, "list")
    await process.close_all()


async def test_one_session_can_be_kicked(system: System, process: Node) -> None:
    user, patient = fresh()
    kicked, spared = [await member(process, system.url("edge2"), user, patient) for _ in range(2)]
    await confer(system, "kick", "--session", kicked.sids[0])
    await ended(kicked, "kicked")
    await write(spared, patient, 1)
    assert not spared.disconnects
    await process.close_all()


async def test_a_revoked_token_does_not_come_back_and_a_newer_one_does(system: System, process: Node) -> None:
    user, patient = fresh()
    old = token(user, issued_s=-30)
    client = await member(process, system.url(), user, patient)
    there = await member(process, system.url("edge2"), user, patient)
    async with raw_client(system.url("edge2"), None, {"token": old}) as lost:
        pass  # its session could be taken up
    await confer(system, "revoke", user, "--actor", "admin")
    for each in (client, there):  # both edges know
        await ended(each, "revoked")
    for url in (system.url(), system.url("edge2")):
        for auth in ({"token": old}, {"token": old, "pid": lost.pid}, {"token": token(user, iat=None)}):
            again = await page(process, url, user, auth)
            await again.until(lambda again=again: bool(again.connect_errors), "a refusal")  # type: ignore[misc]
            data = again.connect_errors[0][1]
            assert (data["code"], data["reason"], data["retry"]) == ("unauthenticated", "revoked", False)
    async with AsyncExitStack() as stack:
        auth = await let_in(system.url("edge2"), lambda: {"token": token(user)})
        newer = await stack.enter_async_context(raw_client(system.url("edge2"), None, auth))
        refused = await newer.call("authenticate", {"token": old})
        assert refused["code"] == "unauthenticated"
        assert (await newer.call("authenticate", {"token": token(user)}))["status"] == "ok"
        assert "is restored" in await confer(system, "restore", user)
        await let_in(system.url(), lambda: {"token": old})
    assert "is not revoked" in await confer(system, "restore", user, code=1)
    assert user not in await confer(system, "list")
    await process.close_all()


async def let_in(url: str, auth: Callable[[], Any], query: dict[str, str] | None = None) -> Any:
    """What lets a client in, tried until it does: an edge hears later than the command ends what was said, and a
    token is surely newer only in a later second."""
    async with asyncio.timeout(30):
        while True:
            async with raw_client(url, query, tried := auth()) as client:
                if client.sid is not None:
                    return tried
            await asyncio.sleep(0.1)


async def test_an_edge_that_was_frozen_learns_it(system: System, process: Node) -> None:
    (user, patient), (kicked, _) = fresh(), fresh()
    reader = await member(process, system.url("edge2"), user, patient)
    out = await member(process, system.url("edge2"), kicked, patient)
    writer = await member(process, system.url(), "writer", patient)
    edge = system.processes["edge2"]
    edge.freeze()
    try:
        await confer(system, "revoke", user)
        await confer(system, "kick", kicked)
        for n in range(5):
            await write(writer, patient, n)
    finally:
        edge.thaw()
    await ended(reader, "revoked")
    await ended(out, "kicked")
    assert not reader.bodies("field_updated")
    assert not out.bodies("field_updated")
    await process.close_all()


async def test_an_edge_that_was_cut_off_delivers_nothing_before_it_knows(
    system: System, process: Node, cable: TcpProxy
) -> None:
    (user, patient), (kicked, _) = fresh(), fresh()
    reader = await member(process, system.url("cut"), user, patient)
    out = await member(process, system.url("cut"), kicked, patient)
    spared = await member(process, system.url("cut"), "spared", patient)
    writer = await member(process, system.url(), "writer", patient)
    cable.cut()
    await confer(system, "revoke", user)
    await confer(system, "kick", kicked)
    for n in range(5):
        await write(writer, patient, n)
    cable.mend()
    await ended(reader, "revoked")
    await ended(out, "kicked")
    await spared.until(lambda: len(spared.bodies("field_updated")) == 5, "what was written meanwhile")
    assert not reader.bodies("field_updated")
    assert not out.bodies("field_updated")
    await process.close_all()


async def test_what_was_revoked_stays_so_while_nats_is_away(system: System, process: Node, cable: TcpProxy) -> None:
    user, patient = fresh()
    client = await member(process, system.url("cut"), user, patient)
    await confer(system, "revoke", user)
    await ended(client, "revoked")  # the edge has heard it
    cable.cut()
    try:
        async with raw_client(system.url("cut"), None, {"token": token(user, issued_s=-30)}) as again:
            assert again.refused["data"]["reason"] == "revoked"
    finally:
        cable.mend()
    await system.healthy("cut")


async def test_an_edge_that_did_not_run_knows_it_when_it_serves(system: System, process: Node) -> None:
    (user, patient), (kicked, _) = fresh(), fresh()
    clients = []
    late = await system.add_edge("late")
    await system.healthy("late")
    for who in (user, kicked):
        clients.append(await member(process, system.url("late"), who, patient))
    await late.kill()
    await confer(system, "revoke", user)
    await confer(system, "kick", kicked)
    await system.restart("late")
    revoked, out = clients
    await revoked.until(lambda: bool(revoked.connect_errors) and revoked.connect_errors[-1][1] is not None, "a refusal")
    assert revoked.connect_errors[-1][1]["reason"] == "revoked"
    await out.is_connected(times=2)
    assert out.recovered == [False, False]
    await process.close_all()


async def test_a_stream_that_is_lost_restores_nobody_and_is_told(system: System) -> None:
    """What was known counts; an edge that cannot hear of more is not ready; the new stream counts from its first word
    on, also about who was revoked in the old one."""
    (revoked, patient), (spared, _), (newcomer, _) = fresh(), fresh(), fresh()
    url, old = system.url(), {"token": token(revoked, issued_s=-30)}
    await confer(system, "revoke", revoked)
    async with AsyncExitStack() as stack:
        member = await stack.enter_async_context(raw_client(url, None, {"token": token(spared, issued_s=-30)}))
        assert (await member.call("join_patient_room", {"patient_id": patient}))["status"] == "ok"
        log = await stack.enter_async_context(log_reader(system.nats.url))
        await log.nc.jetstream().delete_stream(STREAM)
        await system.healthy(status=503)
        assert "revoked" in (await system.health())[1]["reason"]
        async with raw_client(url, None, old) as refused, raw_client(url, None, {"token": token(newcomer)}) as admitted:
            assert refused.refused["data"]["reason"] == "revoked"
            assert admitted.sid
        assert (await member.call("ping"))["status"] == "ok"

        await system.provision()
        for edge in ("edge", "edge2"):
            await system.healthy(edge)
            await system.follows(STREAM, edge)
        async with raw_client(url, None, old) as still:
            assert still.refused["data"]["reason"] == "revoked"
        await confer(system, "revoke", spared)
        assert (await member.got("session_ended"))["reason"] == "revoked"
        assert "is not revoked" in await confer(system, "restore", revoked, code=1)
        async with asyncio.timeout(30):
            while True:
                async with raw_client(url, None, old) as restored:
                    if restored.sid:
                        break


async def test_without_tokens_a_revoked_user_is_refused_until_restored(system: System) -> None:
    user, _ = fresh()
    await system.add_edge("trusting", CONFER_IDENTITY="trusted-query", CONFER_JWT_SECRET="")
    await system.healthy("trusting")
    url, query = system.url("trusting"), {"user_id": user}

    async def refused_somehow() -> None:
        async with raw_client(url, query) as client:
            assert client.refused["data"]["reason"] == "revoked"
        async with raw_client(url) as guest:
            assert (await guest.call("authenticate", {"user_id": user}))["code"] == "unauthenticated"
            joining = {"patient_id": "P", "user": {"user_id": user, "name": "n"}}
            assert (await guest.call("join_screening", joining))["code"] == "unauthenticated"

    async with raw_client(url, query) as client:
        assert client.sid is not None
        await confer(system, "revoke", user)
        await client.got("session_ended")
        await client.until(lambda: client.ended, "the end")
    await refused_somehow()
    await confer(system, "restore", user)
    await let_in(url, lambda: None, query)


async def test_calls_that_wait_when_the_session_ends_are_not_made(system: System) -> None:
    """One is held up in its service; those behind it in the lane come to nothing."""
    user, patient = fresh()
    async with (
        raw_client(system.url(), None, {"token": token(user, issued_s=-30)}) as client,
        log_reader(system.nats.url) as log,
        overheard(log.nc, "call.sync.field_update") as calls,
    ):
        service = system.processes["sync-svc"]
        service.freeze()
        try:
            for n in range(3):
                await client.emit("field_update", {"patient_id": patient, "field": "f", "value": n})
            await client.call("user_heartbeat", {"step": 1})  # overtakes them: they wait in the lane by now
            await calls.until(lambda: bool(calls.ops))
            await access.revoke(log.nc, user, actor="test")
            await client.got("session_ended")
        finally:
            service.thaw()
        await client.until(lambda: client.ended, "the end")
        async with raw_client(system.url(), None, {"token": token("reader")}) as reader:
            joined = await reader.call("join_patient_room", {"patient_id": patient})
            assert joined["sync"]["fields"]["f"]["value"] == 0
            assert len(calls.ops) == 1
