"""The real service object, as many replicas as a test starts, against a real nats-server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import orjson
import pytest

from confer_contracts.ids import patient_room
from confer_contracts.message import Identity
from confer_kit import clock
from confer_kit.calls import ask
from confer_kit.facts import StoredFact
from confer_kit.jetstream import JetStreamEventLog
from confer_kit.nats_link import Link
from confer_kit.process import connected, started
from confer_kit.service import Service
from confer_kit.testing import NatsServer, nats_server
from confer_ops.provision import provision
from sync_svc.app import build
from sync_svc.settings import Settings

PATIENT = "ผู้ป่วย a.>"
ROOM = patient_room(PATIENT)


def person(user: str) -> Identity:
    return Identity(user_id=user, name=user.title(), role="nurse", session=f"session-of-{user}")


class Rig:
    """A server with provisioned streams, one client, and as many replicas of the service as a test starts."""

    def __init__(self, server: NatsServer, link: Link, stack: AsyncExitStack) -> None:
        self.server = server
        self.settings = Settings(nats_url=server.url, metrics_port=0)
        self.link = link
        self.log = JetStreamEventLog(link.nc)
        self._stack = stack

    async def replica(self, **settings: Any) -> Service:
        link = await self._stack.enter_async_context(connected(self.settings, "sync-svc", asyncio.Event()))
        chosen = self.settings.model_copy(update=settings)
        service = await self._stack.enter_async_context(started("sync", link, chosen, build))
        await link.nc.flush()  # the first PING of a client may overtake its subscriptions, the second cannot
        return service

    async def call(self, event: str, request: dict[str, Any], *, user: str = "ann", op: str | None = None) -> Any:
        body = orjson.dumps(request)
        answer = await ask(
            self.link.nc, f"call.sync.{event}", body, person(user), op=op or clock.new_id(), timeout_s=20
        )
        return orjson.loads(answer)

    async def facts(self, room: str = ROOM) -> list[StoredFact]:
        guard = f"log.sync.room.{room}.record"
        last = await self.log.last(guard)
        return list(await self.log.read(guard, after=0, upto=last.seq)) if last else []


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server())
        link = Link()
        await link.connect(Settings(nats_url=server.url), "test")
        stack.push_async_callback(link.nc.close)
        await provision(link.nc)
        yield Rig(server, link, stack)
