"""The data directory: one owner at a time, and a memory of what should be in it."""

import errno
import fcntl
import json
import os
import shutil
import time
from pathlib import Path

from confer_ops.trouble import Trouble

LOCK_WAIT_S = 3.0  # a run that was killed a moment ago may still be dying


class DataDirectory:
    """`nats/` is the server's store, `keys/` those of its users; `streams.json` names the streams that have been made,
    `lock` is held by a run."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.store = self.path / "nats"
        self.keys = self.path / "keys"
        self._streams = self.path / "streams.json"
        self.lock_fd = -1

    def open(self) -> None:
        """Make it and lock it; Trouble when it cannot be ours."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.lock_fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except (FileExistsError, NotADirectoryError):
            raise Trouble(f"{self.path} is not a directory: move it away, or choose another with --data.") from None
        except OSError as error:
            raise Trouble(
                f"{self.path} cannot be used for data ({error.strerror}): choose another with --data."
            ) from None
        self._lock()

    @property
    def is_in_use(self) -> bool:
        """Whether a run has it."""
        try:
            fd = os.open(self.path / "lock", os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(fd)
        return False

    def check(self) -> None:
        """Trouble when what is stored cannot be used."""
        if self.store.exists() and not self.store.is_dir():
            raise self.damaged(f"{self.store} is not a directory")
        _ = self.streams

    def _lock(self) -> None:
        until = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(self.lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    raise
                if time.monotonic() > until:
                    raise Trouble(
                        f"Another `./run` is using {self.path}: stop it, or choose another directory with --data."
                    ) from None
                time.sleep(0.1)
            else:
                return

    @property
    def has_data(self) -> bool:
        return self.store.exists() or self._streams.exists()

    def forget(self) -> None:
        """Remove what runs have stored here, and nothing else."""
        if self.store.is_dir():
            shutil.rmtree(self.store)
        else:
            self.store.unlink(missing_ok=True)
        self._streams.unlink(missing_ok=True)

    @property
    def streams(self) -> frozenset[str]:
        """The streams that earlier runs have made here."""
        try:
            return frozenset(json.loads(self._streams.read_text()))
        except FileNotFoundError:
            return frozenset()
        except (OSError, ValueError):
            raise self.damaged(f"{self._streams} cannot be read") from None

    def remember(self, streams: frozenset[str]) -> None:
        fresh = self._streams.with_suffix(".new")
        fresh.write_text(json.dumps(sorted(streams)))
        fresh.replace(self._streams)

    def damaged(self, what: str) -> Trouble:
        return Trouble(
            f"The data directory {self.path} is damaged: {what}. "
            "Restore it from a backup, start empty with --fresh (deletes it), or choose another with --data."
        )
