"""A file that its owner may change while the process runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from confer_kit.logs import logger

log = logger(__name__)

BYTES_MAX: Final = 1 << 20
LOOK_S: Final = 0.5  # twice before a new version of a patient one counts

T = TypeVar("T")


class WatchedFile(Generic[T]):
    """What is in a file, parsed. OSError or ValueError when it cannot be used at start; later a version that cannot be
    is refused, said once, and `value` stays as it was.

    `what` is its name in the log. `patient`: a version counts when two looks in a row have found the same, so that
    none is read while it is being written.
    """

    def __init__(self, path: Path, parse: Callable[[bytes], T], what: str, *, patient: bool = False) -> None:
        self._path = path
        self._parse = parse
        self._what = what
        self._patient = patient
        self._seen = self._looked_at = self._version()
        self.value = parse(self._read())

    def look(self) -> bool:
        """Whether there is a new value."""
        version, before = self._version(), self._looked_at
        self._looked_at = version
        if version == self._seen or (self._patient and version != before):
            return False
        self._seen = version
        try:
            self.value = self._parse(self._read())
        except (OSError, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"
            log.error(f"the {self._what} file cannot be used; it counts as it was before", reason=reason)
            return False
        log.info(f"the {self._what} file was read again")
        return True

    def _read(self) -> bytes:
        with self._path.open("rb") as file:
            raw = file.read(BYTES_MAX + 1)
        if len(raw) > BYTES_MAX:
            raise ValueError(f"it is larger than {BYTES_MAX} bytes")
        return raw

    def _version(self) -> tuple[int, int, int] | None:
        """None: it is not there."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


def operators_file(variable: str, path: Path, parse: Callable[[bytes], T], what: str) -> WatchedFile[T]:
    """The file that a setting names; SystemExit with a sentence when it cannot be used."""
    try:
        return WatchedFile(path, parse, what, patient=True)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SystemExit(f"{variable}={path} cannot be used: {reason}") from None
