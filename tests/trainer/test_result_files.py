"""Where results cannot go is found out before there are any."""

import os
from pathlib import Path

import pytest

from trainer.errors import TrainingError
from trainer.result_files import STDOUT, check_file, check_folder, write_json


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that may not be written to, even by root, with a file in it that may."""
    folder = tmp_path / "locked"
    folder.mkdir()
    (folder / "old.json").write_text("{}")
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != folder and allowed(path, mode))
    return folder


def test_a_locked_folder_is_found_and_named(locked: Path) -> None:
    with pytest.raises(TrainingError, match="locked: cannot be written: Permission denied"):
        check_folder(locked)
    with pytest.raises(TrainingError, match="locked: cannot be written: Permission denied"):
        check_file(locked / "new.json")


def test_a_writable_file_will_do_whatever_its_folder(locked: Path) -> None:
    check_file(locked / "old.json")
    check_file(STDOUT)
    check_file(None)


def test_the_folder_of_a_new_file_is_made_and_the_file_is_not(tmp_path: Path) -> None:
    check_file(tmp_path / "a" / "b.json")
    assert list((tmp_path / "a").iterdir()) == []
    write_json(tmp_path / "a" / "b.json", {"x": 1})
    assert (tmp_path / "a" / "b.json").read_text() == '{\n  "x": 1\n}\n'


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_one_line() -> None:
    with pytest.raises(TrainingError, match="/dev/full: cannot be written: No space left on device"):
        write_json(Path("/dev/full"), {})
