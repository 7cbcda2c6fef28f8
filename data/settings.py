"""What the environment may say about where the data is."""

from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsError(Exception):
    """A setting is not acceptable; the message is one line with its name and why, never its value."""


class DataSettings(BaseSettings):
    """Base of every package's settings: the published `DATA_VERSION` and how `.env` is read.

    A package subclasses it with its own fields, which then come from `PLAYTHROUGH_<FIELD>`.

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

    @classmethod
    def load(cls, **flags: Any) -> Self:
        """Merges flags, variables and `.env`.

        Args:
            **flags: Values given on the command line, by field name; None stands for "not given".

        Raises:
            SettingsError: When a value is not acceptable.
        """
        given = {cls.source_name(name): value for name, value in flags.items() if value is not None}
        try:
            return cls(**given)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            name = ".".join(map(str, first["loc"]))
            variable = "" if name.isupper() else f" (PLAYTHROUGH_{name.upper()})"
            raise SettingsError(f"setting {name}{variable}: {first['msg']}") from None

    @classmethod
    def source_name(cls, field: str) -> str:
        """Returns the name that a field has in every source, so that a flag hides its variable."""
        alias = cls.model_fields[field].validation_alias
        return alias if isinstance(alias, str) else field

    @property
    def data_directory(self) -> Path:
        """Returns the folder of the data set."""
        return self.data or Path("data") / self.data_version
