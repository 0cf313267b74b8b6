"""The portal's Python scripts (python-socketio's blocking client), and polling as exactly as HTTP shows it."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from confer_kit.testing import System, running_system
from confer_kit.testing.script import ScriptClient, script_client

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEPARATOR = "\x1e"
PACKETS_PER_GET_MAX = 16
_numbers = itertools.count(1)
every_transport = pytest.mark.parametrize(
    "transports",
    [
        pytest.param(None, id="upgrade"),
        pytest.param(["polling"], id="polling"),
        pytest.param(["websocket"], id="websocket"),
    ],
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system(CONFER_LEAVE_GRACE_S="0.5") as running:
        yield running


async def user(stack: AsyncExitStack, url: str, transports: list[str] | None, name: str, session: str) -> ScriptClient:
    """As the realtime script begins: `authenticate`, then into the session's room."""
    script = await stack.enter_async_context(script_client(url, transports, name=name))
    await script.emit("authenticate", {"token": "script-token", "user_id": name, "role": "nurse"})
    told = await script.got("authentication_success")
    assert (told["user_id"], told["role"], bool(told["timestamp"])) == (name, "nurse", True)
    await script.emit("join_room", {"room": f"hospital_mobile_session_{session}"})
    assert (await script.got("room_joined"))["room"] == f"hospital_mobile_session_{session}"
    return script


@every_transport
async def test_the_realtime_script(system: System, transports: list[str] | None) -> None:
    session, writer, watcher = (f"{what}-{next(_numbers)}" for what in ("SESSION", "writer", "watcher"))
    async with AsyncExitStack() as stack:
        first = await user(stack, system.url(), transports, writer, session)
        second = await user(stack, system.url(), transports, watcher, session)
        place = {"session_id": session, "step": "vision", "field_name": "left_eye"}
        stamp = {"user_name": "Nurse One", "timestamp": "2025-11-22T08:00:00"}
        for text in ("2", "20", "20/", "20/20"):
            await first.emit("live_typing", {**place, **stamp, "current_value": text, "typing_speed": 120})
        await second.got("live_field_typing", lambda body: body["current_value"] == "20/20")
        await first.emit("cursor_position", {**place, **stamp})
        await second.got("user_cursor_moved")
        await first.emit("field_completed", {**place, **stamp, "final_value": "20/20"})
        updated = await second.got("live_field_updated")
        assert (updated["new_value"], updated["user_id"]) == ("20/20", writer)
        await second.emit("field_conflict_detected", {"session_id": session, "field_name": "left_eye"})
        for script in (first, second):
            conflict = await script.got("collaborative_conflict")
            assert conflict["message"]
            assert conflict["detecting_user"] == watcher
        assert not first.bodies("live_field_updated")
        assert not [*first.bodies("error"), *second.bodies("error")]


@every_transport
async def test_a_script_gets_a_burst_whole(system: System, transports: list[str] | None) -> None:
    """Its polling client drops a GET with more than sixteen packets."""
    async with script_client(system.url(), transports) as script:
        for _ in range(60):
            await asyncio.to_thread(script.client.emit, "ping", None)
        await script.until(lambda: len(script.bodies("pong")) == 60, "sixty pongs")


class Polling:
    """One polling session, packet by packet."""

    def __init__(self, http: aiohttp.ClientSession, url: str, query: dict[str, str]) -> None:
        self._http = http
        self._url = f"{url}/socket.io/"
        self._query = {"EIO": "4", "transport": "polling", **query}

    async def open(self) -> None:
        handshake = await self.get()
        self._query["sid"] = json.loads(handshake[0][1:])["sid"]
        await self.post("40")

    async def get(self) -> list[str]:
        async with self._http.get(self._url, params=self._query) as answer:
            assert answer.status == 200
            return (await answer.text()).split(SEPARATOR)

    async def post(self, *packets: str) -> None:
        async with self._http.post(self._url, params=self._query, data=SEPARATOR.join(packets)) as answer:
            assert (answer.status, (await answer.text()).lower()) == (200, "ok")


async def test_a_post_takes_more_than_sixteen_packets_and_a_get_brings_at_most_sixteen(system: System) -> None:
    async with aiohttp.ClientSession() as http:
        polling = Polling(http, system.url(), {"user_id": "burst", "user_name": "บุษบา"})
        await polling.open()
        await polling.post(*("42" + json.dumps(["ping", number]) for number in range(100)))
        await asyncio.sleep(0.3)
        gets: list[list[str]] = []
        while sum(len([p for p in packets if p.startswith('42["pong"')]) for packets in gets) < 100:
            gets.append(await asyncio.wait_for(polling.get(), 30))
        assert max(len(packets) for packets in gets) == PACKETS_PER_GET_MAX


async def test_only_the_first_name_counts(system: System) -> None:
    async with script_client(system.url(), auth={"user_id": "mali", "role": "nurse"}) as script:
        await script.emit("authenticate", {"token": "x", "user_id": "somebody-else", "role": "doctor"})
        told: Any = await script.got("authentication_success")
        assert (told["user_id"], told["role"]) == ("mali", "nurse")
