"""The connection to NATS: reconnects for ever, reports what it sees, ends the process only when closed for good."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, cast
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client

from confer_kit import metrics
from confer_kit.logs import logger
from confer_kit.nats_client import DirectClient
from confer_kit.nats_login import BadCredentials, Violation, refusal
from confer_kit.settings import KitSettings

log = logger(__name__)
NOT_PERMITTED: Final = "NATS does not permit it"


class Link:
    """A connection, and who wants to know of its ups and downs. `judged` answers with what keeps its process from
    serving."""

    def __init__(self) -> None:
        self.nc = DirectClient()
        self.on_reconnect: list[Callable[[], None]] = []
        self.on_disconnect: list[Callable[[], None]] = []
        self.on_closed: list[Callable[[], None]] = []
        self.judged: Callable[[], str | None] = lambda: "it is starting"
        self._last_error = ""
        self.refused = ""  # the last error that says why a server does not let us in
        self.forbidden = ""  # the subject of the last thing that it did not permit
        self._servers = ""
        metrics.NATS_CONNECTED.set_function(lambda: self.nc.is_connected)
        self._up = False  # connected, and nobody has closed it: only then its end is news

    async def connect(self, settings: KitSettings, name: str) -> None:
        """Raises the client's error when no server answers within `nats_connect_s`, or BadCredentials."""
        self._servers = addresses(settings.nats_url)
        await self.nc.log_in(
            settings,
            name,
            max_reconnect_attempts=-1,
            reconnect_time_wait=cast("int", 0.25),  # it sleeps for this long; a float is fine
            ping_interval=5,
            max_outstanding_pings=2,
            connect_timeout=2,
            pending_size=8 * 1024 * 1024,
            error_cb=self._error,
            disconnected_cb=self._disconnected,
            reconnected_cb=self._reconnected,
            closed_cb=self._closed,
        )
        self._up = True

    async def close(self, timeout: float) -> None:
        """Send what is still to be sent, and end. Never raises: while NATS is away nats-py's close writes to a
        transport that is gone (RuntimeError of uvloop)."""
        self._up = False
        with contextlib.suppress(nats.errors.Error, TimeoutError, OSError, RuntimeError):
            async with asyncio.timeout(timeout):
                if self.nc.is_connected:
                    await self.nc.flush()
                await self.nc.close()

    async def settled(self) -> None:
        """As `settled` of the connection."""
        await settled(self.nc)

    def complaint(self) -> str | None:
        """Why the process cannot serve; None: it can."""
        return self.judged()

    def away(self) -> str | None:
        """A complaint while there is no server."""
        return None if self.nc.is_connected else f"NATS is away: {self._servers}"

    async def _error(self, error: Exception) -> None:
        if (refused := Violation.of(error)) is not None:
            metrics.NATS_VIOLATIONS.labels(refused.operation).inc()
            log.error(NOT_PERMITTED, operation=refused.operation, subject=refused.subject)
            self.forbidden = refused.subject
            return
        text = f"{type(error).__name__}: {error}"
        if text != self._last_error:  # a server that is away gives the same error several times a second
            log.warning("NATS", error=text, servers=self._servers)
        self._last_error = text
        if refusal(self._servers, text):  # the connection that ends by it may be told as reset next
            self.refused = text

    @property
    def last_error(self) -> str:
        """Of the connection, with its type; empty: there was none since it stands."""
        return self._last_error

    async def _disconnected(self) -> None:
        if self._up:
            log.warning("NATS is away", servers=self._servers)
            metrics.NATS_DISCONNECTS.inc()
        for told in self.on_disconnect:
            told()

    async def _reconnected(self) -> None:
        self._last_error = self.refused = ""
        url = self.nc.connected_url
        metrics.NATS_RECONNECTS.inc()
        log.info("NATS is back", server=f"{url.hostname}:{url.port}" if url else "?")
        for told in self.on_reconnect:
            told()

    async def _closed(self) -> None:
        for told in self.on_closed:
            told()


def addresses(urls: str) -> str:
    """Where the servers of `nats_url` are, for people: no scheme, and never the credentials."""
    each = (url.strip() for url in urls.split(","))
    return ", ".join(urlsplit(u if "://" in u else f"//{u}").netloc.rpartition("@")[2] for u in each)


async def wait_for_nats(link: Link, settings: KitSettings, name: str) -> None:
    """Connect, or SystemExit after `nats_connect_s` with a sentence that says what to do.

    nats-py with endless reconnects tries for ever in `connect`, so that the deadline is ours.
    """
    try:
        await asyncio.wait_for(link.connect(settings, name), settings.nats_connect_s)
    except BadCredentials as error:
        raise SystemExit(f"{name}: {error}") from None
    except (OSError, TimeoutError, nats.errors.Error) as error:
        where = addresses(settings.nats_url)
        no_answer = "; ".join(filter(None, [f"no answer in {settings.nats_connect_s:g} s", link.last_error]))
        why = str(error) or no_answer
        nobody = f"no NATS server at {where} ({why}). Start one, or set CONFER_NATS_URL."
        raise SystemExit(f"{name}: {refusal(where, link.refused) or nobody}") from error


async def settled(nc: Client) -> None:
    """The server knows every subscription made so far, and every end of one. nats-py writes flush's PING ahead of what
    is still buffered, so that only the second one is a barrier."""
    await nc.flush()
    await nc.flush()
