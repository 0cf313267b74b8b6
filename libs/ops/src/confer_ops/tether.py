"""Becomes the given command, which the kernel kills when our parent dies (Linux; elsewhere it just runs).

Started as `python -I -S tether.py PARENT_PID COMMAND...`: a supervisor that is itself SIGKILLed leaves no orphan.
SIGKILL, because whoever is left without a supervisor may also be stuck, and every part survives that by design.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        raise SystemExit(1)
    os.execvp(command[0], command)  # noqa: S606 - this is what we are for


if __name__ == "__main__":
    main()
