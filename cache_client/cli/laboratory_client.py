"""The client with which the laboratory asks for predictions."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cache_client.laboratory_errors import UsageError
from cache_client.settings import CacheClientSettings

if TYPE_CHECKING:
    from cache_client.rpc.client import PredictionClient


def check_server_or_models(server: str | None, models: Path | None) -> None:
    """Checks the two ways to say who predicts.

    Raises:
        UsageError: Both are given, or the models' folder is not there.
    """
    if server is not None and models is not None:
        raise UsageError("give --server or --models, not both")
    if models is not None and not models.is_dir():
        raise UsageError(f"no such folder: {models}")


def settings_client(settings: CacheClientSettings, *, connections: int = 1) -> "PredictionClient":
    """Returns a client of the server that settings name, which speaks TLS where they name a file of it.

    Raises:
        InvalidCredentials: A file cannot be read, or half of a pair is missing.
    """
    from cache_client.rpc.client import PredictionClient
    from cache_client.rpc.credentials import tls_credentials

    files = settings.client_tls_ca, settings.client_tls_cert, settings.client_tls_key
    return PredictionClient(
        settings.server,
        deadline_s=settings.deadline_s,
        connections=connections,
        credentials=tls_credentials(*files) if any(files) else None,
        token=settings.client_token_file,
    )


@asynccontextmanager
async def laboratory_client(
    settings: CacheClientSettings, own_server: list[str] | None
) -> "AsyncIterator[PredictionClient]":
    """Yields a client of the server of the settings, or of one that a command starts and that ends with it.

    Args:
        settings: The server, the deadline and the connections.
        own_server: The command; None for the server of the settings.
    """
    from cache_client.rpc.client import PredictionClient
    from cache_client.simulator.child_server import running_server

    async with AsyncExitStack() as stack:
        if own_server is None:
            client = settings_client(settings, connections=settings.connections)
        else:
            child = running_server(own_server, settings.server_start_timeout_s)
            target = await stack.enter_async_context(child)
            client = PredictionClient(
                target, deadline_s=settings.deadline_s, connections=settings.connections
            )
        yield await stack.enter_async_context(client)
