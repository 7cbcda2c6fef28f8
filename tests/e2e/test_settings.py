"""`.env.example` lists every setting that the rooms read, with its default."""

import pytest
from dotenv import dotenv_values
from pydantic_settings import BaseSettings

from cache_client.settings import CacheClientSettings
from data.settings import DataSettings
from server.settings import ServerSettings
from tests.paths import ROOT
from trainer.settings import TrainerSettings

EXAMPLE = ROOT / ".env.example"
ROOMS: list[type[BaseSettings]] = [DataSettings, TrainerSettings, ServerSettings, CacheClientSettings]


def variables(room: type[BaseSettings]) -> dict[str, str]:
    """The variables that a room reads, and the fields they set."""
    return {
        str(field.validation_alias or f"PLAYTHROUGH_{name.upper()}"): name
        for name, field in room.model_fields.items()
    }


def test_the_example_lists_exactly_the_settings() -> None:
    assert set(dotenv_values(EXAMPLE)) == {variable for room in ROOMS for variable in variables(room)}


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_the_example_changes_no_default(room: type[BaseSettings], monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in variables(room):
        monkeypatch.delenv(variable, raising=False)
    assert room(_env_file=EXAMPLE) == room(_env_file=None)
