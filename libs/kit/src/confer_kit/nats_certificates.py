"""By what the servers of NATS are known: beside the keys of their users (`nats_users`), and made like them.

<directory>/server/server.pem, server.key    of all servers, to clients and to each other
<directory>/server/ca.pem                    what trusts them, for their routes
<directory>/<user>/ca.pem                    the same, for each process
"""

from collections.abc import Sequence
from pathlib import Path

from confer_contracts import nats_accounts
from confer_kit.certificates import Authority, hosts_of
from confer_kit.nats_users import SERVER

CA, CERTIFICATE, KEY = "ca.pem", "server.pem", "server.key"


def make(directory: Path, hosts: Sequence[str]) -> bool:
    """Make the certificate where there is none, and give every user what trusts it; whether one was made. OSError, or
    ValueError where the one that is there is not for all of `hosts`."""
    server = directory / SERVER
    server.mkdir(parents=True, exist_ok=True)
    missing = not (server / CA).exists()  # the last that is written
    if missing:
        authority = Authority("NATS of Confer")
        certificate, key = authority.issue(hosts)
        (server / KEY).touch(mode=0o600)
        for name, content in ((KEY, key), (CERTIFICATE, certificate), (CA, authority.pem)):
            (server / name).write_bytes(content)
    elif other := set(hosts) - hosts_of((server / CERTIFICATE).read_bytes()):
        raise ValueError(f"the certificate there is not for {', '.join(sorted(other))}: delete {server / CA}, repeat")
    for user in nats_accounts.names():
        (directory / user).mkdir(mode=0o700, exist_ok=True)
        (directory / user / CA).write_bytes((server / CA).read_bytes())
    return missing
