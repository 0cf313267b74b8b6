"""Where Prometheus finds what `./run` has started: a file for its discovery (deploy/prometheus/local.yml)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from confer_ops.ports import HOST

FILE: Final = "metrics.json"


def write_targets(folder: Path, ports: Mapping[str, int]) -> None:
    """`ports`: of the parts' metrics; 0: it has none."""
    targets = [{"targets": [f"{HOST}:{port}"], "labels": {"part": part}} for part, port in ports.items() if port]
    (folder / FILE).write_text(json.dumps(targets, indent=1) + "\n")
