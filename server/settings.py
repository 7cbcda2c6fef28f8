"""The server's settings, from flags, environment and `.env`; only this module reads the environment."""

import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr

from data.settings import DataSettings, SettingsError
from server.errors import StartError

EMBEDDED = "embedded"


class ServerSettings(DataSettings):
    """Settings of the server; a flag beats a variable, a variable beats `.env`.

    Attributes:
        lenient: Whether to repair what needs no guess in the data set, rather than refuse it.
        models: Folder of the model registry.
        host: Address to listen on.
        port: Port to listen on; 0 picks a free one.
        default_model: Model for requests that name none; by default chosen as `server.default_model` does.
        experiment_file: TOML file that names the experiment and its arms; without one, all loaded models
            share the traffic equally. Followed while the server runs.
        experiment: Name of the experiment when there is no file, logged with each prediction.
        experiment_salt: Salt of the sticky assignment when there is no file; by default the name.
        mongodb_uri: Where the experiment log goes (`MONGODB_URI`); unset or "embedded" starts a database.
        var_dir: Folder for what the server writes.
        experiment_ttl_days: How many days MongoDB keeps a prediction; by default for ever.
        spool_max_records: How many predictions may wait for MongoDB before PredictRandom refuses, and how
            many outcomes before RecordOutcome does.
        spool_min_free_bytes: How much has to stay free on the spool's disk; below, PredictRandom refuses, and
            below a quarter of it RecordOutcome.
        drain_grace_s: How long the end may take once the server stops, in seconds: for calls in flight to
            finish, and for the spool to reach MongoDB.
        workers: How many processes serve on the port.
        max_in_flight: How many calls a worker takes at once before it refuses more.
        max_connections: How many connections a worker takes at once before it refuses more; fewer where the
            system does not let it open as many files.
        max_streams_per_connection: How many calls a connection may have under way. Clients are told, and hold
            back; yet of one that always has as many under way as it may, gRPC refuses some.
        max_connection_age_s: How long a connection may last, in seconds; then the client makes a new one, and
            no call fails. 0 for ever.
        versions_kept: How many versions of each model stay loaded, for requests that name one.
        registry_poll_s: How often the registry is looked at for new versions, in seconds; 0 for never.
        metrics_host: Address of the metrics for Prometheus.
        metrics_port: Port of the metrics; 0 picks a free one, unset shows none.
        log_level: Least severity that is logged.
    """

    lenient: bool = False
    models: Path = Path("models/registry")
    host: str = "127.0.0.1"
    port: int = Field(default=50051, ge=0, le=65535)
    default_model: str | None = None
    experiment_file: Path | None = None
    experiment: str = Field(default="model-comparison", min_length=1)
    experiment_salt: str | None = None
    mongodb_uri: SecretStr | None = Field(default=None, validation_alias="MONGODB_URI")
    var_dir: Path = Path("var")
    experiment_ttl_days: int | None = Field(default=None, ge=1, le=36_500)
    spool_max_records: int = Field(default=1_000_000, ge=1)
    spool_min_free_bytes: int = Field(default=64 << 20, ge=0)
    drain_grace_s: float = Field(default=10.0, ge=0)
    workers: int = Field(default=1, ge=1, le=256)
    max_in_flight: int = Field(default=1000, ge=1)
    max_connections: int = Field(default=10_000, ge=1)
    max_streams_per_connection: int = Field(default=128, ge=1, le=2**31 - 1)
    max_connection_age_s: float = Field(default=300.0, ge=0, le=1_000_000)
    versions_kept: int = Field(default=2, ge=1)
    registry_poll_s: float = Field(default=1.0, ge=0)
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def embedded_directory(self) -> Path:
        """Returns the embedded database's folder."""
        return self.var_dir / "mongodb"

    @property
    def spool_directory(self) -> Path:
        """Returns the folder of what MongoDB does not have yet."""
        return self.var_dir / "spool"

    @property
    def own_address(self) -> str:
        """Returns where this machine reaches a server that has these settings, as HOST:PORT."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    @property
    def external_mongodb_uri(self) -> str | None:
        """Returns the configured MongoDB's URI, or None when the embedded one is wanted."""
        uri = self.mongodb_uri.get_secret_value() if self.mongodb_uri else EMBEDDED
        return None if uri == EMBEDDED else uri


def to_json(settings: ServerSettings) -> str:
    """Returns settings as one line for another process, the database's password included."""
    uri = settings.mongodb_uri and settings.mongodb_uri.get_secret_value()
    values = settings.model_dump(mode="json") | {"mongodb_uri": uri}
    # Those that are None as well: else the other process would look for them in `.env`.
    return json.dumps({settings.source_name(name): value for name, value in values.items()})


def from_json(text: str) -> ServerSettings:
    """Returns the settings that `to_json` wrote."""
    return ServerSettings(**json.loads(text))


def load_settings(**flags: Any) -> ServerSettings:
    """Merges flags, variables and `.env`.

    Args:
        **flags: Values given on the command line, by field name; None stands for "not given".

    Returns:
        The settings.

    Raises:
        StartError: When a value is not acceptable; names the setting, and never shows its value.
    """
    try:
        settings = ServerSettings.load(**flags)
    except SettingsError as error:
        raise StartError(str(error)) from None
    if os.environ.get("PLAYTHROUGH_EXPERIMENT_FILE") == "":  # beats `.env` as any variable does: no file
        return settings.model_copy(update={"experiment_file": None})
    return settings


def child_environment(metrics_directory: Path | None) -> dict[str, str]:
    """Returns this process's environment for one that it starts.

    Args:
        metrics_directory: Where prometheus_client puts what the parent shows; None when it shows nothing.
    """
    own = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # torch's too
    if metrics_directory is not None:
        own["PROMETHEUS_MULTIPROC_DIR"] = str(metrics_directory)
    return os.environ | own
