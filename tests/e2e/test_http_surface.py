"""What the seed served over HTTP: handshake, origins, health, and the two settings of its compose file."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from confer_kit.testing import System, running_system
from confer_kit.testing.ports import free_port
from confer_kit.testing.raw import raw_client
from confer_kit.testing.system import Process

pytestmark = pytest.mark.asyncio(loop_scope="module")

HANDSHAKE = "/socket.io/?EIO=4&transport=polling"
PORTAL = (
    "https://portal.evep.my-firstcare.com", "https://evep.my-firstcare.com",
    "http://localhost:3000", "http://localhost:3001",
)  # fmt: skip
ALLOW_ORIGIN = "Access-Control-Allow-Origin"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def http(system: System) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(system.url()) as session:
        yield session


async def test_the_handshake_is_exactly_the_documented_one(http: aiohttp.ClientSession) -> None:
    async with http.get(HANDSHAKE) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain")
        text = await answer.text()
    sid = json.loads(text[1:])["sid"]
    expected = {
        "sid": sid, "upgrades": ["websocket"], "pingTimeout": 20000, "pingInterval": 25000, "maxPayload": 1000000,
    }  # fmt: skip
    assert text == "0" + json.dumps(expected, separators=(",", ":"))


@pytest.mark.parametrize("origin", [*PORTAL, "own", "own localhost"])
async def test_an_allowed_origin_gets_exactly_one_header(
    http: aiohttp.ClientSession, system: System, origin: str
) -> None:
    port = system.ports["edge"]
    origin = {"own": f"http://127.0.0.1:{port}", "own localhost": f"http://localhost:{port}"}.get(origin, origin)
    async with http.get(HANDSHAKE, headers={"Origin": origin}) as answer:
        assert (answer.status, answer.headers.getall(ALLOW_ORIGIN)) == (200, [origin])
        sid = json.loads((await answer.text())[1:])["sid"]
    path = f"{HANDSHAKE}&sid={sid}"
    for packet in ("40", "1"):  # it connects, and it goes
        async with http.post(path, data=packet, headers={"Origin": origin}) as answer:
            assert (answer.status, answer.headers.getall(ALLOW_ORIGIN)) == (200, [origin])
    preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    async with http.options(HANDSHAKE, headers=preflight) as answer:
        assert (answer.status, answer.headers.getall(ALLOW_ORIGIN)) == (200, [origin])
    async with http.ws_connect("/socket.io/?EIO=4&transport=websocket", origin=origin) as socket:
        assert (await socket.receive_str()).startswith("0{")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "https://portal.evep.my-firstcare.com.evil.example"]
)
async def test_another_origin_is_refused(http: aiohttp.ClientSession, origin: str) -> None:
    for send in (http.get, http.post, http.options):
        async with send(HANDSHAKE, headers={"Origin": origin, "Host": "evil.example"}) as answer:
            assert answer.status in (400, 403)
            assert ALLOW_ORIGIN not in answer.headers
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await http.ws_connect("/socket.io/?EIO=4&transport=websocket", origin=origin)


async def test_no_page_reads_a_handshake_as_a_script(http: aiohttp.ClientSession) -> None:
    """What has no `Origin` is let in: a script would not have one."""
    async with http.get(f"{HANDSHAKE}&j=0") as answer:
        assert (answer.status, "sid" in await answer.text()) == (400, False)
    for path in (HANDSHAKE, "/health", "/<script>alert(1)</script>"):
        async with http.get(path) as answer:
            assert answer.headers["X-Content-Type-Options"] == "nosniff", path
            assert "Server" not in answer.headers


async def test_the_demo_runs_its_own_scripts_alone(system: System, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>here</p>")
    await system.add_edge("pages", CONFER_DEMO_DIR=str(tmp_path))
    await system.healthy("pages")
    async with aiohttp.ClientSession(system.url("pages")) as http, http.get("/demo/") as answer:
        assert await answer.text() == "<p>here</p>"
        policy = answer.headers["Content-Security-Policy"]
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'self'"} <= set(policy.split("; "))


async def test_health_and_root(http: aiohttp.ClientSession, system: System) -> None:
    await system.settled(lambda shown: not shown.value("confer_edge_sessions"))
    async with http.get("/health") as answer:
        assert answer.status == 200
        before = await answer.json()
    assert set(before) == {"status", "service", "timestamp", "connected_clients"}
    assert (before["status"], before["service"]) == ("healthy", "socketio")
    assert datetime.fromisoformat(before["timestamp"]).tzinfo is None
    async with raw_client(system.url()), http.get("/health") as answer:
        assert (await answer.json())["connected_clients"] == before["connected_clients"] + 1
    async with http.get("/") as answer:
        assert answer.status == 200
        assert set(await answer.json()) == {"service", "version", "status", "timestamp"}


@pytest.mark.parametrize("path", ["/socketio/", "/api/socket.io/", "/nothing/here", "/ws", "/metrics"])
async def test_a_wrong_path_is_told_what_is_served_where(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path) as answer:
        text = await answer.text()
        assert answer.status == 404
    assert path in text
    assert all(served in text for served in ("/socket.io/", "/health", "/demo/"))


async def test_socketio_port(system: System, tmp_path: Path) -> None:
    port = system.ports["seed"] = free_port()
    environment = {
        **os.environ,
        "CONFER_NATS_URL": system.nats.url,
        "CONFER_IDENTITY": "trusted-query",
        "CONFER_METRICS_PORT": "0",
    }
    edge = Process("seed", "confer_edge", {**environment, "SOCKETIO_PORT": str(port)}, tmp_path)
    await edge.start()
    try:
        await system.healthy("seed")
        async with raw_client(system.url("seed")) as client:
            await client.got("system_status")
    finally:
        assert await edge.stop() == 0


async def test_socketio_enabled_false(system: System) -> None:
    edge = await system.add_edge("off", SOCKETIO_ENABLED="false")
    await system.healthy("off")
    async with aiohttp.ClientSession(system.url("off")) as http, http.get(HANDSHAKE) as answer:
        assert answer.status == 503
        assert "SOCKETIO_ENABLED" in await answer.text()
    assert await edge.stop() == 0


async def test_an_oversized_packet_ends_only_its_own_connection(system: System, http: aiohttp.ClientSession) -> None:
    big = '42["ping","' + "x" * 1_000_100 + '"]'
    async with raw_client(system.url(), name="big") as oversized, raw_client(system.url(), name="other") as other:
        await oversized.send(big)
        await oversized.until(lambda: oversized.ended, "the end of the connection")
        async with http.get(HANDSHAKE) as answer:
            sid = json.loads((await answer.text())[1:])["sid"]
        async with asyncio.timeout(30), http.post(f"{HANDSHAKE}&sid={sid}", data=big) as answer:
            assert answer.status in (400, 413)
        await other.emit("ping")
        await other.got("pong")


async def test_a_websocket_handshake_that_is_too_long_is_answered(system: System) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", system.ports["edge"])
    path = f"/socket.io/?EIO=4&transport=websocket&patient_id={'x' * 10_000}"
    headers = "Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    writer.write(f"GET {path} HTTP/1.1\r\n{headers}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
    async with asyncio.timeout(30):
        assert (await reader.read()).startswith(b"HTTP/1.1 400")
    writer.close()
