"""The keys of an installation's users of NATS: a directory for each, to be mounted where it belongs and nowhere else.

<directory>/<user>/seed.nk      the seed, mode 0600
<directory>/server/keys.conf    the public keys, which accounts.conf names
"""

import os
from pathlib import Path
from typing import Final

from confer_contracts import nats_accounts
from confer_kit.nkeys import UserKey

SERVER, KEYS = "server", "keys.conf"
_NOBODY: Final = -1  # to chown: as it is


def seed_file(directory: Path, user: str) -> Path:
    return directory / user / "seed.nk"


def keys_file(directory: Path) -> Path:
    return directory / SERVER / KEYS


def make(directory: Path, owner: int | None = None) -> list[str]:
    """Make the keys that are missing, and the file of the public ones; answers whose were made. `owner`: who is to have
    the seeds (a user id). OSError, or ValueError where a file is there that holds no seed."""
    made, public = [], {}
    for user in nats_accounts.names():
        path = seed_file(directory, user)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(UserKey.new().seed + "\n")
            made.append(user)
        public[user] = UserKey.read(path).public
        for each in (path, path.parent):
            if owner is not None:
                os.chown(each, owner, _NOBODY)
    keys = keys_file(directory)
    keys.parent.mkdir(exist_ok=True)
    keys.write_text(nats_accounts.keys(public))
    return made
