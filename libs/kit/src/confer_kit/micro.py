"""nats.micro, for `$SRV.PING`, `INFO` and `STATS` alone: requests are handed on as they are read (docs/adr/0016)."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version

import nats.errors
from nats.aio.subscription import Subscription
from nats.micro import add_service
from nats.micro.request import Request
from nats.micro.service import Endpoint, EndpointConfig, ServiceConfig
from nats.micro.service import Service as MicroService

from confer_kit.nats_client import DirectClient

# Called with where the answer goes, body and headers; it answers with what to await before the next one is read
Receive = Callable[[str, bytes, Mapping[str, str]], Awaitable[None] | None]


class Micro:
    """What a service tells about itself, and the subscriptions of its calls: a queue group, named after it."""

    def __init__(self, nc: DirectClient, name: str) -> None:
        self._nc = nc
        self._name = name
        self._service: MicroService | None = None
        self._subscriptions: list[Subscription] = []

    async def open(self, calls: Mapping[str, Receive]) -> None:
        """Answer to these subjects."""
        config = ServiceConfig(name=f"{self._name}-svc", version=version("confer-kit"), queue_group=self._name)
        self._service = await add_service(self._nc, config)
        for subject, receive in calls.items():
            await self._add(self._service, subject, receive)

    async def drain(self) -> None:
        """Take no further request. The library's own `stop` would drop what has been sent already."""
        for subscription in self._subscriptions:
            with contextlib.suppress(nats.errors.Error):  # drained before, or NATS has closed the connection
                await subscription.drain()  # type: ignore[no-untyped-call]

    async def _add(self, service: MicroService, subject: str, receive: Receive) -> None:
        """As its `add_endpoint`, which would queue each request and wake a task for it."""
        name = subject.replace(".", "-")
        known = Endpoint(service, EndpointConfig(name, _unused, subject=subject, queue_group=self._name))

        def counted(_: str, reply: str, body: bytes, headers: Mapping[str, str]) -> Awaitable[None] | None:
            known._num_requests += 1
            return receive(reply, body, headers)

        known._subscription = await self._nc.subscribe_direct(subject, counted, queue=self._name)
        service._endpoints.append(known)
        self._subscriptions.append(known._subscription)


async def _unused(request: Request) -> None:
    raise AssertionError("requests do not come by way of the library")
