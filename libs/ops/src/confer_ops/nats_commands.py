"""`confer nats-users`: the keys by which processes log in to NATS, and the servers' certificate (docs/nats.md)."""

from pathlib import Path
from typing import Annotated

import typer

from confer_kit import nats_certificates, nats_users
from confer_ops.trouble import Trouble


def users(
    into: Annotated[Path, typer.Option(help="the directory; what is missing there is made, what is there stays")],
    owner: Annotated[int | None, typer.Option(help="the user id that is to have the seeds; yours if not given")] = None,
    host: Annotated[
        list[str] | None,
        typer.Option(help="a name or address of a server, for TLS: a certificate is made as well; again for more"),
    ] = None,
) -> None:
    """Make a key for each user of NATS, and the file of public keys for the server."""
    try:
        made = nats_users.make(into, owner)
        certified = bool(host) and nats_certificates.make(into, host or [])
    except (OSError, ValueError) as error:
        raise Trouble(f"--into {into} cannot be used: {error}") from None
    print(f"made keys of {', '.join(made)}" if made else "no key was missing")
    if certified:
        print(f"made a certificate of {', '.join(host or [])}")
    print(f"the server's file is {nats_users.keys_file(into)}")
