"""The server's settings, from flags, environment and `.env`; only this module reads the environment."""

import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr

from data.settings import DataSettings, SettingsError
from server.diagnostic_log import LogFormat
from server.errors import StartError

EMBEDDED = "embedded"
_METRICS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's name for it


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
        delivery: Who moves the spool to MongoDB: "own" is a process that the server starts, as it starts the
            embedded database; "none" leaves both to `python -m server deliver`.
        experiment_ttl_days: How many days MongoDB keeps a prediction; by default for ever.
        spool_max_records: How many predictions may wait for MongoDB before PredictRandom refuses, and how
            many outcomes before RecordOutcome does.
        spool_min_free_bytes: How much has to stay free on the spool's disk; below, PredictRandom refuses, and
            below a quarter of it RecordOutcome.
        drain_grace_s: How long the end may take once the server stops, in seconds: for calls in flight to
            finish, and for the spool to reach MongoDB.
        drain_pause_s: How long a server that stops answers on before that, reporting NOT_SERVING, so that
            clients and load balancers go elsewhere, in seconds.
        workers: How many processes serve on the port.
        max_in_flight: How many calls of one method may be under way in a worker; of one caller four fifths.
        max_calls_per_s: How many calls of each method a caller may make a second in a worker; by default any
            number, since a gateway makes all calls from one address.
        max_loop_lag_ms: How late the event loop may be, in ms, before rankings and plans are refused, and at
            four times that all calls; 0 refuses none.
        max_connections: How many connections a worker takes at once before it refuses more; fewer where the
            system does not let it open as many files.
        max_streams_per_connection: How many calls a connection may have under way. Clients are told, and hold
            back; yet of one that always has as many under way as it may, gRPC refuses some.
        max_connection_age_s: How long a connection may last, in seconds; then the client makes a new one, and
            no call fails. 0 for ever.
        versions_kept: How many versions of each model stay loaded, for requests that name one.
        registry_poll_s: How often the registry is looked at for new versions, in seconds; 0 for never.
        health_host: Address of the health port.
        health_port: Port that answers `grpc.health.v1` alone, in plaintext; 0 picks a free one, unset opens
            none.
        metrics_host: Address of the metrics for Prometheus.
        metrics_port: Port of the metrics; 0 picks a free one, unset shows none.
        tls_dir: Folder of the port's certificate and key, `tls.crt` and `tls.key`.
        tls_cert: The certificate as a file, with `tls_key` instead of `tls_dir`.
        tls_key: Its private key.
        tls_client_ca: The authorities of clients' certificates; with it, each client has to show one.
        access_file: TOML file of who may call what. Followed while the server runs, as the TLS files are.
        insecure: Whether the port may speak plain text beyond this machine.
        log_level: Least severity that is logged.
        log_format: How a log line looks: JSON, or for people ("console"); "auto" is the latter in a terminal.
        access_log_sample: Which share of the calls gets a line in the log; 0 for none, failures included.
        tracing: Whether calls are traced; OpenTelemetry's own variables (OTEL_…) say how.
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
    delivery: Literal["own", "none"] = "own"
    experiment_ttl_days: int | None = Field(default=None, ge=1, le=36_500)
    spool_max_records: int = Field(default=1_000_000, ge=1)
    spool_min_free_bytes: int = Field(default=64 << 20, ge=0)
    drain_grace_s: float = Field(default=10.0, ge=0)
    drain_pause_s: float = Field(default=0.0, ge=0)
    workers: int = Field(default=1, ge=1, le=256)
    max_in_flight: int = Field(default=1000, ge=1)
    max_calls_per_s: float | None = Field(default=None, gt=0)
    max_loop_lag_ms: int = Field(default=200, ge=0)
    max_connections: int = Field(default=10_000, ge=1)
    max_streams_per_connection: int = Field(default=1_000, ge=1, le=2**31 - 1)
    max_connection_age_s: float = Field(default=300.0, ge=0, le=1_000_000)
    versions_kept: int = Field(default=2, ge=1)
    registry_poll_s: float = Field(default=1.0, ge=0)
    health_host: str = "127.0.0.1"
    health_port: int | None = Field(default=None, ge=0, le=65535)
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    tls_dir: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    access_file: Path | None = None
    insecure: bool = False
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: LogFormat = "auto"
    access_log_sample: float = Field(default=0.0, ge=0, le=1)
    tracing: bool = False

    @property
    def embedded_directory(self) -> Path:
        """Returns the embedded database's folder."""
        return self.var_dir / "mongodb"

    @property
    def spool_directory(self) -> Path:
        """Returns the folder of what MongoDB does not have yet."""
        return self.var_dir / "spool"

    @property
    def health_address(self) -> str:
        """Returns where this machine asks a server that has these settings for its health, as HOST:PORT."""
        host, port = (self.health_host, self.health_port) if self.health_port else (self.host, self.port)
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def external_mongodb_uri(self) -> str | None:
        """Returns the configured MongoDB's URI, or None when the embedded one is wanted."""
        uri = self.mongodb_uri.get_secret_value() if self.mongodb_uri else EMBEDDED
        return None if uri == EMBEDDED else uri


class HealthSettings(DataSettings):
    """How `python -m server health` reaches a server that speaks TLS: the variables of any client of it.

    Attributes:
        client_tls_ca: The authorities of the server's certificate.
        client_tls_cert: The client's own certificate, for a server that asks for one.
        client_tls_key: Its private key.
    """

    client_tls_ca: Path | None = None
    client_tls_cert: Path | None = None
    client_tls_key: Path | None = None


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
        own[_METRICS_DIRECTORY] = str(metrics_directory)
    return os.environ | own


def metrics_directory() -> Path | None:
    """Returns where this process puts what its parent shows of it; None when it shows nothing."""
    directory = os.environ.get(_METRICS_DIRECTORY)
    return None if directory is None else Path(directory)
