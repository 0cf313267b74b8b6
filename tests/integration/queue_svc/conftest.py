"""The real service object, as many replicas as a test starts, against a real nats-server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
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
from confer_kit.settings import KitSettings
from confer_kit.testing import NatsServer, nats_server
from confer_ops.provision import provision
from presence_svc.app import build as build_presence
from presence_svc.settings import Settings as PresenceSettings
from queue_svc.app import build
from queue_svc.settings import Settings

Body = dict[str, Any]
EVERY_QUEUE = "log.queue.*.*.*"


class Clinic:
    """A server with the streams, replicas of the service, and staff who ask."""

    def __init__(self, server: NatsServer, link: Link, stack: AsyncExitStack, directory: Path) -> None:
        self.server = server
        self.link = link
        self.log = JetStreamEventLog(link.nc)
        self._stack = stack
        self._directory = directory

    async def replica(
        self, policies: str | None = None, stack: AsyncExitStack | None = None, **settings: Any
    ) -> Service:
        """Another replica, until the end or until `stack` is closed. `policies`: the text of its file."""
        into = stack or self._stack
        if policies is not None:
            path = self._directory / f"policies-{clock.new_id()}.toml"
            path.write_text(policies)
            settings["queue_policies"] = path
        own = Settings(nats_url=self.server.url, metrics_port=0, **settings)
        link = await into.enter_async_context(connected(own, "queue-svc", asyncio.Event()))
        service = await into.enter_async_context(started("queue", link, own, build))
        if policies is not None:
            while not (await self.ask("queue_policy", queue="b"))["version"]:
                await asyncio.sleep(0.02)
        return service

    async def presence(self) -> None:
        own = PresenceSettings(nats_url=self.server.url, metrics_port=0, presence_lease_s=600)
        link = await self._stack.enter_async_context(connected(own, "presence-svc", asyncio.Event()))
        await self._stack.enter_async_context(started("presence", link, own, build_presence))

    async def ask(self, event: str, user: str = "ana", op: str | None = None, **request: Any) -> Body:
        """The answer of queue-svc."""
        return await self.ask_of("queue", event, user, op, **request)

    async def ask_of(self, service: str, event: str, user: str, op: str | None = None, **request: Any) -> Body:
        who = Identity(user_id=user, name=user.title(), role="nurse", session=f"s-{user}")
        subject, body = f"call.{service}.{event}", orjson.dumps(request)
        return dict(orjson.loads(await ask(self.link.nc, subject, body, who, op=op or clock.new_id(), timeout_s=30)))

    async def ok(self, event: str, user: str = "ana", **request: Any) -> Body:
        answer = await self.ask(event, user, **request)
        assert answer["status"] == "ok", answer
        return answer

    async def attend(self, user: str, patient: str) -> None:
        """The user enters the patient's room."""
        answer = await self.ask_of("presence", "attach", user, room=patient_room(patient), incarnation="e", attach=1)
        assert answer["status"] == "ok", answer

    async def leave(self, user: str, patient: str) -> None:
        answer = await self.ask_of("presence", "detach", user, room=patient_room(patient), incarnation="e", attach=1)
        assert answer["status"] == "ok", answer

    async def facts(self, guard: str = EVERY_QUEUE) -> list[StoredFact]:
        """Those that have a public name, in order."""
        last = await self.log.last(guard)
        found = await self.log.read(guard, after=0, upto=last.seq) if last else []
        return [fact for fact in found if fact.event]

    async def until(self, enough: Callable[[list[StoredFact]], bool], guard: str = EVERY_QUEUE) -> list[StoredFact]:
        async with asyncio.timeout(120):
            while not enough(facts := await self.facts(guard)):
                await asyncio.sleep(0.02)
        return facts


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[Clinic]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server())
        link = Link()
        await link.connect(KitSettings(nats_url=server.url), "test")
        stack.push_async_callback(link.nc.close)
        await provision(link.nc)
        yield Clinic(server, link, stack, tmp_path)
