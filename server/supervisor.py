"""Runs several workers on one port, each a process of its own, and keeps them running.

The kernel spreads connections over the workers (SO_REUSEPORT). What there is one of belongs to this process:
the database and delivery, the folder's lock, and the page that Prometheus reads.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from server.child_supervision import CUT_SHORT_S, END_MARGIN_S, Child
from server.log.lock import lock_folder
from server.rpc.listening_port import reserved
from server.settings import ServerSettings
from server.start_checks import check_start
from server.stop_budget import StopBudget
from server.storage import storing


@asynccontextmanager
async def supervising(
    settings: ServerSettings, announce: Callable[[str], None] = print, budget: StopBudget | None = None
) -> AsyncIterator[str]:
    """Runs several workers for the duration of a block, once all of them serve.

    Args:
        settings: What to serve, where, and by how many workers.
        announce: Called with the line that names the embedded database.
        budget: The time for the workers' end in order; by default the grace period of the settings.

    Yields:
        The address that they listen on, as HOST:PORT.

    Raises:
        StartError: When it cannot start.
        DataError: When a file of the data set is missing.
    """
    check_start(settings)
    budget = budget or StopBudget(settings.drain_grace_s, settings.drain_pause_s)
    async with AsyncExitStack() as stack:
        stack.callback((await asyncio.to_thread(lock_folder, settings.var_dir)).close)
        settings = await stack.enter_async_context(storing(settings, announce, budget))
        port = stack.enter_context(reserved(settings.host, settings.port))
        settings = settings.model_copy(update={"port": port})
        if settings.health_port is not None:
            health_port = stack.enter_context(reserved(settings.health_host, settings.health_port))
            settings = settings.model_copy(update={"health_port": health_port})
        directory = _show_metrics(settings, stack)
        workers = [_worker(settings, number, directory) for number in range(settings.workers)]
        stack.push_async_callback(budget.spend, partial(_stop_all, workers))
        await asyncio.gather(*(worker.ready for worker in workers))
        yield f"{settings.host}:{port}"


def _worker(settings: ServerSettings, number: int, metrics_directory: Path | None) -> Child:
    def ended(pid: int) -> None:
        if metrics_directory is not None:
            from server.metrics.page import forget_worker

            forget_worker(pid, metrics_directory)

    return Child(
        "worker",
        "server.worker",
        settings,
        number=number,
        of=settings.workers,
        metrics_directory=metrics_directory,
        ended=ended,
    )


async def _stop_all(workers: list[Child], grace_s: float) -> None:
    """Ends all; cancelled, it gives them a second signal, which cuts their end short."""
    try:
        await asyncio.gather(*(worker.stop(grace_s + END_MARGIN_S) for worker in workers))
    except asyncio.CancelledError:
        await asyncio.gather(*(worker.stop(CUT_SHORT_S) for worker in workers))
        raise


def _show_metrics(settings: ServerSettings, stack: AsyncExitStack) -> Path | None:
    """Shows the workers' metrics when they are wanted; returns where the workers put them."""
    if settings.metrics_port is None:
        return None
    from server.metrics.page import show_workers

    directory = Path(stack.enter_context(TemporaryDirectory(prefix="playthrough-metrics-")))
    show_workers(settings, directory, stack)
    return directory
