from pathlib import Path

import pytest

from data.settings import DataSettings


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps a developer's own .env and variables out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATA_VERSION", raising=False)


def test_the_sample_is_the_default() -> None:
    assert DataSettings().data_directory == Path("data/sample")


def test_the_published_variable_names_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_VERSION", "v2")
    assert DataSettings().data_directory == Path("data/v2")


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_VERSION", "")
    assert DataSettings().data_version == "sample"


def test_variables_beat_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("DATA_VERSION=v1\nSOMETHING_ELSE=1\n")
    assert DataSettings().data_version == "v1"
    monkeypatch.setenv("DATA_VERSION", "v2")
    assert DataSettings().data_version == "v2"


def test_a_rooms_own_fields_come_with_the_projects_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    class RoomSettings(DataSettings):
        port: int = 50051

    monkeypatch.setenv("PLAYTHROUGH_PORT", "1234")
    monkeypatch.setenv("DATA_VERSION", "v2")
    assert RoomSettings().port == 1234
    assert RoomSettings().data_version == "v2"
