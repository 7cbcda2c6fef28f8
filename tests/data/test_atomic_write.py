"""What is written appears whole or not at all, and nothing else is lost for it."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from data import DataError
from data.atomic_write import atomic_file, atomic_folder


def _write_file(path: Path) -> None:
    with atomic_file(path) as fresh:
        fresh.write_text("new")


def _write_folder(path: Path) -> None:
    with atomic_folder(path, "thing", ["ours"]) as fresh:
        (fresh / "ours").write_text("new")


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    """The same holds for /dev/null, which root could replace for the whole machine."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        _write_file(pipe)
        assert os.read(reader, 100) == b"new"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("write", [_write_file, _write_folder])
def test_a_link_stays_and_what_it_leads_to_is_written(write: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "link"
    link.symlink_to(Path("elsewhere") / "target")
    write(link)
    assert link.is_symlink()
    assert (tmp_path / "elsewhere" / "target").exists()
    assert os.listdir(tmp_path / "elsewhere") == ["target"]


def test_the_current_folder_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    _write_folder(Path())
    assert os.listdir(here) == ["ours"]
    assert os.listdir(tmp_path) == ["here"]


@pytest.mark.parametrize("write", [_write_file, _write_folder])
def test_a_name_too_long_is_one_error(write: Callable[[Path], None], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot write: file name too long"):
        write(tmp_path / ("x" * 300))
    assert os.listdir(tmp_path) == []


def test_a_link_to_itself_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DataError, match="cannot write: "):
        _write_folder(tmp_path / "loop")
    assert os.listdir(tmp_path) == ["loop"]


@pytest.mark.parametrize("write", [_write_file, _write_folder])
def test_a_block_that_fails_changes_nothing(
    write: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "x")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(DataError, match="cannot write: no space left on device"):
        write(tmp_path / "x")
    written = tmp_path / "x" if write is _write_file else tmp_path / "x" / "ours"
    assert written.read_text() == "new"
    assert os.listdir(tmp_path) == ["x"]
