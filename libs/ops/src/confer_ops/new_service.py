"""`confer new-service`: a service made of docs/template, and entered where services are listed (docs/adr/0039)."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from confer_contracts.catalogue import SERVICES
from confer_contracts.subjects import Kind
from confer_ops.checkout import root
from confer_ops.trouble import Trouble

MODEL: Final = "tally"  # what the service of the template is called
_PORT: Final = "9107"  # of its metrics
_TAKEN: Final = frozenset({*SERVICES, *map(str, Kind), "edge", "access", "audit", "live", "activity", "sessions"})
_CATALOGUE: Final = "libs/contracts/src/confer_contracts/catalogue.py"
# file, what stands there once, what comes behind it
_PLACES: Final = (
    (_CATALOGUE, "from confer_contracts import board, notify, portal, presence, queue, queue_life, queue_reading, sync",
     ", tally"),
    (_CATALOGUE, "_OWNERS = (presence, sync, queue, notify", ", tally"),
    (_CATALOGUE, "*notify.FACTS", ", *tally.FACTS"),
    (_CATALOGUE, "*notify.VIEWS", ", *tally.VIEWS"),
    ("tests/contract/test_catalogue.py", '    "user_heartbeat": {"step": 3},\n',
     '    "tally_add": {"patient_id": HOSTILE},\n'),
    ("pyproject.toml", '"queue-svc", "notify-svc",', ' "tally-svc",'),
    ("pyproject.toml", "notify-svc = { workspace = true }\n", "tally-svc = { workspace = true }\n"),
    ("pyproject.toml", ":notify-svc/src", ":tally-svc/src"),
    ("pyproject.toml", 'root_packages = ["confer_contracts",', ' "tally_svc",'),
    ("pyproject.toml", 'modules = ["confer_edge",', ' "tally_svc",'),
    ("pyproject.toml", "queue_svc : notify_svc", " : tally_svc"),
    ("pyproject.toml", '"notify_svc.domain"', ', "tally_svc.domain"'),
    ("pyproject.toml", '"confer_contracts.notify",', ' "confer_contracts.tally",'),
)  # fmt: skip


def new_service(
    name: Annotated[str, typer.Argument(help="its name: lower-case letters; the folder is <name>-svc")],
    *,
    port: Annotated[int, typer.Option(help="where its metrics are", min=1024, max=65535)] = int(_PORT),
    as_json: Annotated[bool, typer.Option("--json", help="answer in JSON")] = False,
) -> None:
    """Begin a service in this checkout, from docs/template. docs/new-service.md says what comes next."""
    checkout = root()
    made = {path: _named(text, name, port) for path, text in _files(checkout, name)}
    changed = _entered(checkout, name)
    for path, text in (made | changed).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shown = {
        "made": [str(path.relative_to(checkout)) for path in made],
        "changed": [str(path.relative_to(checkout)) for path in changed],
    }
    if as_json:
        print(json.dumps(shown))
    else:
        print("\n".join(f"{what} {path}" for what, paths in shown.items() for path in paths))


def _files(checkout: Path, name: str) -> Iterator[tuple[Path, str]]:
    """Where each file of the template goes, and what is in it. Trouble before anything is written."""
    template = checkout / "docs" / "template"
    if not re.fullmatch(r"[a-z]{2,20}", name) or name in _TAKEN:
        raise Trouble(f"{name!r} cannot be the name: 2 to 20 letters a to z, and none of {', '.join(sorted(_TAKEN))}.")
    if not template.is_dir():
        raise Trouble(f"There is no {template}: this is done in a checkout.")
    for path in sorted(template.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            target = checkout / str(path.relative_to(template)).replace(MODEL, name)
            if target.exists():
                raise Trouble(f"{target} is there already.")
            yield target, path.read_text()


def _entered(checkout: Path, name: str) -> dict[Path, str]:
    """The files that list services, with this one."""
    texts: dict[Path, str] = {}
    for file, anchor, addition in _PLACES:
        path = checkout / file
        text = texts.get(path) or path.read_text()
        if text.count(anchor) != 1:
            raise Trouble(f"{path} does not have {anchor.strip()!r} once: enter the service there by hand.")
        texts[path] = text.replace(anchor, anchor + _named(addition, name, 0))
    return texts


def _named(text: str, name: str, port: int) -> str:
    text = text.replace(_PORT, str(port)) if port else text
    for model, new in ((MODEL, name), (MODEL.title(), name.title()), (MODEL.upper(), name.upper())):
        text = text.replace(model, new)
    return text
