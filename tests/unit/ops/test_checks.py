"""The second chance of tests that failed, with a pytest of their own."""

import json
from pathlib import Path

import pytest

from confer_ops.checks import SECOND_CHANCES, SOME_FAILED, again_alone
from confer_ops.child import environment

PASSES, FAILS = "test_it.py::test_passes[a b]", "test_it.py::test_fails"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('text', ['a b'])\n"
        "def test_passes(text):\n    pass\n"
        "def test_fails():\n    raise AssertionError\n"
    )
    return tmp_path


def failed(checkout: Path, *tests: str) -> int:
    cache = checkout / ".pytest_cache" / "v" / "cache"
    cache.mkdir(parents=True)
    (cache / "lastfailed").write_text(json.dumps(dict.fromkeys(tests, True)))
    return again_alone(checkout, environment({}))


def test_what_passes_alone_is_said_and_holds_nothing_up(checkout: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert failed(checkout, PASSES) == 0
    said = capfd.readouterr().out
    assert "1 passed" in said
    assert f"FLAKY: failed beside others and passed alone; find out why:\n  {PASSES}" in said


def test_what_fails_again_has_failed(checkout: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert failed(checkout, PASSES, FAILS) == SOME_FAILED
    assert "FLAKY" not in capfd.readouterr().out


def test_many_failures_get_no_second_chance(checkout: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert failed(checkout, *[f"{PASSES}{n}" for n in range(SECOND_CHANCES + 1)]) == SOME_FAILED
    assert not capfd.readouterr().out
