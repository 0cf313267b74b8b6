"""Why a process cannot listen where its settings say, and which of them to change."""

import errno
import os


def advice(error: OSError, host: str, port: str) -> str:
    """What is wrong and what to do; `host` and `port` are the settings' names."""
    match error.errno:
        case errno.EADDRINUSE:
            what = f"another program uses the port, perhaps another replica: stop it, or set {port} to a free one"
        case errno.EADDRNOTAVAIL:
            what = f"this machine has no such address: put {host} right"
        case errno.EACCES:
            what = f"the port needs more rights: set {port} to one from 1024 on"
        case code:
            what = f"{os.strerror(code) if code and code > 0 else error}: see {host} and {port}"
    return what
