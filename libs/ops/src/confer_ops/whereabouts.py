"""Where the `./run` of this checkout is: another port than the usual one, where that was taken. Its commands look there
unless they are told otherwise."""

import json
from collections.abc import Mapping
from typing import Any, Final

import typer

from confer_ops.data import DataDirectory

FILE: Final = "addresses.json"
OPTIONS: Final = {"nats_url": (), "edge": ("doctor",), "monitoring": ("doctor",)}  # of all commands, or of these


def remember(data: DataDirectory, *, nats_url: str, edge: str, monitoring: str) -> None:
    told = {"nats_url": nats_url, "edge": edge, "monitoring": monitoring}
    (data.path / FILE).write_text(json.dumps(told) + "\n")


def defaults(app: typer.Typer, data: DataDirectory) -> dict[str, Any]:
    """By command, what its options are where nobody says; nothing while no `./run` has this directory."""
    if not data.is_in_use:
        return {}
    try:
        told = json.loads((data.path / FILE).read_text())
    except (OSError, ValueError):
        return {}
    return _of(typer.main.get_command(app), "", told)


def _of(command: Any, name: str, told: Mapping[str, str]) -> dict[str, Any]:
    if (inner := getattr(command, "commands", None)) is not None:
        return {each: found for each, of in inner.items() if (found := _of(of, each, told))}
    names = {parameter.name for parameter in command.params}
    return {
        option: told[option]
        for option, commands in OPTIONS.items()
        if option in names and option in told and (not commands or name in commands)
    }
