"""deploy/haproxy.cfg and deploy/nginx.conf, in front of two edges: the stock client over each transport stays at its
edge, and goes to the other one when that is killed or stopped."""

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from confer_kit.testing import System, running_system
from confer_kit.testing.javascript import JavaScriptClient, Node, node
from confer_kit.testing.ports import free_port

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.node, pytest.mark.proxy]

DEPLOY = Path(__file__).parents[2] / "deploy"
TRANSPORTS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": ["polling", "websocket"]}
EACH = 4  # clients of each transport
ROOM = "behind a proxy"
PATIENCE_S = 60.0
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")  # directories of nginx
FORGED = "203.0.113.9"
every_proxy = pytest.mark.parametrize("kind", ["haproxy", "nginx"])


def adapted(text: str, replacements: dict[str, str]) -> str:
    """A configuration of ours with other addresses."""
    for old, new in replacements.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def command(kind: str, directory: Path, replacements: dict[str, str]) -> list[str]:
    """What runs the configuration in the foreground."""
    binary = shutil.which(kind, path=f"{os.environ['PATH']}:/usr/sbin")
    assert binary, f"{kind} is missing"
    if kind == "haproxy":
        config = directory / "haproxy.cfg"
        config.write_text(adapted((DEPLOY / config.name).read_text(), replacements))
        return [binary, "-db", "-f", str(config)]
    temporary = "".join(
        f"{name}_temp_path {directory}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    replacements |= {"http {": f"http {{ access_log off; {temporary}"}
    config = directory / "nginx.conf"
    config.write_text(adapted((DEPLOY / config.name).read_text(), replacements))
    user = "user root;" if os.geteuid() == 0 else ""
    alone = f"daemon off; pid {directory}/nginx.pid; error_log stderr; {user}"
    return [binary, "-p", str(directory), "-c", str(config), "-g", alone]


@asynccontextmanager
async def proxy(kind: str, directory: Path, edges: dict[str, int]) -> AsyncIterator[str]:
    """Its URL; `edges` are the ports of `edge-a` and `edge-b`."""
    port = free_port()
    listen = {"haproxy": "bind :80", "nginx": "listen 80"}[kind]
    replacements = {listen: f"{listen.split()[0]} 127.0.0.1:{port}"}
    if kind == "haproxy":
        servers = "\n    ".join(f"server {name} 127.0.0.1:{at}" for name, at in edges.items())
        replacements |= {"server-template edge 8 edge:8000": servers}
    else:
        replacements |= {f"{name}:8000": f"127.0.0.1:{at}" for name, at in edges.items()}
    with (directory / "proxy.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command(kind, directory, replacements), stdout=log, stderr=log)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not await _listens(port):
                assert process.returncode is None, (directory / "proxy.log").read_text()
                await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    proxied = {"CONFER_TRUSTED_PROXIES": "127.0.0.1", "CONFER_HEALTH_CHECK_S": "600", "CONFER_DRAIN_S": "20"}
    async with running_system(**proxied) as running:
        for name in ("edge-a", "edge-b"):
            await running.add_edge(name, CONFER_ROUTE=name[-1])
            await running.healthy(name)
        yield running


class Page(NamedTuple):
    way: str
    client: JavaScriptClient

    @property
    def values(self) -> list[Any]:
        return [body["value"] for body in self.client.bodies("field_updated")]


async def open_page(process: Node, url: str, way: str, number: int) -> Page:
    options = {
        "transports": TRANSPORTS[way],
        "query": {"user_id": f"{way}-{number}", "user_name": f"{way}-{number}"},
        "reconnectionDelay": 100,
        "reconnectionDelayMax": 500,
    }
    client = await process.open("4.8", url, options, name=way)
    await client.is_connected()
    if way == "upgrade":
        await client.until(lambda: client.upgrades == ["websocket"], "the upgrade")
    return Page(way, client)


async def sessions(system: System, edge: str) -> int:
    return int((await system.metrics(edge)).value("confer_edge_sessions"))


async def write(page: Page, room: str, value: str) -> None:
    """As a page should: the same operation again until it is accepted."""
    update = {"patient_id": room, "field": "f", "value": value, "op": value}
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(TimeoutError):  # the acknowledgement was lost with the connection
                answer = await page.client.call("field_update", update, timeout=3)
                if answer["status"] == "ok":
                    return
                assert answer["retry"], answer


async def all_saw(pages: list[Page], values: list[str]) -> None:
    for page in pages:
        await page.client.until(lambda page=page: len(page.values) >= len(values), "all facts", timeout=PATIENCE_S)  # type: ignore[misc]
        assert page.values == values, page.way


@every_proxy
async def test_clients_stay_at_their_edge_and_go_to_the_other_one_when_it_ends(
    system: System, tmp_path: Path, kind: str
) -> None:
    room, edges = f"{ROOM} {kind}", {name: system.ports[name] for name in ("edge-a", "edge-b")}
    async with proxy(kind, tmp_path, edges) as url, node(Path(__file__).parent / "js") as process:
        pages = [await open_page(process, url, way, number) for way in TRANSPORTS for number in range(EACH)]
        for page in pages:
            assert (await page.client.call("join_patient_room", {"patient_id": room}))["status"] == "ok"
        assert min([await sessions(system, edge) for edge in edges]) > 0
        await write(pages[0], room, "first")
        await all_saw(pages, ["first"])
        assert not any(page.client.disconnects for page in pages)

        await system.processes["edge-a"].kill()
        await write(pages[0], room, "while one was dead")
        await all_saw(pages, ["first", "while one was dead"])
        await system.settled(lambda shown: shown.value("confer_edge_sessions") == len(pages), "edge-b")
        lost = [page for page in pages if page.client.disconnects]
        assert {page.way for page in lost} <= set(TRANSPORTS)
        assert 0 < len(lost) < len(pages)

        await system.restart("edge-a")
        if kind == "haproxy":
            await _serves_newcomers(process, url, system, "edge-a")
        assert await system.processes["edge-b"].stop(40) == 0
        await write(pages[0], room, "after the other one was stopped")
        await all_saw(pages, ["first", "while one was dead", "after the other one was stopped"])
        for page in pages:
            assert page.client.recovered == [False, *[True] * (len(page.client.recovered) - 1)], page.way
            assert not any("server" in reason for reason in page.client.disconnects)
        await system.restart("edge-b")


async def _serves_newcomers(process: Node, url: str, system: System, edge: str) -> None:
    """The balancer's health check has seen the edge."""
    async with asyncio.timeout(PATIENCE_S):
        while not await sessions(system, edge):
            newcomer = await open_page(process, url, "websocket", 99)
            await asyncio.sleep(0.2)
            if not await sessions(system, edge):
                await newcomer.client.close()


@every_proxy
async def test_health_passes_and_metrics_do_not(system: System, tmp_path: Path, kind: str) -> None:
    edges = {name: system.ports[name] for name in ("edge-a", "edge-b")}
    async with proxy(kind, tmp_path, edges) as url, aiohttp.ClientSession() as http:
        for path, status in (("/readyz", 200), ("/health", 200), ("/metrics", 404)):
            async with http.get(f"{url}{path}") as answer:
                assert answer.status == status, path


@every_proxy
async def test_the_edge_is_told_who_comes_whatever_the_client_says(tmp_path: Path, kind: str) -> None:
    seen: list[dict[str, str]] = []

    async def show(request: web.Request) -> web.Response:
        if request.path != "/readyz":
            seen.append({name: request.headers.get(name, "") for name in ("X-Forwarded-For", "X-Forwarded-Proto")})
        return web.Response(text="ok")

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", show)
    runner = web.AppRunner(application)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        async with proxy(kind, tmp_path, {"edge-a": port, "edge-b": port}) as url, aiohttp.ClientSession() as http:
            forged = {"X-Forwarded-For": FORGED, "X-Forwarded-Proto": "https"}
            async with asyncio.timeout(PATIENCE_S), http.get(f"{url}/socket.io/?EIO=4", headers=forged) as answer:
                assert answer.status == 200
        assert seen == [{"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http"}]
    finally:
        await runner.cleanup()
