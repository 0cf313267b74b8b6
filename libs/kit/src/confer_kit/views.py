"""Views: latest-wins state for the edges, projected from the service's own log."""

import asyncio
from collections.abc import Callable

import nats.errors

from confer_contracts.route import View
from confer_contracts.subjects import Header
from confer_kit import clock
from confer_kit.logs import logger
from confer_kit.nats_link import Link

log = logger(__name__)

COALESCE_S = 0.05
ANNOUNCE_S = 30.0
ANNOUNCED_FOR_S = 600.0

Render = Callable[[], tuple[bytes, int]]


class Views:
    """Publishes views; `coalesce` at most every 50 ms each, and again every half minute while they are fresh."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._dirty: dict[tuple[str, str], tuple[View, str, Render, bool]] = {}
        self._recent: dict[tuple[str, str], tuple[float, View, str, Render]] = {}
        self._wake = asyncio.Event()

    async def publish(
        self, view: View, ident: str, body: bytes, *, as_of: int = 0, origin: str | None = None, again: bool = False
    ) -> None:
        """Send one view now. `ident` is a token; `as_of` the source sequence that it reflects; `origin` the session
        that a view of the kind `others` skips; `again` shows it to those too who have the same already.
        At most once: a view that is lost is announced again."""
        headers = {Header.EVENT: view.event, Header.AS_OF: str(as_of)}
        if origin is not None:
            headers[Header.ORIGIN] = origin
        if again:
            headers[Header.AGAIN] = "1"
        try:
            await self._link.nc.publish(f"view.{view.kind}.{ident}.{view.name}", body, headers=headers)
        except nats.errors.Error as error:
            log.debug("a view was not published", view=view.name, error=str(error))

    def coalesce(self, view: View, ident: str, render: Render, *, again: bool = False) -> None:
        """The view changed, or is to be shown `again`: `render` makes body and source sequence when it is sent."""
        waiting = self._dirty.get((view.name, ident))
        self._dirty[view.name, ident] = (view, ident, render, again or (waiting is not None and waiting[-1]))
        self._recent[view.name, ident] = (clock.now(), view, ident, render)
        self._wake.set()

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            dirty, self._dirty = self._dirty, {}
            for view, ident, render, again in dirty.values():
                await self._send(view, ident, render, again=again)
            await asyncio.sleep(COALESCE_S)

    async def announce(self) -> None:
        """Send again what changed lately: an edge that was away has missed it."""
        oldest = clock.now() - ANNOUNCED_FOR_S
        self._recent = {key: entry for key, entry in self._recent.items() if entry[0] > oldest}
        for _, view, ident, render in tuple(self._recent.values()):
            await self._send(view, ident, render)

    async def _send(self, view: View, ident: str, render: Render, *, again: bool = False) -> None:
        try:
            body, as_of = render()
        except Exception:
            log.exception("a view could not be drawn", view=view.name)
            return
        await self.publish(view, ident, body, as_of=as_of, again=again)
