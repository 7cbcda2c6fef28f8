"""What stands behind the spool: the database, where none is configured, and the delivery process.

A server runs both, or `python -m server deliver` does, so that they outlive the server.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from pydantic import SecretStr

from server.child_supervision import CUT_SHORT_S, Child
from server.log.mongo.uri import describe
from server.settings import ServerSettings
from server.stop_budget import StopBudget


@asynccontextmanager
async def storing(
    settings: ServerSettings, announce: Callable[[str], None], budget: StopBudget
) -> AsyncIterator[ServerSettings]:
    """Runs the embedded database, unless another one is configured, and delivery for the duration of a block.

    Does nothing where the settings leave that to another process.

    Args:
        settings: Where the spool and the database are.
        announce: Called with the line that names the embedded database.
        budget: The time for the last deliveries.

    Yields:
        The settings, with the database's URI.

    Raises:
        StartError: When one of them cannot start.
    """
    if settings.delivery == "none":
        yield settings
        return
    async with AsyncExitStack() as stack:
        settings = await stack.enter_async_context(_with_database(settings, announce))
        delivery = Child("delivery", "server.log.delivery.process", settings)

        async def stop(grace_s: float) -> None:
            try:
                await delivery.stop(grace_s + CUT_SHORT_S)  # to kill it loses nothing
            finally:
                await delivery.stop(CUT_SHORT_S)

        stack.push_async_callback(budget.spend, stop)
        await delivery.ready
        yield settings


@asynccontextmanager
async def delivering_alone(
    settings: ServerSettings, announce: Callable[[str], None], budget: StopBudget
) -> AsyncIterator[str]:
    """Runs the embedded database, unless another one is configured, and delivers in this process.

    Args:
        settings: Where the spool and the database are.
        announce: Called with the line that names the embedded database.
        budget: The time for the last deliveries.

    Yields:
        Which spool is delivered, and where to.

    Raises:
        StartError: When the database cannot start, or another process delivers the spool.
    """
    from server.log.delivery.process import delivering  # PyMongo

    async with (
        _with_database(settings, announce) as stored,
        delivering(stored, budget, predecessor_ends_within_s=0.0),
    ):
        yield f"{settings.spool_directory} to {describe(stored.external_mongodb_uri or '')}"


@asynccontextmanager
async def _with_database(
    settings: ServerSettings, announce: Callable[[str], None]
) -> AsyncIterator[ServerSettings]:
    """Yields the settings with a database's URI; runs the embedded one where none is configured."""
    if settings.external_mongodb_uri is not None:
        yield settings
        return
    from server.log.mongo.embedded.database import embedded_mongodb  # PyMongo: only when it is needed

    async with embedded_mongodb(settings.embedded_directory, announce) as uri:
        yield settings.model_copy(update={"mongodb_uri": SecretStr(uri)})
