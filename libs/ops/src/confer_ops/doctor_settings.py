"""Looks at settings: those of this shell, or of a file for compose."""

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from confer_contracts.rules import parse
from confer_kit.settings import KitSettings
from confer_ops.findings import Finding, note, ok, wrong
from confer_ops.trouble import Trouble
from confer_ops.up import SECRET_BYTES_MIN

ABOUT: Final = "settings"
_NAME: Final = re.compile(r"\b(?:CONFER|SOCKETIO)_[A-Z_]+\b")
_FILES: Final = re.compile(r"CONFER_\w+_FILE|CONFER_QUEUE_POLICIES|CONFER_SYNC_SCHEMAS")
_OURS: Final = re.compile(
    r"CONFER_EDGE_URL|CONFER_WATCH_PORT|CONFER_TEST_\w+"
)  # of the command line, and of the project's tests
_SHARED: Final = {f"CONFER_{name.upper()}": name for name in KitSettings.model_fields}


def read_file(path: Path) -> dict[str, str]:
    """`NAME=value` a line, as compose reads it. Trouble when it cannot be read."""
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise Trouble(f"{path} cannot be read: {error.strerror}.") from None
    pairs = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip().strip("'\"") for name, _, value in pairs}


def look(told: Mapping[str, str], documents: list[Path]) -> Iterator[Finding]:
    """`documents`: where all names are; without them nothing is said of unknown ones."""
    found = [*_unknown(told, documents), *_values(told), *_identity(told), *_files(told)]
    yield from found
    if not found:
        yield ok(ABOUT, f"{sum(bool(_NAME.fullmatch(name)) for name in told)} set, each one known and usable")


def _unknown(told: Mapping[str, str], documents: list[Path]) -> Iterator[Finding]:
    """A name that is misspelt means nothing to anybody, without a word."""
    known = {name for path in documents for name in _NAME.findall(path.read_text())}
    for name in sorted(told):
        if known and _NAME.fullmatch(name) and name not in known and not _OURS.fullmatch(name):
            close = difflib.get_close_matches(name, sorted(known), 1)
            meant = f"did you mean {close[0]}? " if close else ""
            yield wrong(ABOUT, f"{name} is no setting, and is ignored", f"{meant}All of them: docs/settings.md.")


def _values(told: Mapping[str, str]) -> Iterator[Finding]:
    """Of the settings that every process shares; its own it checks itself, when it starts."""
    given = {field: told[name] for name, field in _SHARED.items() if told.get(name)}
    try:
        KitSettings.model_validate(given)
    except ValidationError as error:
        for each in error.errors():
            name = f"CONFER_{str(each['loc'][0]).upper()}"
            yield wrong(ABOUT, f"{name}={told.get(name)}: {each['msg']}", "No process starts with it: put it right.")


def _identity(told: Mapping[str, str]) -> Iterator[Finding]:
    if told.get("CONFER_IDENTITY") == "trusted-query":
        yield note(
            ABOUT,
            "CONFER_IDENTITY=trusted-query believes what clients say about themselves",
            "For trying out on one machine only: anything else needs jwt.",
        )
    secret = told.get("CONFER_JWT_SECRET", "").encode()
    if secret and len(secret) < SECRET_BYTES_MIN:
        yield wrong(
            ABOUT,
            f"CONFER_JWT_SECRET has {len(secret)} bytes; edges need {SECRET_BYTES_MIN} or more",
            "Make one: `openssl rand -hex 32`.",
        )


def _files(told: Mapping[str, str]) -> Iterator[Finding]:
    for name, value in sorted(told.items()):
        path = Path(value)
        if not value or not _FILES.fullmatch(name) or value.startswith("/run/secrets/"):
            continue
        if not path.exists():
            yield wrong(ABOUT, f"{name}: there is no {value}", "Put the file there, or correct the path.")
        elif name == "CONFER_NOTIFY_RULES_FILE":
            try:
                parse(path.read_bytes())
            except (OSError, ValueError) as error:
                yield wrong(
                    ABOUT, f"{name}: {error}", f"Correct it; `confer rules check {value}` says when it is right."
                )
