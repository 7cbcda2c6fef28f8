"""Files change under a running server."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from server.access.followed import Followed
from server.errors import StartError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("one")
    return tmp_path / "file"


@pytest.fixture
def followed(file: Path) -> Followed[str]:
    def read() -> str:
        text = file.read_text() if file.exists() else ""
        if len(text) < 3:
            raise StartError(f"{text!r} is half of it")
        return text

    return Followed("test", read, lambda _value: [file])


def look(followed: Followed[str]) -> str:
    asyncio.run(followed.look())
    return followed.value


def test_what_changes_is_taken_over_and_what_is_wrong_is_not(file: Path, followed: Followed[str]) -> None:
    with capture_logs() as logs:
        assert look(followed) == "one"
        file.write_text("second")
        assert look(followed) == "second"
        file.write_text("th")
        assert [look(followed) for _ in range(2)] == ["second"] * 2
        file.unlink()
        assert [look(followed) for _ in range(2)] == ["second"] * 2
        file.write_text("second")
        assert look(followed) == "second"
        file.write_text("third")
        assert look(followed) == "third"
    assert [line["event"] for line in logs] == ["files_read", *["files_refused"] * 2, *["files_read"] * 2]
    assert logs[1]["reason"] == "'th' is half of it"


def test_a_file_that_changes_during_the_start_is_noticed(file: Path) -> None:
    texts = iter(["old", "new"])
    followed = Followed("test", lambda: next(texts), lambda _value: [file])
    assert look(followed) == "new"


def test_what_was_refused_is_taken_over_once_it_is_good_though_no_file_has_changed(file: Path) -> None:
    good = True

    def read() -> str:
        if not good:
            raise StartError("its time has not come")
        return file.read_text()

    followed = Followed("test", read, lambda _value: [file])
    with capture_logs() as logs:
        file.write_text("second")
        good = False
        assert [look(followed) for _ in range(3)] == ["one"] * 3
        good = True
        assert look(followed) == "second"
    assert [line["event"] for line in logs] == ["files_refused", "files_read"]


def test_a_wrong_file_is_no_start() -> None:
    def read() -> str:
        raise StartError("wrong")

    with pytest.raises(StartError, match="wrong"):
        Followed("test", read, lambda _value: [])
