import os
from pathlib import Path

import pytest

from confer_ops.data import DataDirectory
from confer_ops.trouble import Trouble


def opened(path: Path) -> DataDirectory:
    data = DataDirectory(path)
    data.open()
    data.check()
    return data


def test_a_new_directory_is_made_and_empty(tmp_path: Path) -> None:
    data = opened(tmp_path / "a" / "b")
    assert data.streams == frozenset()
    assert not data.has_data


def test_it_remembers_and_forgets(tmp_path: Path) -> None:
    data = opened(tmp_path)
    data.store.mkdir()
    (data.store / "x").write_text("x")
    (tmp_path / "somebody-elses").write_text("kept")
    data.remember(frozenset({"SYNC", "LIVE"}))
    assert data.streams == {"SYNC", "LIVE"}
    data.forget()
    assert not data.has_data
    assert (tmp_path / "somebody-elses").exists()


def test_two_runs_do_not_share_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("confer_ops.data.LOCK_WAIT_S", 0.1)
    first = opened(tmp_path)
    with pytest.raises(Trouble, match="Another"):
        opened(tmp_path)
    os.close(first.lock_fd)
    opened(tmp_path)


def test_a_file_in_its_place_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a directory")
    for path in (tmp_path / "data", tmp_path / "data" / "below"):
        with pytest.raises(Trouble, match="not a directory"):
            DataDirectory(path).open()


@pytest.mark.parametrize("name", ["nats", "streams.json"])
def test_damage_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{broken")
    with pytest.raises(Trouble, match="damaged"):
        opened(tmp_path)
