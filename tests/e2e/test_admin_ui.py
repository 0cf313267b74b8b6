"""The stock Socket.IO Admin UI looks at an edge: in a real browser, and with two thousand clients."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Page, expect

from confer_kit.testing import System, running_system
from confer_kit.testing.browser import chromium, window
from confer_kit.testing.javascript import JavaScriptClient, Node, node
from confer_kit.testing.ports import free_port
from confer_kit.testing.raw import raw_client

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.node]

JS = Path(__file__).parent / "js"
UI = JS / "node_modules" / "@socket.io" / "admin-ui" / "ui" / "dist"
USER, PASSWORD = "overseer", "correct horse battery"
CROWD = 2000
PATIENCE_S = 120.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page_port() -> int:
    return free_port()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(page_port: int, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    secret = tmp_path_factory.mktemp("admin") / "password"
    secret.write_text(f"{PASSWORD}\n")
    async with running_system(CONFER_HEALTH_CHECK_S="600") as running:
        await running.add_edge(
            "watched", CONFER_ADMIN_USER=USER, CONFER_ADMIN_PASSWORD_FILE=str(secret),
            CONFER_ORIGINS=f"http://127.0.0.1:{page_port}", CONFER_CONNECTIONS_PER_ADDRESS_MAX="10000",
        )  # fmt: skip
        await running.healthy("watched")
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process() -> AsyncIterator[Node]:
    async with node(JS) as running:
        yield running


async def admin(process: Node, system: System, auth: Any, edge: str = "watched") -> JavaScriptClient:
    """A client of the namespace, connected or refused."""
    client = await process.open("4.8", f"{system.url(edge)}/admin", {"auth": auth, "reconnection": False})
    await client.until(lambda: client.connected or bool(client.connect_errors), "an answer")
    return client


def stats(client: JavaScriptClient) -> list[dict[str, Any]]:
    return client.bodies("server_stats")


async def test_it_is_off_unless_there_is_a_password(system: System, process: Node) -> None:
    client = await admin(process, system, {"username": USER, "password": PASSWORD}, "edge")
    assert client.connect_errors == [("Invalid namespace", None)]


async def test_who_has_the_password_sees_aggregates_and_nobody(system: System, process: Node) -> None:
    client = await admin(process, system, {"username": USER, "password": PASSWORD})
    assert await client.got("config") == {"supportedFeatures": ["AGGREGATED_EVENTS"]}
    session = await client.got("session")
    async with raw_client(system.url("watched"), {"user_id": "mali"}) as person:
        await person.call("ping")
        await client.got("server_stats", _shows_one_and_the_admin)
        await client.until(lambda: ("packetsIn", None) in _events(client), "the person's packets")
    await client.until(lambda: ("rawDisconnection", "transport_close") in _events(client), "the end")
    assert "mali" not in json.dumps(client.events)
    again = await admin(process, system, {"sessionId": session})
    await again.got("server_stats")
    for event in ("emit", "join", "leave", "_disconnect"):  # what a UI that may write would send
        await again.emit(event, "/", True, "x")
    await again.got("server_stats", since=len(again.events))
    for each in (client, again):
        await each.close()


def _shows_one_and_the_admin(body: dict[str, Any]) -> bool:
    """Two clients, by WebSocket (the admin's is upgraded by then): one in each namespace."""
    counts = (body["clientsCount"], body["pollingClientsCount"], _count(body, "/"), _count(body, "/admin"))
    return counts == (2, 0, 1, 1)


def _count(body: dict[str, Any], namespace: str) -> int:
    return int({each["name"]: each["socketsCount"] for each in body["namespaces"]}[namespace])


def _events(client: JavaScriptClient) -> set[tuple[str, str | None]]:
    return {(event["type"], event["subType"]) for body in stats(client) for event in body["aggregatedEvents"]}


@pytest.mark.browser
async def test_the_stock_ui_shows_the_edge(system: System, page_port: int) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_served(page_port))
        people = [
            await stack.enter_async_context(raw_client(system.url("watched"), {"user_id": f"person-{n}"}))
            for n in range(5)
        ]
        assert all(person.sid for person in people)
        browser = await stack.enter_async_context(chromium())
        page = (await stack.enter_async_context(window(browser))).page
        await page.route(re.compile("^https:"), lambda route: route.fulfill(body=""))  # fonts
        await page.goto(f"http://127.0.0.1:{page_port}/")
        await _log_in(page, system, "a wrong password")
        await expect(page.get_by_text("Invalid credentials")).to_be_visible()
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Connect").click()
        await expect(page.get_by_label("Password")).not_to_be_visible()
        await expect(page.locator("main")).to_contain_text("6")  # five and the admin
        await page.goto(f"http://127.0.0.1:{page_port}/#/servers/")
        await expect(page.locator("main tbody tr")).to_have_count(1)
        await page.reload()  # by the session's id now
        await expect(page.locator("main tbody tr")).to_have_count(1)
        await expect(page.locator("main tbody tr")).to_contain_text("HEALTHY", ignore_case=True)


