"""HAProxy and nginx for the tests of deploy/: the machine's, or Debian's packages."""

import shutil

from confer_ops import apt
from confer_ops.child import environment

_NAMES = ("haproxy", "nginx")


def missing() -> list[str]:
    """Those that are not here."""
    path = f"{environment({}).get('PATH', '')}:/usr/sbin"  # which only root has on the PATH
    return [name for name in _NAMES if shutil.which(name, path=path) is None]


def install() -> None:
    """What is missing. Trouble when we may not."""
    if names := missing():
        apt.install(" and ".join(names), *names)
