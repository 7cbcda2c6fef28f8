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
        target = settings.server
        if own_server is not None:
            child = running_server(own_server, settings.server_start_timeout_s)
            target = await stack.enter_async_context(child)
        yield await stack.enter_async_context(
            PredictionClient(target, deadline_s=settings.deadline_s, connections=settings.connections)
        )
