"""JSON lines tell where an exception came from, and no values."""

import subprocess
import sys

CODE = """
from confer_kit import logs
logs.configure("x", "info", "json")
def fails():
    payload = "somebody's" + " secret"
    raise KeyError("what")
try:
    fails()
except KeyError:
    logs.logger("x").exception("broken")
"""


def test_an_exception_has_its_frames_and_no_local_variables() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], check=True, capture_output=True, text=True)
    assert '"name": "fails"' in done.stdout
    assert "secret" not in done.stdout
