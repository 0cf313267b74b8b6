"""Views: latest-wins state from the services, by a plain subscription; older ones than the last are dropped."""

import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Protocol

import nats.errors
from nats.aio.msg import Msg
from opentelemetry.trace import INVALID_SPAN

from confer_contracts.catalogue import BESIDE, EPHEMERA
from confer_contracts.subjects import VIEWS_AGAIN, Header, template
from confer_edge import metrics, packets
from confer_edge.audiences import Audiences
from confer_edge.tracing import emitting
from confer_kit import telemetry
from confer_kit.logs import logger
from confer_kit.nats_link import Link
from confer_kit.tasks import Tasks

log = logger(__name__)

REMEMBERED_MAX = 50_000


class Beside(Protocol):
    """Who gets the views of another namespace."""

    def has(self, audience: str) -> bool: ...
    async def show(self, audience: str, body: bytes, as_of: int) -> int:
        """Answers to how many."""
        ...

    def forget(self) -> None: ...


class ViewFeed:
    """Hands views to their audiences. A replica that lags behind, or a second one, changes nothing."""

    def __init__(self, link: Link, audiences: Audiences, boards: Beside, before: Callable[[], Awaitable[None]]) -> None:
        """`before` is awaited before each view."""
        self._link = link
        self._before = before
        self._audiences = audiences
        self._boards = boards
        self._tasks = Tasks()
        self._newest: OrderedDict[str, tuple[int, int]] = OrderedDict()

    async def start(self) -> None:
        """The client library renews the subscription after a reconnect; what was shown meanwhile is asked for."""
        await self._link.nc.subscribe("view.>", cb=self._receive)
        self._link.on_reconnect.append(self._were_missed)
        await self._link.settled()

    def _were_missed(self) -> None:
        self._tasks.start(self._ask(), "views again")

    async def _ask(self) -> None:
        with contextlib.suppress(nats.errors.Error):  # away again: then at the next reconnect
            await self._link.nc.publish(VIEWS_AGAIN)

    async def _receive(self, msg: Msg) -> None:
        await self._before()
        headers = msg.headers or {}
        name = headers.get(Header.EVENT)
        parts = msg.subject.split(".")
        if name is None or len(parts) != 4:
            log.warning("not a view", subject=template(msg.subject))
            return
        audience = f"{parts[1]}.{parts[2]}"
        beside = name in BESIDE
        if not (self._boards if beside else self._audiences).has(audience) or self._is_old(msg, headers):
            return
        told, shape = {telemetry.AUDIENCE_KIND: parts[1]}, f"view.{parts[1]}.{{id}}.{parts[3]}"
        traced = telemetry.sampled(headers)
        with emitting(name, msg.subject, shape, headers, told) if traced else nullcontext(INVALID_SPAN) as span:
            if beside:
                reached = await self._boards.show(audience, msg.data, _as_of(headers))
            else:
                event = packets.view(name, msg.data, "" if name in EPHEMERA else msg.subject)
                reached = self._audiences.emit(audience, name, event, origin=headers.get(Header.ORIGIN))
                metrics.VIEWS.inc(reached)
            span.set_attribute(telemetry.MEMBERS, reached)

    def _is_old(self, msg: Msg, headers: dict[str, str]) -> bool:
        """Whether this, or something newer, was handed out already. As of 0: ephemeral, never old."""
        seq = _as_of(headers)
        if not seq:
            return False
        content = hash(msg.data)
        known, seen = self._newest.get(msg.subject, (0, 0))
        if seq < known or (seq == known and content == seen and Header.AGAIN not in headers):
            return True
        self._newest[msg.subject] = (seq, content)
        self._newest.move_to_end(msg.subject)
        if len(self._newest) > REMEMBERED_MAX:
            self._newest.popitem(last=False)
        return False

    def forget(self) -> None:
        """Sequences begin anew with a new log."""
        self._newest.clear()
        self._boards.forget()


def _as_of(headers: dict[str, str]) -> int:
    """The source sequence that a view reflects; 0: it tells none."""
    told = headers.get(Header.AS_OF, "0")
    return int(told) if told.isdigit() else 0
