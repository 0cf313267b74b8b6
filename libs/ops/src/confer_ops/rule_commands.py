"""`confer rules`: a file of rules is checked before notify-svc gets it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from confer_contracts.rules import parse
from confer_ops.console import table
from confer_ops.trouble import Trouble

app = typer.Typer(no_args_is_help=True, help="Check rules that tell people of facts.")


@app.callback()
def _rules() -> None:
    """Check rules that tell people of facts (docs/notifications.md)."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="the rules, in TOML")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="answer in JSON")] = False,
) -> None:
    """Say whether notify-svc can use this file, and show its rules as they are understood."""
    try:
        rules = parse(file.read_bytes()).rules
    except OSError as error:
        raise Trouble(f"{file} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise Trouble(f"{file}: {error}") from None
    if as_json:
        print(json.dumps([rule.model_dump(exclude_defaults=True) for rule in rules], ensure_ascii=False))
        return
    rows = [[rule.name, rule.when, ", ".join(rule.to), rule.title] for rule in rules]
    print("\n".join(table([["rule", "when", "to", "title"], *rows], indent="")) if rows else "there are no rules")
