"""A Chromium for the tests: the machine's, or Debian's package."""

import shutil
from pathlib import Path

from confer_ops import apt
from confer_ops.trouble import Trouble

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> Path | None:
    found = (shutil.which(name) for name in _NAMES)
    return next((Path(path) for path in found if path), None)


def find_or_install() -> Path:
    """Trouble when there is none and we may not install it."""
    if found := find():
        return found
    apt.install("Chromium", "chromium")
    if found := find():
        return found
    raise Trouble("apt-get installed chromium, but it is not on the PATH.")
