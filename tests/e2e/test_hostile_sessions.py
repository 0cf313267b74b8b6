"""Tokens, sessions and requests that are forged, broken or guessed: each is answered and counted, and what could be
used by whoever reads the log is not in it."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from confer_kit.testing import System, running_system
from confer_kit.testing.raw import RawClient, raw_client
from confer_kit.testing.tokens import SECRET, token

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAX_PAYLOAD = 1_000_000
POLLING = {"EIO": "4", "transport": "polling"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system(CONFER_LOG_LEVEL="debug", CONFER_HEALTH_CHECK_S="600") as running:
        await running.add_edge("jwt", CONFER_IDENTITY="jwt", CONFER_JWT_SECRET=SECRET, CONFER_JWT_AUDIENCE="confer")
        await running.add_edge("hasty", CONFER_REQUEST_S="1")
        for edge in ("jwt", "hasty"):
            await running.healthy(edge)
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(30)) as session:
        yield session


def logged(system: System, edge: str, secret: str) -> bool:
    assert "metrics on" in system.processes[edge].log, "else it shows nothing"
    return secret in system.processes[edge].log


# --- tokens -------------------------------------------------------------------------------------------------


def unsigned() -> str:
    head = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    return f"{head}.{token(aud='confer').split('.')[1]}."


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param(token(aud="confer", expires_s=-60), "expired_token", id="expired"),
        pytest.param(token(aud="confer")[:-12] + "AAAAAAAAAAAA", "bad_signature", id="another key's signature"),
        pytest.param(unsigned(), "unsupported_algorithm", id="alg none"),
        pytest.param(token(aud="elsewhere"), "invalid_claim", id="another audience"),
        pytest.param(token(), "missing_claim", id="no audience"),
        pytest.param(token(aud="confer", name="x" * 75_000), "other", id="100 kB"),
        pytest.param("not a token, but secret all the same", "decode_error", id="none at all"),
    ],
)
async def test_a_bad_token_is_counted_and_not_logged(system: System, bad: str, reason: str) -> None:
    before = await system.metrics("jwt")
    async with raw_client(system.url("jwt"), {"user_id": "anna"}, {"token": bad}) as client:
        assert client.refused["data"]["code"] == "unauthenticated"
    await system.risen(before, "confer_edge_refused_tokens_total", reason=reason)
    await system.risen(before, "confer_edge_connects_total", outcome="unauthenticated")
    assert not logged(system, "jwt", bad[:30])
    assert not logged(system, "jwt", bad[-30:])


# --- sessions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "outcome"),
    [
        (5, "offset"), (["{epoch}.1"], "offset"), ("", "offset"), ("nonsense", "offset"), ("{epoch}.", "offset"),
        ("{epoch}.-1", "offset"), ("{epoch}.1e3", "offset"), ("00000000.1", "offset"), (".1", "offset"),
        ("{epoch}." + "9" * 5000, "offset"), ("{epoch}." + "9" * 18, "ahead"), ("{epoch}.99999999", "ahead"),
    ],
    ids=lambda value: str(value)[:16],
)  # fmt: skip
async def test_a_forged_offset_begins_anew(system: System, offset: Any, outcome: str) -> None:
    """With the right pid, and while the session is in use: that one goes on."""
    async with raw_client(system.url(), {"user_id": "anna"}) as client:
        epoch = (await entered(client))["offset"].rpartition(".")[0]
        before = await system.metrics()
        forged = offset.replace("{epoch}", epoch) if isinstance(offset, str) else offset
        async with raw_client(system.url(), {"user_id": "anna"}, {"pid": client.pid, "offset": forged}) as again:
            assert again.sid not in (None, client.sid)
            assert again.pid not in (None, client.pid)
        await system.risen(before, "confer_edge_recoveries_total", outcome=outcome)
        assert (await client.call("ping"))["status"] == "ok"
        assert client.pid is not None
        assert not logged(system, "edge", client.pid)


async def test_another_s_pid_is_of_no_use_and_not_logged(system: System) -> None:
    async with raw_client(system.url(), {"user_id": "anna"}) as client:
        await entered(client)
        before = await system.metrics()
        async with raw_client(system.url(), {"user_id": "mallory"}, {"pid": client.pid}) as thief:
            assert thief.sid not in (None, client.sid)
            refused = await thief.call("field_focus", {"patient_id": "P-1", "field": "f"})
            assert refused["status"] == "error", "the thief is in no room"
        await system.risen(before, "confer_edge_recoveries_total", outcome="user")
        assert (await client.call("ping"))["status"] == "ok"
        assert client.pid is not None
        assert not logged(system, "edge", client.pid)


async def entered(client: RawClient) -> Any:
    joined = await client.call("join_patient_room", {"patient_id": "P-1"})
    assert joined["status"] == "ok"
    return joined


# --- requests -----------------------------------------------------------------------------------------------


async def opened(system: System, http: aiohttp.ClientSession) -> dict[str, str]:
    """The query of a session that polls."""
    async with http.get(f"{system.url()}/socket.io/", params=POLLING) as answer:
        return {**POLLING, "sid": json.loads((await answer.text())[1:])["sid"]}


async def asked(
    system: System, http: aiohttp.ClientSession, method: str, query: dict[str, str], data: Any = None
) -> int:
    async with http.request(method, f"{system.url()}/socket.io/", params=query, data=data) as answer:
        await answer.read()
        return answer.status


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"garbage", 400), (b"4\xff\xfe", 400), (b"b*not base64*", 400), (b"4" * (MAX_PAYLOAD + 1), 413)],
    ids=["garbage", "not UTF-8", "broken base64", "over the limit"],
)
async def test_a_bad_post_ends_its_session(
    system: System, http: aiohttp.ClientSession, body: bytes, status: int
) -> None:
    query, before = await opened(system, http), await system.metrics()
    assert await asked(system, http, "POST", query, body) == status
    await system.risen(before, "confer_edge_violations_total")
    assert await asked(system, http, "GET", query) == 400
    await system.risen(before, "confer_edge_refused_requests_total", reason="session")
    assert not logged(system, "edge", query["sid"])


async def test_two_pollers_at_once_end_their_session(system: System, http: aiohttp.ClientSession) -> None:
    query, before = await opened(system, http), await system.metrics()
    both = await asyncio.gather(*(asked(system, http, "GET", query) for _ in range(2)))
    assert sorted(both) == [200, 400]
    await system.risen(before, "confer_edge_refused_requests_total", reason="other")
    assert await asked(system, http, "GET", query) == 400
    assert not logged(system, "edge", query["sid"])


async def test_an_id_of_nobody_is_refused_and_not_logged(system: System, http: aiohttp.ClientSession) -> None:
    before, guessed = await system.metrics(), {**POLLING, "sid": "guessed-by-somebody"}
    for method, body in (("GET", None), ("POST", b"4x")):
        assert await asked(system, http, method, guessed, body) == 400
    await system.risen(before, "confer_edge_refused_requests_total", by=2, reason="session")
    assert not logged(system, "edge", guessed["sid"])


async def test_requests_beside_a_websocket_do_not_betray_it(system: System, http: aiohttp.ClientSession) -> None:
    """They are refused; the library would log whose session it is, and who knows that can speak for it."""
    query = await opened(system, http)
    upgrade = {**query, "transport": "websocket"}
    async with http.ws_connect(f"{system.url()}/socket.io/", params=upgrade) as socket:
        await socket.send_str("2probe")
        assert (await socket.receive(30)).data == "3probe"
        await socket.send_str("5")
        await socket.send_str("40")
        while not (await socket.receive(30)).data.startswith("40"):
            pass
        for method, body in (("GET", None), ("POST", b"41")):
            assert await asked(system, http, method, query, body) == 400
        await socket.send_str('421["ping"]')
        while not (await socket.receive(30)).data.startswith("431"):
            pass
    assert not logged(system, "edge", query["sid"])


async def test_half_a_handshake_ends_and_is_counted(system: System) -> None:
    before = await system.metrics("hasty")
    reader, writer = await asyncio.open_connection("127.0.0.1", system.ports["hasty"])
    writer.write(b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n")
    async with asyncio.timeout(30):
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
    writer.close()
    await system.risen(before, "confer_edge_limits_total", limit="request_s")
