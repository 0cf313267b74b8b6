"""Health of a real edge in this process, where its own parts fail: only a fact that arrives makes it ready."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from confer_edge.app import Edge
from confer_edge.listening import listening
from confer_edge.settings import EdgeSettings
from confer_kit.process import connected
from confer_kit.testing import NatsServer, nats_server
from confer_ops.provision import provision

LATE_S = 1.5


@dataclass
class Rig:
    edge: Edge
    nats: NatsServer
    url: str

    async def until(self, status: int, path: str = "/health") -> dict[str, Any]:
        """Wait for this answer; its body."""
        async with asyncio.timeout(60):
            while (answer := await asyncio.to_thread(_get, self.url + path))[0] != status:
                await asyncio.sleep(0.05)
        return answer[1]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server())
        settings = EdgeSettings(
            nats_url=server.url,
            port=0,
            identity="trusted-query",
            tick_s=0.2,
            tick_late_s=LATE_S,
            drain_s=2,
            metrics_port=0,
        )
        link = await stack.enter_async_context(connected(settings, "confer-edge", asyncio.Event()))
        await provision(link.nc)
        edge = Edge(link, settings)
        await edge.start()
        stack.push_async_callback(edge.drain)
        port = await stack.enter_async_context(listening(edge.application, settings, edge.opens))
        rig = Rig(edge, server, f"http://127.0.0.1:{port}")
        await rig.until(200)
        yield rig


async def test_a_fan_out_that_raises_is_unhealthy_until_it_works_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> int:
        raise RuntimeError("a bug in the fan-out")

    with monkeypatch.context() as patch:
        patch.setattr(rig.edge.audiences, "emit", broken)
        assert "silent" in (await rig.until(503))["reason"]
    await rig.until(200)


async def test_a_feed_that_ended_is_unhealthy(rig: Rig) -> None:
    (feed,) = (task for task in asyncio.all_tasks() if task.get_name() == "feed")
    feed.cancel()
    await rig.until(503)
    await asyncio.sleep(LATE_S)
    await rig.until(503)


async def test_an_edge_that_drains_is_not_ready_but_alive(rig: Rig) -> None:
    rig.edge.probe.stop()
    assert (await rig.until(503))["reason"] == "draining"
    await rig.until(503, "/readyz")
    await rig.until(200, "/livez")


def _get(url: str) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, _json(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _json(error.read())


def _json(body: bytes) -> dict[str, Any]:
    return dict(json.loads(body)) if body.startswith(b"{") else {}
