"""Commands look where the `./run` of their checkout is, unless they are told otherwise, or it is gone."""

import os
from pathlib import Path

import pytest

from confer_ops.cli import app
from confer_ops.data import DataDirectory
from confer_ops.trouble import Trouble
from confer_ops.whereabouts import FILE, defaults, remember

TOLD = {"nats_url": "nats://127.0.0.1:1", "edge": "http://127.0.0.1:2", "monitoring": "http://127.0.0.1:3"}


def test_they_are_known_while_it_runs(tmp_path: Path) -> None:
    data, seen = DataDirectory(tmp_path / "data"), DataDirectory(tmp_path / "data")
    assert defaults(app, seen) == {}
    data.open()
    assert defaults(app, seen) == {}
    remember(data, **TOLD)
    found = defaults(app, seen)
    assert found["doctor"] == TOLD
    assert found["drain"] == {"nats_url": TOLD["nats_url"]}, "its `edge` is no address"
    assert found["access"]["list"] == {"nats_url": TOLD["nats_url"]}
    assert "token" not in found
    (data.path / FILE).write_text("{")
    assert defaults(app, seen) == {}
    remember(data, **TOLD)
    os.close(data.lock_fd)
    assert defaults(app, seen) == {}


def test_what_is_said_beats_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONFER_NATS_URL", raising=False)
    data = DataDirectory(tmp_path)
    data.open()
    remember(data, **TOLD)
    found = defaults(app, data)
    with pytest.raises(Trouble, match=r"answers at 127\.0\.0\.1:1 "):
        app(["status"], standalone_mode=False, default_map=found)
    with pytest.raises(Trouble, match=r"answers at 127\.0\.0\.1:4 "):
        app(["status", "--nats-url", "nats://127.0.0.1:4"], standalone_mode=False, default_map=found)
    monkeypatch.setenv("CONFER_NATS_URL", "nats://127.0.0.1:5")
    with pytest.raises(Trouble, match=r"answers at 127\.0\.0\.1:5 "):
        app(["status"], standalone_mode=False, default_map=found)
    os.close(data.lock_fd)
