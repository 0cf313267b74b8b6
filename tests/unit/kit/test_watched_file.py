"""A file that changes: a good version counts, a broken one is refused once and changes nothing."""

from pathlib import Path

import pytest

from confer_kit.watched_file import BYTES_MAX, WatchedFile, operators_file


def number(raw: bytes) -> int:
    return int(raw)


def test_it_must_be_good_at_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        WatchedFile(tmp_path / "none", number, "test")
    (tmp_path / "bad").write_text("x")
    with pytest.raises(ValueError, match="invalid literal"):
        WatchedFile(tmp_path / "bad", number, "test")
    (tmp_path / "big").write_text("1" * (BYTES_MAX + 1))
    with pytest.raises(ValueError, match="larger than"):
        WatchedFile(tmp_path / "big", number, "test")


@pytest.mark.parametrize(("text", "complaint"), [(None, "No such file or directory"), ("x", "invalid literal")])
def test_a_setting_that_names_no_good_file_ends_the_start_with_a_sentence(
    tmp_path: Path, text: str | None, complaint: str
) -> None:
    path = tmp_path / "file"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit, match=f"^CONFER_X={path} cannot be used: {complaint}"):
        operators_file("CONFER_X", path, number, "test")


def test_a_new_version_counts_and_a_broken_one_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "file"
    path.write_text("1")
    file = WatchedFile(path, number, "test")
    assert not file.look()
    path.write_text("22")
    assert file.look()
    assert not file.look()
    for broken in ("x", None):
        path.unlink() if broken is None else path.write_text(broken)
        assert not file.look()
        assert not file.look()
        assert file.value == 22
    assert capsys.readouterr().out.count("cannot be used; it counts as it was before") == 2
    path.write_text("333")
    assert file.look()
    assert file.value == 333


def test_a_patient_one_waits_until_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("1")
    file = WatchedFile(path, number, "test", patient=True)
    for growing in ("2", "22", "222"):
        path.write_text(growing)
        assert not file.look()
    assert file.look()
    assert file.value == 222
