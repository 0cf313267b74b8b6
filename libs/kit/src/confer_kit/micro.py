"""nats.micro, for `$SRV.PING`, `INFO` and `STATS` alone: requests are handed on as they are read (docs/adr/0016)."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from typing import Any

import nats.errors
from nats.aio.subscription import Subscription
from nats.micro import add_service
from nats.micro.request import Request
from nats.micro.service import Endpoint, EndpointConfig, EndpointStats, ServiceConfig
from nats.micro.service import Service as MicroService

from confer_kit import clock
from confer_kit.nats_client import DirectClient

# Called with where the answer goes, body and headers; it answers with what to await before the next one is read
Receive = Callable[[str, bytes, Mapping[str, str]], Awaitable[None] | None]


State = Callable[[], Mapping[str, Any]]


class Micro:
    """What a process tells about itself, and the subscriptions of its calls in a queue group.

    `state`: what else there is to tell (JSON), in the `data` of each endpoint's STATS beside the process's own clock.
    `failures`: how many requests of a subject were answered by an error of ours.
    """

    def __init__(
        self, nc: DirectClient, process: str, *, group: str, state: State, failures: Callable[[str], int]
    ) -> None:
        self._nc = nc
        self._process, self._group = process, group
        self._state, self._failures = state, failures
        self._service: MicroService | None = None
        self._subscriptions: list[Subscription] = []

    async def open(self, calls: Mapping[str, Receive]) -> None:
        """Answer to these subjects."""
        config = ServiceConfig(
            name=self._process, version=version("confer-kit"), queue_group=self._group, stats_handler=self._told
        )
        self._service = await add_service(self._nc, config)
        for subject, receive in calls.items():
            await self._add(self._service, subject, receive)

    def _told(self, stats: EndpointStats) -> dict[str, Any]:
        stats.num_errors = self._failures(stats.subject)
        return {"now": clock.iso(clock.now()), **self._state()}

    async def drain(self) -> None:
        """Take no further request. The library's own `stop` would drop what has been sent already."""
        for subscription in self._subscriptions:
            with contextlib.suppress(nats.errors.Error):  # drained before, or NATS has closed the connection
                await subscription.drain()  # type: ignore[no-untyped-call]

    async def _add(self, service: MicroService, subject: str, receive: Receive) -> None:
        """As its `add_endpoint`, which would queue each request and wake a task for it."""
        name = subject.replace(".", "-")
        known = Endpoint(service, EndpointConfig(name, _unused, subject=subject, queue_group=self._group))

        def counted(_: str, reply: str, body: bytes, headers: Mapping[str, str]) -> Awaitable[None] | None:
            known._num_requests += 1
            return receive(reply, body, headers)

        known._subscription = await self._nc.subscribe_direct(subject, counted, queue=self._group)
        service._endpoints.append(known)
        self._subscriptions.append(known._subscription)


async def _unused(request: Request) -> None:
    raise AssertionError("requests do not come by way of the library")
