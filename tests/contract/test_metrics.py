"""Every label value that the code names was declared with its metric: what appears with its first event is seen by
nobody who watches for a rise."""

import re
from pathlib import Path
from types import ModuleType

import pytest

import confer_edge.metrics
import confer_kit.metrics
import notify_svc.metrics
import presence_svc.metrics
import sync_svc.metrics
from confer_kit.metrics import FORESEEN

ROOT = Path(__file__).parents[2]
_USE = re.compile(r"metrics\.([A-Z_]+)\.labels\(\"(\w+)\"\)")
_MODULES: dict[str, ModuleType] = {
    "edge/src": confer_edge.metrics, "libs/kit/src": confer_kit.metrics, "notify-svc/src": notify_svc.metrics,
    "presence-svc/src": presence_svc.metrics, "sync-svc/src": sync_svc.metrics,
}  # fmt: skip
USES = sorted(
    {
        (folder, *use)
        for folder in _MODULES
        for file in (ROOT / folder).rglob("*.py")
        for use in _USE.findall(file.read_text())
    }
)


@pytest.mark.parametrize(("folder", "name", "value"), USES)
def test_a_value_was_foreseen(folder: str, name: str, value: str) -> None:
    metric = getattr(_MODULES[folder], name)
    assert value in FORESEEN[metric]


def test_no_value_is_declared_twice() -> None:
    assert len(USES) > 30
    assert all(len(values) == len(set(values)) for values in FORESEEN.values())
