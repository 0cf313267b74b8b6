"""A short-lived connection to NATS for a command: it answers now, or the command says that nobody does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats
import nats.errors
from nats.aio.client import Client

from confer_kit.nats_link import addresses
from confer_ops.trouble import Trouble


@asynccontextmanager
async def connected(url: str, name: str) -> AsyncIterator[Client]:
    """Trouble when no server answers."""
    try:
        nc = await nats.connect(
            [each.strip() for each in url.split(",")],
            name=name,
            connect_timeout=5,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            error_cb=_told_by_raising,
        )
    except (OSError, TimeoutError, nats.errors.Error) as error:
        raise Trouble(f"No NATS server answers at {addresses(url)} ({error}).") from None
    try:
        yield nc
    finally:
        await nc.close()


async def _told_by_raising(_: Exception) -> None:
    """The client's own callback would print a stack trace."""
