"""Health that cannot lie: a fact of our own must come back through NATS, LIVE, the feed and the fan-out."""

from collections.abc import Callable

import nats.errors
import nats.js.errors
import orjson

from confer_contracts.ids import token
from confer_contracts.subjects import FactSubject, Header, Kind, audience
from confer_edge import metrics
from confer_edge.audiences import Audiences
from confer_edge.packets import Event
from confer_kit import clock
from confer_kit.logs import logger
from confer_kit.nats_link import Link

log = logger(__name__)

TICK_TIMEOUT_S = 1.5


class Probe:
    """A member like any session; ready means that it heard its own tick lately."""

    def __init__(
        self, link: Link, audiences: Audiences, incarnation: str, late_s: float, also: Callable[[], str | None]
    ) -> None:
        """`also`: what else may be wrong; None: nothing."""
        self.sid = f"probe-{incarnation}"
        self.link = None
        self.marked = False
        self._link = link
        self._late_s = late_s
        self._also = also
        self._subject = FactSubject("edge", Kind.PROBE, token(incarnation), "tick")
        self._heard_at = 0.0
        self._asked_at: float | None = None  # when the oldest tick was sent that was not heard yet
        self._began_at = clock.now()
        metrics.FEED_SILENCE.set_function(lambda: clock.now() - (self._heard_at or self._began_at))
        self._stopping = False
        audiences.add(audience(Kind.PROBE, incarnation), self)

    def receive(self, audience: str, event: Event, stream: str, seq: int) -> None:
        self._heard_at = clock.now()
        if self._asked_at is not None:
            metrics.FEED_SECONDS.observe(max(0.0, self._heard_at - self._asked_at))
            self._asked_at = None

    def lose(self) -> None:
        """The next tick will do."""

    async def tick(self) -> None:
        now = clock.now()
        self._asked_at = self._asked_at or now
        body = orjson.dumps({"at": clock.iso(now)})
        try:
            await self._link.nc.jetstream(timeout=TICK_TIMEOUT_S).publish(
                str(self._subject), body, headers={Header.EVENT: "tick"}, timeout=TICK_TIMEOUT_S
            )
        except (TimeoutError, nats.errors.Error, nats.js.errors.Error) as error:
            log.debug("no tick", error=f"{type(error).__name__}: {error}")

    def stop(self) -> None:
        """From now on not ready: this edge is draining."""
        self._stopping = True

    @property
    def complaint(self) -> str | None:
        """What is wrong; None: ready."""
        if self._stopping:
            return "draining"
        if not self._heard_at:
            return "the live feed has not delivered yet"
        silent_s = clock.now() - self._heard_at
        return self._also() if silent_s <= self._late_s else f"the live feed has been silent for {silent_s:.0f} s"
