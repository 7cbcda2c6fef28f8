"""Shows metrics while a process answers calls; imported only where they are wanted."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from server.call_counts import CallCounts
from server.child import Order
from server.loaded_models import LoadedModels
from server.metrics.page import show_own
from server.metrics.publisher import MetricsPublisher
from server.metrics.snapshot import states_of
from server.polling import polling
from server.settings import metrics_directory

# Well below the seconds between two scrapes.
_PUBLISH_EVERY_S = 0.5


@asynccontextmanager
async def showing_metrics(
    order: Order,
    counts: CallCounts,
    library: Callable[[], LoadedModels],
    certificate_expires_at: Callable[[], float] | None,
) -> AsyncIterator[None]:
    """Publishes metrics for the duration of a block; a worker's are shown by its parent.

    Args:
        order: Which process this is.
        counts: Its calls.
        library: Returns its models.
        certificate_expires_at: Returns the Unix time when its certificate ends; None without TLS.

    Raises:
        StartError: When the port is taken.
    """
    alone = order.of == 1
    publisher = MetricsPublisher(
        counts,
        models=lambda: states_of(library()),
        certificate_expires_at=certificate_expires_at,
        directory=None if alone else metrics_directory(),
    )

    async def publish() -> None:
        publisher.publish()

    async with AsyncExitStack() as stack:
        stack.callback(publisher.publish)  # a last time, after the last call
        await stack.enter_async_context(polling("metrics", publish, _PUBLISH_EVERY_S))
        publisher.publish()  # what there is before the first call
        if alone:
            show_own(order.settings, publisher, stack)
        yield
