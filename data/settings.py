"""What the environment may say about where the data is."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class DataSettings(BaseSettings):
    """Base of every room's settings: the published `DATA_VERSION` and how `.env` is read.

    A room subclasses it with its own fields, which then come from `PLAYTHROUGH_<FIELD>`.

    Attributes:
        data_version: Folder below `data/` that holds the data set (environment variable `DATA_VERSION`).
        data: Folder of the data set, wherever it is (`PLAYTHROUGH_DATA`); beats `data_version`.
    """

    model_config = SettingsConfigDict(
        env_prefix="PLAYTHROUGH_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        populate_by_name=True,
    )

    data_version: str = Field(default="sample", validation_alias="DATA_VERSION")
    data: Path | None = None

    @property
    def data_directory(self) -> Path:
        """Returns the folder of the data set."""
        return self.data or Path("data") / self.data_version
