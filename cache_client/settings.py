"""What the environment may say about this package."""

import os
import sys
from pathlib import Path

from pydantic import Field

from data.settings import DataSettings

_SETTINGS = ("PLAYTHROUGH_", "DATA_VERSION", "MONGODB_URI")
"""How variables begin that a server reads."""


class CacheClientSettings(DataSettings):
    """Settings of the cache client; flags beat them.

    Attributes:
        server: Where the prediction server listens, `HOST:PORT` (`PLAYTHROUGH_SERVER`).
        deadline_s: How long one call may take, retries included, in seconds (`PLAYTHROUGH_DEADLINE_S`).
        concurrency: How many calls may be under way at once (`PLAYTHROUGH_CONCURRENCY`).
        connections: How many connections take turns with the calls of `simulate` and `replay`
            (`PLAYTHROUGH_CONNECTIONS`).
        client_tls_ca: The authorities of the server's certificate, as PEM; names TLS
            (`PLAYTHROUGH_CLIENT_TLS_CA`).
        client_tls_cert: The client's own certificate, for a server that asks for one
            (`PLAYTHROUGH_CLIENT_TLS_CERT`).
        client_tls_key: Its private key (`PLAYTHROUGH_CLIENT_TLS_KEY`).
        client_token_file: File of the token that each call shows, read again when it changes
            (`PLAYTHROUGH_CLIENT_TOKEN_FILE`).
        server_start_timeout_s: How long a child server may take to be ready, in seconds
            (`PLAYTHROUGH_SERVER_START_TIMEOUT_S`).
    """

    server: str = "127.0.0.1:50051"
    deadline_s: float = Field(default=5.0, gt=0)
    concurrency: int = Field(default=16, ge=1)
    # Bulk commands use all workers of a server; against a single worker four connections gain nothing.
    connections: int = Field(default=4, ge=1, le=64)
    client_tls_ca: Path | None = None
    client_tls_cert: Path | None = None
    client_tls_key: Path | None = None
    client_token_file: Path | None = None
    server_start_timeout_s: float = Field(default=60.0, gt=0)


def child_environment(var_directory: Path) -> dict[str, str]:
    """Returns the environment of a child server that serves what its flags say, and nothing else.

    None of a server's settings is handed on, such as an experiment's file or a default model. Modules are
    found wherever this process finds them, from any working directory.

    Args:
        var_directory: Where the child may write.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
    modules = os.pathsep.join(os.path.abspath(folder) for folder in sys.path)
    return kept | {"PLAYTHROUGH_VAR_DIR": str(var_directory), "PYTHONPATH": modules}
