"""What holds for all tests: the first folder is the marker; `./run test --all` counts a skipped test as failed."""

import os
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("confer", deadline=None)  # how long an example takes is the machine's
hypothesis.settings.load_profile("confer")
_HERE = Path(__file__).parent
_FOLDERS = {"unit", "contract", "integration", "e2e"}


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(_HERE).parts[0]
        if folder in _FOLDERS:
            item.add_marker(folder)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if skipped and os.environ.get("CONFER_TEST_ALL"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if terminalreporter.stats.get("skipped") and os.environ.get("CONFER_TEST_ALL"):
        terminalreporter.write_line("Nothing may be skipped here, and something was.", red=True)
