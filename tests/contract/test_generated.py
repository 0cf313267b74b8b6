"""What is generated is current: `python docs/generate.py` would change nothing."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from confer_ops.dashboards.all import DASHBOARDS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def files() -> dict[Path, str]:
    generated: dict[str, Any] = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    made: dict[Path, str] = generated["files"]()
    return made


NAMES = [
    "docs/asyncapi.json", "docs/confer.d.ts", "demo/src/confer.d.ts", "docs/settings.md", "docs/metrics.md",
    "deploy/nats/accounts.conf", "docs/nats.md", "README.md",
    *(f"deploy/grafana/dashboards/{board.uid}.json" for board in DASHBOARDS),
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_generated_file_is_current(files: dict[Path, str], name: str) -> None:
    assert (ROOT / name).read_text() == files[ROOT / name], "run: python docs/generate.py"
    assert len(files) == len(NAMES)
