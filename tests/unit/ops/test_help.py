"""`./run --help` is written by hand, because it must answer before anything is installed."""

import subprocess
import sys
from pathlib import Path

import typer.main

from confer_ops.cli import app

ROOT = Path(__file__).parents[3]


def test_it_names_every_option_of_up() -> None:
    shown = subprocess.run([ROOT / "run", "--help"], capture_output=True, text=True, check=True).stdout
    command = typer.main.get_command(app).commands["up"]  # type: ignore[attr-defined]
    for parameter in command.params:
        name = "--no-demo" if parameter.name == "demo" else f"--{parameter.name.replace('_', '-')}"
        assert name in shown, name


def test_an_unknown_verb_is_one_sentence() -> None:
    done = subprocess.run([ROOT / "run", "fly"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("run: there is no `./run fly`")
    assert "Traceback" not in done.stderr


def test_a_group_without_its_command_lists_them() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "confer_ops.cli", "queue"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: ")
    assert "ticket" in done.stderr.splitlines()[-1]
