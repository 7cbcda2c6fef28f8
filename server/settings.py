"""What the environment and the flags may say about the server; only this module reads the environment."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError

from data.settings import DataSettings
from server.errors import StartError

EMBEDDED = "embedded"


class ServerSettings(DataSettings):
    """Settings of the server; a flag beats a variable, a variable beats `.env`.

    Attributes:
        models: Folder of the model registry.
        host: Address to listen on.
        port: Port to listen on; 0 picks a free one.
        default_model: Model for requests that name none; by default the one with the lowest log loss.
        experiment: Name of the experiment, logged with each prediction.
        experiment_salt: Salt of the sticky assignment; by default the experiment's name.
        mongodb_uri: Where the experiment log goes (`MONGODB_URI`); unset or "embedded" starts a database.
        var_dir: Folder for what the server writes.
        spool_max_records: How many predictions may wait for MongoDB before PredictRandom refuses.
        drain_grace_s: How long calls in flight may take to finish once the server stops, in seconds.
        log_level: Least severity that is logged.
    """

    models: Path = Path("models/registry")
    host: str = "127.0.0.1"
    port: int = Field(default=50051, ge=0, le=65535)
    default_model: str | None = None
    experiment: str = Field(default="model-comparison", min_length=1)
    experiment_salt: str | None = None
    mongodb_uri: SecretStr | None = Field(default=None, validation_alias="MONGODB_URI")
    var_dir: Path = Path("var")
    spool_max_records: int = Field(default=1_000_000, ge=1)
    drain_grace_s: float = Field(default=10.0, ge=0)
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def embedded_directory(self) -> Path:
        """Returns the embedded database's folder."""
        return self.var_dir / "mongodb"

    @property
    def spool_file(self) -> Path:
        """Returns the file of the predictions that MongoDB does not have yet."""
        return self.var_dir / "spool.sqlite3"

    @property
    def external_mongodb_uri(self) -> str | None:
        """Returns the configured MongoDB's URI, or None when the embedded one is wanted."""
        uri = self.mongodb_uri.get_secret_value() if self.mongodb_uri else EMBEDDED
        return None if uri == EMBEDDED else uri


def load_settings(**flags: Any) -> ServerSettings:
    """Merges flags, variables and `.env`.

    Args:
        **flags: Values given on the command line, by field name; None stands for "not given".

    Returns:
        The settings.

    Raises:
        StartError: When a value is not acceptable; names the setting, and never shows its value.
    """
    given = {_source_name(name): value for name, value in flags.items() if value is not None}
    try:
        return ServerSettings(**given)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise StartError(f"setting {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _source_name(field: str) -> str:
    """Returns the name that a field has in every source, so that a flag hides its variable."""
    alias = ServerSettings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else field
