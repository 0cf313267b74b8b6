"""A Chromium for the tests: the machine's, or Debian's package."""

import os
import shutil
import subprocess
from pathlib import Path

from confer_ops.child import environment
from confer_ops.trouble import Trouble

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> Path | None:
    found = (shutil.which(name) for name in _NAMES)
    return next((Path(path) for path in found if path), None)


def find_or_install() -> Path:
    """Trouble when there is none and we may not install it."""
    if found := find():
        return found
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        raise Trouble("There is no Chromium here and it cannot be installed: apt-get install chromium (as root).")
    print("installing Chromium (apt-get; a minute or two)", flush=True)
    env = environment({"DEBIAN_FRONTEND": "noninteractive"})
    for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
        done = subprocess.run(  # noqa: S603 - our own command
            [apt, "-qq", *command], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode != 0:
            raise Trouble(f"apt-get could not install Chromium:\n{done.stdout[-2000:]}")
    if found := find():
        return found
    raise Trouble("apt-get installed chromium, but it is not on the PATH.")
