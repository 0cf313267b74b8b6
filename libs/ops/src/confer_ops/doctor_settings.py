"""Looks at settings: those of this shell, or of a file for compose."""

import difflib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from pydantic import AliasChoices, ValidationError
from pydantic.fields import FieldInfo

from confer_contracts.catalogue import SERVICES
from confer_contracts.rules import parse
from confer_kit.nkeys import UserKey
from confer_kit.settings import KitSettings, is_secret
from confer_ops.findings import Finding, note, ok, wrong
from confer_ops.trouble import Trouble
from confer_ops.up import SECRET_BYTES_MIN

ABOUT: Final = "settings"
_NAME: Final = re.compile(r"\b(?:CONFER|SOCKETIO)_[A-Z_]+\b")
_DIRECTORY: Final = "CONFER_SYNC_SCHEMAS"
_FILES: Final = re.compile(rf"CONFER_\w+_FILE|CONFER_NATS_TLS_(CA|CERT|KEY)|CONFER_QUEUE_POLICIES|{_DIRECTORY}")
_PARSED: Final[dict[str, tuple[Callable[[Path], object], str]]] = {
    "CONFER_NOTIFY_RULES_FILE": (
        lambda path: parse(path.read_bytes()), "Correct it; `confer rules check {}` says when it is right."
    ),
    "CONFER_NATS_NKEY_SEED_FILE": (UserKey.read, "Make it by `confer nats-users`: docs/nats.md."),
}  # fmt: skip
_KEYS: Final = ("CONFER_JWT_SECRET", "CONFER_JWT_SECRET_FILE", "CONFER_JWKS_FILE", "CONFER_JWKS_URL")
_OURS: Final = re.compile(
    r"CONFER_EDGE_URL|CONFER_WATCH_PORT|CONFER_TEST_\w+"
)  # of the command line, and of the project's tests


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
    """Of the settings that every process shares, and of those of each deployable that is installed here: another checks
    its own when it starts."""
    said: set[str] = set()
    models: list[tuple[str, type[KitSettings]]] = [("process", KitSettings), *_installed()]
    for who, model in models:
        for sentence in _refused(model, told):
            if sentence not in said:
                yield wrong(ABOUT, sentence, f"No {who} starts with it: put it right.")
            said.add(sentence)


def _refused(model: type[KitSettings], told: Mapping[str, str]) -> Iterator[str]:
    named = {field: _variables(field, info) for field, info in model.model_fields.items()}
    set_by = {field: name for field, names in named.items() for name in names if told.get(name)}
    try:
        model.model_validate({field: told[name] for field, name in set_by.items()})
    except ValidationError as error:
        for each in error.errors():
            what = each["msg"].removeprefix("Value error, ")
            field = str(each["loc"][0]) if each["loc"] else ""
            field = next((own for own, names in named.items() if field in (own, *names)), field)
            name = set_by.get(field)
            secret = field in model.model_fields and is_secret(model.model_fields[field])
            yield what if name is None else f"{name}: {what}" if secret else f"{name}={told[name]}: {what}"


def _variables(field: str, info: FieldInfo) -> list[str]:
    alias = info.validation_alias
    return [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [f"CONFER_{field.upper()}"]


def _installed() -> Iterator[tuple[str, type[KitSettings]]]:
    """In a checkout all of them, in a container none."""
    models = [("confer-edge", "confer_edge", "EdgeSettings")]
    models += [(f"{name}-svc", f"{name}_svc", "Settings") for name in SERVICES]
    for who, package, model in models:
        if find_spec(package):
            yield who, getattr(import_module(f"{package}.settings"), model)


def _identity(told: Mapping[str, str]) -> Iterator[Finding]:
    believing = told.get("CONFER_IDENTITY") == "trusted-query"
    if believing and (keys := [name for name in _KEYS if told.get(name)]):
        yield wrong(
            ABOUT,
            f"CONFER_IDENTITY=trusted-query believes what clients say, yet {keys[0]} is set",
            "No confer-edge starts with both: CONFER_IDENTITY=jwt, or no keys.",
        )
    elif believing:
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
        elif path.is_dir() != (name == _DIRECTORY):
            yield wrong(ABOUT, f"{name}: {value} is {'a' if path.is_dir() else 'no'} directory", "Correct the path.")
        elif not os.access(path, os.R_OK):
            yield wrong(ABOUT, f"{name}: {value} may not be read by this user", "Correct its owner or mode.")
        elif (parsed := _PARSED.get(name)) is not None:
            parser, do = parsed
            try:
                parser(path)
            except (OSError, ValueError) as error:
                yield wrong(ABOUT, f"{name}: {value} cannot be used: {error}", do.format(value))
