"""Views: latest-wins state for the edges, projected from the service's own log."""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import nats.errors
from opentelemetry.trace import INVALID_SPAN, Span

from confer_contracts.route import View
from confer_contracts.subjects import Header
from confer_kit import clock, metrics, telemetry
from confer_kit.logs import logger
from confer_kit.nats_link import Link

log = logger(__name__)

COALESCE_S = 0.05
BYTES_PER_S = 1 << 20  # of one view: a large one is sent less often
ANNOUNCE_S = 30.0
ASKED_S = 0.4
ANNOUNCED_FOR_S = 600.0
ANNOUNCED_MAX = 10_000  # views; beyond it those that are longest unchanged are not announced
CAUSES_MAX = 8  # traces that one drawing is told to be about; the last ones
WAITING_MAX = 10_000  # views that have changed; beyond it those that wait for longest are not shown

Render = Callable[[], tuple[bytes, int] | None]


class _Changed(NamedTuple):
    """A view that is to be sent. `causes`: the traceparents of the recorded changes that it will show."""

    view: View
    ident: str
    render: Render
    again: bool
    causes: tuple[str, ...]


class Views:
    """Publishes views; `coalesce` at most every 50 ms and a megabyte a second each, and again every half minute while
    they are fresh."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._dirty: dict[tuple[str, str], _Changed] = {}
        self._recent: dict[tuple[str, str], tuple[float, View, str, Render]] = {}
        self._resting: dict[tuple[str, str], float] = {}  # large ones, until when (seconds of the loop)
        self._wake = asyncio.Event()
        self._asked = asyncio.Event()
        self._whole = asyncio.Event()
        self._whole.set()

    async def publish(
        self, view: View, ident: str, body: bytes, *, as_of: int = 0, origin: str | None = None, again: bool = False,
        causes: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Send one view now. `ident` is a token; `as_of` the source sequence that it reflects; `origin` the session
        that a view of the kind `others` skips; `again` shows it to those too who have the same already; `causes` are
        the traceparents of what it shows: a hop of the last one's trace, or else of the current one's.
        At most once: a view that is lost is announced again."""
        headers = {Header.EVENT: view.event, Header.AS_OF: str(as_of)}
        if origin is not None:
            headers[Header.ORIGIN] = origin
        if again:
            headers[Header.AGAIN] = "1"
        try:
            with _sending(view, causes):
                if telemetry.recording():
                    headers |= telemetry.inject()
                await self._link.nc.publish(f"view.{view.kind}.{ident}.{view.name}", body, headers=headers)
        except nats.errors.Error as error:
            log.debug("a view was not published", view=view.name, error=str(error))

    def coalesce(self, view: View, ident: str, render: Render, *, again: bool = False) -> None:
        """The view changed, or is to be shown `again`: `render` makes body and source sequence when it is sent,
        or None: there is nothing true to show now."""
        waiting = self._dirty.get((view.name, ident))
        causes, cause = waiting.causes if waiting else (), telemetry.cause()
        if cause and cause not in causes:
            causes = (*causes, cause)[-CAUSES_MAX:]
        again = again or (waiting is not None and waiting.again)
        self._dirty[view.name, ident] = _Changed(view, ident, render, again, causes)
        if len(self._dirty) > WAITING_MAX:
            del self._dirty[next(iter(self._dirty))]
            metrics.VIEWS_DROPPED.inc()
        self._recent.pop((view.name, ident), None)
        self._recent[view.name, ident] = (clock.now(), view, ident, render)  # the latest last
        if len(self._recent) > ANNOUNCED_MAX:
            del self._recent[next(iter(self._recent))]
            metrics.VIEWS_UNANNOUNCED.inc()
        self._wake.set()

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            await self._whole.wait()
            self._wake.clear()
            for changed in self._due():
                await self._send(changed)
            if self._dirty:
                self._wake.set()
            await asyncio.sleep(COALESCE_S)

    def _due(self) -> list[_Changed]:
        """Those that have changed, except large ones that were sent a moment ago: they stay dirty."""
        now = asyncio.get_running_loop().time()
        self._resting = {key: until for key, until in self._resting.items() if until > now}
        due = [key for key in self._dirty if key not in self._resting]
        return [self._dirty.pop(key) for key in due]

    def hold(self) -> None:
        """What they are drawn from is being read anew: half of it is not to be shown."""
        self._whole.clear()

    def release(self) -> None:
        self._whole.set()

    def ask(self) -> None:
        """Somebody has missed some: announce them soon."""
        self._asked.set()

    async def answer(self) -> None:
        """Announce when asked, once for all who ask at about the same time."""
        while True:
            await self._asked.wait()
            await asyncio.sleep(random.uniform(ASKED_S / 2, ASKED_S))  # noqa: S311 - jitter
            self._asked.clear()
            await self.announce()

    async def announce(self) -> None:
        """Send again what changed lately: an edge that was away has missed it."""
        await self._whole.wait()
        oldest = clock.now() - ANNOUNCED_FOR_S
        self._recent = {key: entry for key, entry in self._recent.items() if entry[0] > oldest}
        for _, view, ident, render in tuple(self._recent.values()):
            await self._send(_Changed(view, ident, render, again=False, causes=()))

    async def _send(self, changed: _Changed) -> None:
        view, ident, render, again, causes = changed
        try:
            drawn = render()
        except Exception:
            log.exception("a view could not be drawn", view=view.name)
            return
        if drawn is not None:
            rest_s = len(drawn[0]) / BYTES_PER_S
            if rest_s > COALESCE_S:
                self._resting[view.name, ident] = asyncio.get_running_loop().time() + rest_s
            await self.publish(view, ident, drawn[0], as_of=drawn[1], again=again, causes=causes)


def _sending(view: View, causes: Sequence[str]) -> AbstractContextManager[Span]:
    """Of a burst of changes one drawing is sent: in the last one's trace, with links to all. Announced: in none."""
    template = f"view.{view.kind}.{{id}}.{view.name}"
    if not causes:
        return telemetry.sending(template) if telemetry.recording() else nullcontext(INVALID_SPAN)
    parent = telemetry.incoming({Header.TRACEPARENT: causes[-1]})
    attributes = telemetry.messaging("send", template)
    return telemetry.span(f"send {template}", telemetry.Kind.PRODUCER, parent, links=causes, attributes=attributes)
