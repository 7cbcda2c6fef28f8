from pathlib import Path

import pytest
from pydantic import Field

from data.settings import DataSettings, SettingsError


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


def test_a_bad_value_is_one_line_that_names_the_setting_and_its_variable_and_not_the_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class RoomSettings(DataSettings):
        port: int = 50051
        token: int = Field(default=0, validation_alias="TOKEN")

    monkeypatch.setenv("PLAYTHROUGH_PORT", "sesame")
    with pytest.raises(SettingsError, match=r"^setting port \(PLAYTHROUGH_PORT\): .*integer") as caught:
        RoomSettings.load()
    assert "sesame" not in str(caught.value)
    with pytest.raises(SettingsError, match=r"^setting TOKEN: .*integer"):
        RoomSettings.load(port=1, token="sesame")


def test_a_flag_hides_its_variable_also_where_that_has_a_name_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATA_VERSION", "v1")
    assert DataSettings.load(data_version="v2").data_version == "v2"
    assert DataSettings.load(data_version=None).data_version == "v1"
