"""Debian's packages, for tools that the tests need."""

import os
import shutil
import subprocess

from confer_ops.child import environment
from confer_ops.trouble import Trouble


def install(what: str, *packages: str) -> None:
    """Trouble when we may not, or cannot."""
    apt, names = shutil.which("apt-get"), " ".join(packages)
    if apt is None or os.geteuid() != 0:
        raise Trouble(f"There is no {what} here and it cannot be installed: apt-get install {names} (as root).")
    print(f"installing {what} (apt-get; a minute or two)", flush=True)
    env = environment({"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"})  # daemons are not started
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        done = subprocess.run(  # noqa: S603 - our own command
            [apt, "-qq", *command], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode != 0:
            raise Trouble(f"apt-get could not install {what}:\n{done.stdout[-2000:]}")
