"""A short-lived connection to NATS for a command: it answers now, or the command says that nobody does."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import nats.errors
from nats.aio.client import Client

from confer_contracts.permissions import OPERATOR
from confer_kit.nats_link import addresses
from confer_kit.nats_login import BadCredentials, LoginClient, Violation, refusal
from confer_kit.nats_users import seed_file
from confer_kit.process import read_settings
from confer_kit.settings import KitSettings
from confer_ops.checkout import root
from confer_ops.data import DataDirectory
from confer_ops.trouble import Trouble

CONNECT_S: Final = 5


@asynccontextmanager
async def connected(url: str, user: str = OPERATOR, keys: Path | None = None) -> AsyncIterator[Client]:
    """As a user of NATS: with the key in the directory `keys`; else the one that the environment names, or that of
    `./run`. Trouble when no server answers, and inside the block as soon as it does not permit something: what waits
    would wait in vain."""
    settings = read_settings(KitSettings, nats_url=url)
    if keys is not None or settings.nats_nkey_seed_file is None:
        path = seed_file(keys or DataDirectory(root() / ".confer").keys, user)
        settings = settings.model_copy(update={"nats_nkey_seed_file": path if path.exists() else None})
    nc, guard = LoginClient(), _Guard()
    try:
        await nc.log_in(
            settings,
            user,
            connect_timeout=CONNECT_S,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            error_cb=guard.told,
        )
    except BadCredentials as error:
        raise Trouble(str(error)) from None
    except (OSError, TimeoutError, nats.errors.Error) as error:
        where = addresses(url)
        why = str(error) or f"no answer in {CONNECT_S:g} s"  # it is frozen, or the network loses what is sent
        raise Trouble(refusal(where, why) or f"No NATS server answers at {where} ({why}).") from None
    try:
        with guard.watching():
            yield nc
    finally:
        await nc.close()


class _Guard:
    """Ends what a user waits for who may not have it: NATS tells so beside the requests, which then time out."""

    def __init__(self) -> None:
        self._task: asyncio.Task[object] | None = None
        self._refused: Violation | None = None

    async def told(self, error: Exception) -> None:
        """The connection's errors; the client's own callback would print a stack trace."""
        if self._task is not None and self._refused is None and (refused := Violation.of(error)) is not None:
            self._refused = refused
            self._task.cancel()

    @contextmanager
    def watching(self) -> Iterator[None]:
        self._task = asyncio.current_task()
        try:
            yield
        except asyncio.CancelledError:
            if self._refused is None or self._task is None or self._task.uncancel():
                raise
            raise Trouble(
                f"NATS does not permit this user {self._refused.subject} ({self._refused.operation}): "
                "CONFER_NATS_NKEY_SEED_FILE is the key of another one, or the servers' accounts.conf is older than "
                "this version (docs/nats.md)."
            ) from None
        finally:
            self._task = None
