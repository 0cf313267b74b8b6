"""Settings of presence-svc that contradict each other are refused in a sentence."""

import pytest

from confer_kit.process import read_settings
from presence_svc.settings import Settings


def test_a_lock_is_not_longer_than_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFER_PRESENCE_LOCK_S", "601")
    with pytest.raises(SystemExit, match="wrong:\n  CONFER_PRESENCE_LOCK_S must not be more than CONFER_"):
        read_settings(Settings)
