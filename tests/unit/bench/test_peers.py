"""The peers are run as files, so that their folder comes first where Python looks for modules."""

import sys
from pathlib import Path

import bench


def test_no_peer_takes_the_name_of_a_module_of_python_s() -> None:
    peers = {path.stem for path in (Path(bench.__file__).parent / "peers").glob("*.py")}
    assert peers
    assert not peers & sys.stdlib_module_names
