"""What stands behind the spool: the database, where none is configured, and the delivery process."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from pydantic import SecretStr

from server.child_supervision import CUT_SHORT_S, Child
from server.settings import ServerSettings
from server.stop_budget import StopBudget


@asynccontextmanager
async def storing(
    settings: ServerSettings, announce: Callable[[str], None], budget: StopBudget
) -> AsyncIterator[ServerSettings]:
    """Runs the embedded database, unless another one is configured, and delivery for the duration of a block.

    Args:
        settings: Where the spool and the database are.
        announce: Called with the line that names the embedded database.
        budget: The time for the last deliveries.

    Yields:
        The settings, with the database's URI.

    Raises:
        StartError: When one of them cannot start.
    """
    async with AsyncExitStack() as stack:
        if settings.external_mongodb_uri is None:
            from server.log.mongo.embedded.database import embedded_mongodb  # PyMongo: only when it is needed

            embedded = embedded_mongodb(settings.embedded_directory, announce)
            uri = await stack.enter_async_context(embedded)
            settings = settings.model_copy(update={"mongodb_uri": SecretStr(uri)})
        delivery = Child("delivery", "server.log.delivery.process", settings)

        async def stop(grace_s: float) -> None:
            try:
                await delivery.stop(grace_s + CUT_SHORT_S)  # to kill it loses nothing
            finally:
                await delivery.stop(CUT_SHORT_S)

        stack.push_async_callback(budget.spend, stop)
        await delivery.ready
        yield settings
