"""Prometheus and promtool for the tests of deploy/prometheus: the machine's, or Debian's package."""

import shutil

from confer_ops import apt

_NAMES = ("prometheus", "promtool")


def missing() -> list[str]:
    """Those that are not here."""
    return [name for name in _NAMES if shutil.which(name) is None]


def install() -> None:
    """What is missing. Trouble when we may not."""
    if missing():
        apt.install("Prometheus", "prometheus")
