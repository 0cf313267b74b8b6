"""The app of tests/conformance as a process, and what a test says to it: bare HTTP requests and WebSocket frames."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

APP = Path(__file__).parents[2] / "conformance" / "app.py"
PATIENCE_S = 30.0


class Frames:
    """One WebSocket. Packets as they came: text, or bytes."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, *packets: str | bytes) -> None:
        for packet in packets:
            await (self.socket.send_bytes(packet) if isinstance(packet, bytes) else self.socket.send_str(packet))

    async def hear(self) -> str | bytes | None:
        """The next packet; None: the server has closed."""
        message = await self.socket.receive(PATIENCE_S)
        return message.data if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY) else None

    async def ends(self) -> bool:
        """Whether the server closes, whatever it says before."""
        while await self.hear() is not None:
            pass
        return True


class Wire:
    """Requests to one path of the app, each on a connection of its own."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def ask(self, method: str = "GET", body: Any = None, **query: str) -> tuple[int, str]:
        """Status and body. EIO and transport are added; an empty one is left out."""
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE_S)) as session,
            session.request(method, self.url, params=self._query("polling", query), data=body) as answer,
        ):
            return answer.status, await answer.text()

    async def poll(self, sid: str) -> tuple[int, list[str]]:
        status, text = await self.ask(sid=sid)
        return status, text.split("\x1e")

    async def post(self, sid: str, *packets: str) -> tuple[int, str]:
        return await self.ask("POST", "\x1e".join(packets).encode(), sid=sid)

    async def open(self) -> dict[str, Any]:
        """The handshake of a polling session."""
        status, text = await self.ask()
        assert (status, text[0]) == (200, "0")
        return dict(json.loads(text[1:]))

    @asynccontextmanager
    async def websocket(self, **query: str) -> AsyncIterator[Frames]:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(self.url, params=self._query("websocket", query), max_msg_size=0) as socket,
        ):
            yield Frames(socket)

    @staticmethod
    def _query(transport: str, more: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in {"EIO": "4", "transport": transport, **more}.items() if value}


@contextmanager
def app(ping_interval_s: float = 25, ping_timeout_s: float = 20, **settings: str) -> Iterator[str]:
    """Its URL. `settings` are variables of its environment."""
    command = [sys.executable, str(APP), "0", str(ping_interval_s), str(ping_timeout_s)]
    environment = {**os.environ, "CONFER_CONNECTIONS_MAX": "1000", **settings}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().split()[-1]}"
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def patient_app() -> Iterator[str]:
    """Its heartbeats do not come into a test."""
    with app() as url:
        yield url


@pytest.fixture(scope="session")
def strict_app() -> Iterator[str]:
    """Its limits are met soon."""
    limits = {"CONNECTIONS_PER_ADDRESS_MAX": "3", "REQUEST_S": "1", "UPGRADE_S": "1", "UNSENT_BYTES_MAX": str(1 << 26)}
    settings = {f"CONFER_{name}": value for name, value in limits.items()}
    with app(25, 20, CONFER_TRUSTED_PROXIES="127.0.9.0/24", **settings) as url:
        yield url


@pytest.fixture(scope="session")
def rare_app() -> Iterator[str]:
    """An address may come three times, and then hardly ever again."""
    rate = {"CONFER_CONNECTS_PER_ADDRESS_BURST": "3", "CONFER_CONNECTS_PER_ADDRESS_PER_S": "0.001"}
    with app(25, 20, CONFER_TRUSTED_PROXIES="127.0.9.0/24", **rate) as url:
        yield url


@pytest.fixture(scope="session")
def quick_app() -> Iterator[str]:
    """Heartbeats below a second, and time enough to answer them."""
    with app(0.3, 3) as url:
        yield url


@pytest.fixture
def engine_io(patient_app: str) -> Wire:
    return Wire(f"{patient_app}/engine.io/")


@pytest.fixture
def quick_engine_io(quick_app: str) -> Wire:
    return Wire(f"{quick_app}/engine.io/")


@pytest.fixture
def socket_io(patient_app: str) -> Wire:
    return Wire(f"{patient_app}/socket.io/")
