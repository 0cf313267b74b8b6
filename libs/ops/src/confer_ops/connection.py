"""A short-lived connection to NATS for a command: it answers now, or the command says that nobody does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import nats.errors
from nats.aio.client import Client

from confer_contracts.permissions import OPERATOR
from confer_kit.nats_link import addresses
from confer_kit.nats_login import BadCredentials, LoginClient, refusal
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
    `./run`. Trouble when no server answers."""
    settings = read_settings(KitSettings, nats_url=url)
    if keys is not None or settings.nats_nkey_seed_file is None:
        path = seed_file(keys or DataDirectory(root() / ".confer").keys, user)
        settings = settings.model_copy(update={"nats_nkey_seed_file": path if path.exists() else None})
    nc = LoginClient()
    try:
        await nc.log_in(
            settings,
            user,
            connect_timeout=CONNECT_S,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            error_cb=_told_by_raising,
        )
    except BadCredentials as error:
        raise Trouble(str(error)) from None
    except (OSError, TimeoutError, nats.errors.Error) as error:
        where = addresses(url)
        why = str(error) or f"no answer in {CONNECT_S:g} s"  # it is frozen, or the network loses what is sent
        raise Trouble(refusal(where, why) or f"No NATS server answers at {where} ({why}).") from None
    try:
        yield nc
    finally:
        await nc.close()


async def _told_by_raising(_: Exception) -> None:
    """The client's own callback would print a stack trace."""