async def _log_in(page: Page, system: System, password: str) -> None:
    """By WebSocket alone: the UI sends credentials, which the edge allows no other origin by HTTP."""
    await page.get_by_label("Server URL").fill(system.url("watched"))
    await page.get_by_label("Username").fill(USER)
    await page.get_by_label("Password").fill(password)
    await page.get_by_text("Advanced options").click()
    await page.get_by_text("WebSocket only").click()
    await page.get_by_role("button", name="Connect").click()


async def _index(_: web.Request) -> web.FileResponse:
    return web.FileResponse(UI / "index.html")


@asynccontextmanager
async def _served(port: int) -> AsyncIterator[None]:
    """The UI's files."""
    application = web.Application()
    application.router.add_get("/", _index)
    application.router.add_static("/", UI)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


async def test_two_thousand_clients_and_the_stats_go_on(system: System, process: Node) -> None:
    client = await admin(process, system, {"username": USER, "password": PASSWORD})
    url = f"{system.url('watched')}/socket.io/?EIO=4&transport=websocket&recovery=0"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        sockets = []
        for _ in range(CROWD // 50):
            fifty = await asyncio.gather(*(http.ws_connect(url) for _ in range(50)))
            for socket in fifty:
                await socket.send_str("40")
            sockets += fifty
        await client.until(lambda: _count(stats(client)[-1], "/") >= CROWD, "all of them", timeout=PATIENCE_S)
        seen = len(client.events)
        for _ in range(5):
            assert (await client_call(system)) == "ok"
            await client.got("server_stats", since=seen)
            seen = len(client.events)
        assert stats(client)[-1]["clientsCount"] > CROWD
        assert max(len(json.dumps(body)) for body in stats(client)) < 5000
        await asyncio.gather(*(socket.close() for socket in sockets))
    await client.close()


async def client_call(system: System) -> str:
    async with raw_client(system.url("watched"), {"user_id": "mali"}) as person:
        return str((await person.call("ping"))["status"])


@pytest.mark.parametrize(
    "auth",
    [
        None, {}, {"username": USER}, {"password": PASSWORD}, {"username": "admin", "password": PASSWORD},
        {"username": USER, "password": ["x"]}, {"username": USER, "password": ""}, {"sessionId": "1.2"},
        {"sessionId": None}, {"username": USER, "password": "x" * 100_000},
    ],
)  # fmt: skip
async def test_who_has_it_not_is_refused(system: System, process: Node, auth: Any) -> None:
    client = await admin(process, system, auth)
    assert client.connect_errors == [("invalid credentials", None)]
    assert not client.events


async def test_guessing_is_bounded_and_a_session_goes_on(system: System, process: Node) -> None:
    """The last test here: it spends the edge's attempts."""
    refusals = set[str]()
    for _ in range(12):
        client = await admin(process, system, {"username": USER, "password": "guess"})
        refusals |= {message for message, _ in client.connect_errors}
    assert refusals == {"invalid credentials", "too many attempts to log in: wait a minute"}
    client = await admin(process, system, {"username": USER, "password": PASSWORD})
    assert client.connect_errors == [("too many attempts to log in: wait a minute", None)]
    assert PASSWORD not in system.processes["watched"].log
