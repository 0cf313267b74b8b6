"""Writes what is generated from the code: docs/asyncapi.json, docs/settings.md and the README's examples.

`python docs/generate.py` writes; a contract test compares.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import AliasChoices
from pydantic.fields import FieldInfo

import notify_svc.settings
import presence_svc.settings
import queue_svc.settings
import sync_svc.settings
from confer_contracts import asyncapi
from confer_contracts.examples import EXAMPLES
from confer_edge.settings import EdgeSettings
from confer_kit.settings import KitSettings

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 132
PROCESSES: dict[str, type[KitSettings]] = {
    "edge": EdgeSettings,
    "presence-svc": presence_svc.settings.Settings,
    "sync-svc": sync_svc.settings.Settings,
    "queue-svc": queue_svc.settings.Settings,
    "notify-svc": notify_svc.settings.Settings,
}
_EXAMPLES = re.compile(r"(<!-- examples -->\n).*?(<!-- /examples -->)", re.DOTALL)


def files() -> dict[Path, str]:
    """Every generated file and what it must hold."""
    readme = ROOT / "README.md"
    return {
        ROOT / "docs/asyncapi.json": json.dumps(asyncapi.document(), indent=1, ensure_ascii=False) + "\n",
        ROOT / "docs/settings.md": settings(),
        readme: _EXAMPLES.sub(lambda m: m[1] + examples() + m[2], readme.read_text()),
    }


def settings() -> str:
    """One table per process, those that all share first."""
    shared = {n: f for n, f in KitSettings.model_fields.items() if any(_same(n, f, m) for m in PROCESSES.values())}
    lines = [
        "# Settings",
        "",
        "Environment variables, read once at start; a wrong value ends the process with one line per variable.",
        "Generated from the `Settings` classes by `python docs/generate.py`. `./run` sets what a local start needs.",
        *_table("Every process", shared),
    ]
    for process, model in PROCESSES.items():
        own = {n: f for n, f in model.model_fields.items() if not _same(n, f, KitSettings)}
        lines += _table(process, own)
    return "\n".join(lines) + "\n"


def _same(name: str, field: FieldInfo, model: type[KitSettings]) -> bool:
    """Whether a field means the same in another model: a process may have a default of its own."""
    return repr(field) == repr(model.model_fields.get(name))


def variables(name: str, field: FieldInfo) -> list[str]:
    """The environment variables of a field, the preferred one first."""
    alias = field.validation_alias
    return [str(c) for c in alias.choices] if isinstance(alias, AliasChoices) else [f"CONFER_{name.upper()}"]


def _table(title: str, fields: dict[str, FieldInfo]) -> Iterator[str]:
    yield from ("", f"## {title}", "", "| variable | default | meaning |", "|---|---|---|")
    for name, field in fields.items():
        default = field.default
        shown = "none" if default in (None, "") else str(default).lower() if isinstance(default, bool) else default
        names = " or ".join(f"`{v}`" for v in variables(name, field))
        yield f"| {names} | {shown} | {field.description} |"


def examples() -> str:
    """Request, acknowledgement and broadcast of the seed's four events."""
    blocks = []
    for event, example in EXAMPLES.items():
        shown = {"emit": [event, example.request], "ack": example.ack, "the room gets": example.broadcast}
        block = f"<summary><code>{event}</code></summary>\n\n```json\n{pretty(shown)}\n```\n"
        blocks.append(f"<details>{block}</details>\n")
    return "\n" + "\n".join(blocks) + "\n"


def pretty(value: Any, indent: str = "", taken: int = 0) -> str:
    """JSON that opens a level only where it does not fit into the line, `taken` characters of which are used."""
    flat = json.dumps(value, ensure_ascii=False)
    if not value or not isinstance(value, dict | list) or len(indent) + taken + len(flat) <= WIDTH:
        return flat
    inner = indent + "  "
    if isinstance(value, dict):
        keys = [json.dumps(key, ensure_ascii=False) + ": " for key in value]
        items = [k + pretty(v, inner, len(k) + 1) for k, v in zip(keys, value.values(), strict=True)]
        return "{\n" + ",\n".join(inner + item for item in items) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + pretty(v, inner, 1) for v in value) + f"\n{indent}]"


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
        print(f"wrote {path.relative_to(ROOT)}")
