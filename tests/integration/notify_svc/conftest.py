"""The real service object, as many replicas as a test starts and ends, against a real nats-server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import orjson
import pytest

from confer_contracts.ids import token
from confer_contracts.message import Identity
from confer_kit import clock
from confer_kit.calls import ask
from confer_kit.facts import NewFact, StoredFact
from confer_kit.jetstream import JetStreamEventLog
from confer_kit.nats_link import Link
from confer_kit.process import connected, started
from confer_kit.service import Service
from confer_kit.testing import NatsServer, nats_server
from confer_ops.provision import provision
from notify_svc.app import build
from notify_svc.settings import Settings

WITHIN_S = 120  # on a machine that others use as well


class Rig:
    """A server with provisioned streams, one client, and replicas of notify-svc."""

    def __init__(self, server: NatsServer, link: Link, stack: AsyncExitStack) -> None:
        self.server = server
        self.settings = Settings(nats_url=server.url, metrics_port=0, notify_repeat_min_s=1)
        self.link = link
        self.log = JetStreamEventLog(link.nc)
        self._stack = stack

    @asynccontextmanager
    async def replica(self, **settings: Any) -> AsyncIterator[Service]:
        """One that ends with the block."""
        chosen = self.settings.model_copy(update=settings)
        async with (
            connected(self.settings, "notify-svc", asyncio.Event()) as link,
            started("notify", link, chosen, build) as service,
        ):
            await link.nc.flush()
            yield service

    async def replicas(self, count: int, **settings: Any) -> list[Service]:
        """They run until the test ends."""
        return [await self._stack.enter_async_context(self.replica(**settings)) for _ in range(count)]

    async def call(
        self, event: str, request: dict[str, Any], *, user: str = "ana", role: str = "doctor", op: str | None = None
    ) -> dict[str, Any]:
        return await self.ask("notify", event, request, user=user, role=role, op=op)

    async def ask(
        self, service: str, event: str, request: dict[str, Any], *, user: str = "ana", role: str = "doctor",
        op: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        who = Identity(user_id=user, name=user, role=role, session=f"session-of-{token(user)}")
        body = orjson.dumps(request)
        told = await ask(self.link.nc, f"call.{service}.{event}", body, who, op=op or clock.new_id(), timeout_s=30)
        answer: dict[str, Any] = orjson.loads(told)
        return answer

    async def ok(self, event: str, request: dict[str, Any], **who: Any) -> dict[str, Any]:
        answer = await self.call(event, request, **who)
        assert answer["status"] == "ok", answer
        return answer

    async def send(self, title: str, *, op: str | None = None, user: str = "ana", **more: Any) -> dict[str, Any]:
        to = more.pop("to", {"role": "nurse"})
        return await self.ok("notification_send", {"to": to, "title": title, **more}, user=user, op=op)

    async def come(self, user: str, role: str) -> dict[str, Any]:
        """What the edge does when somebody connects."""
        return await self.ok("snapshot", {"kind": "user", "id": token(user), "role": role}, user=user, role=role)

    async def inbox(self, user: str, role: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.ok("notification_inbox", {}, user=user, role=role))["notifications"]
        return found

    async def facts(self, guard: str) -> list[StoredFact]:
        last = await self.log.last(guard)
        return list(await self.log.read(guard, after=0, upto=last.seq)) if last else []

    async def events(self, guard: str) -> list[str]:
        return [fact.event or "" for fact in await self.facts(guard)]

    async def until(self, guard: str, done: Callable[[list[StoredFact]], Any]) -> list[StoredFact]:
        """The facts below a pattern, once that is true of them."""
        found: list[StoredFact] = []
        try:
            async with asyncio.timeout(WITHIN_S):
                while not done(found):
                    await asyncio.sleep(0.05)
                    found = await self.facts(guard)
        except TimeoutError:
            raise AssertionError(f"{guard} holds {[(f.event, f.body[:200]) for f in found]}") from None
        return found

    async def store(self, fact: NewFact) -> int:
        """As a replica does that dies right after it."""
        last = await self.log.last(str(fact.subject))
        expected = last.seq if last else 0
        return await self.log.append(fact, guard=str(fact.subject), expected=expected, timeout=30)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server())
        link = Link()
        await link.connect(Settings(nats_url=server.url), "test")
        stack.push_async_callback(link.nc.close)
        await provision(link.nc)
        yield Rig(server, link, stack)
