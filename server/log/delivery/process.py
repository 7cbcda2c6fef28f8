"""The delivery process: started by the server, never by hand; see `server.child`."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

import structlog

from server.child import run_child
from server.errors import StartError
from server.log.delivery.delivery import STALLED_AFTER_S, Delivery
from server.log.lock import LockedError, lock_file
from server.log.mongo.store import MongoStore
from server.log.spool.file import FILE_NAME, SpoolFile
from server.log.spool.takeover import take_over_former
from server.log.spool.turn import DELIVERY_LOCK_NAME
from server.settings import ServerSettings
from server.stop_budget import StopBudget

# One that is still delivering its last batch is waited for.
PREDECESSOR_ENDS_WITHIN_S = 30.0

_log = structlog.get_logger("server.log.delivery")


@asynccontextmanager
async def delivering(
    settings: ServerSettings, budget: StopBudget, predecessor_ends_within_s: float = PREDECESSOR_ENDS_WITHIN_S
) -> AsyncIterator[None]:
    """Delivers the spool for the duration of a block, and at the end what is left of it.

    Args:
        settings: Where the spool is; names a MongoDB.
        budget: The time for the last deliveries.
        predecessor_ends_within_s: How long to wait for another process that delivers it, in seconds.

    Raises:
        StartError: When the URI is not usable, another process delivers the spool, or it cannot be opened.
    """
    assert settings.external_mongodb_uri is not None
    store = MongoStore(settings.external_mongodb_uri, ttl_days=settings.experiment_ttl_days)
    directory = settings.spool_directory
    with await asyncio.to_thread(_lock, directory, predecessor_ends_within_s):
        file = SpoolFile(directory / FILE_NAME, expendable=True)
        delivery = Delivery(file, store)
        task = asyncio.create_task(_deliver(file, delivery), name="delivery")

        async def end(within_s: float) -> None:
            deadline = time.monotonic() + within_s
            delivery.stop()
            _, hanging = await asyncio.wait([task], timeout=min(within_s, STALLED_AFTER_S))
            await delivery.flush(0.0 if hanging else deadline - time.monotonic())

        try:
            yield
        finally:
            await budget.spend(end)
            task.cancel()  # PyMongo can swallow that: the process ends all the same
            await asyncio.wait([task], timeout=STALLED_AFTER_S)
            delivery.close()
            await store.close()


def _lock(directory: Path, within_s: float) -> IO[bytes]:
    """Returns the lock of a spool's delivery, which names this process (`server.log.spool.turn`)."""
    try:
        lock = lock_file(directory / DELIVERY_LOCK_NAME, within_s)
    except LockedError:
        raise StartError(
            f"another process delivers the spool {directory} already: a server, unless it is told"
            " --delivery none, or `python -m server deliver`"
        ) from None
    try:
        os.truncate(lock.fileno(), 0)
        os.write(lock.fileno(), str(os.getpid()).encode())
    except OSError as error:  # a full disk
        lock.close()
        raise StartError(f"cannot write to {directory}: {error.strerror}") from error
    return lock


async def _deliver(file: SpoolFile, delivery: Delivery) -> None:
    try:
        await asyncio.to_thread(take_over_former, file)
    except OSError as error:  # a file that may not be removed, …: what comes now is delivered all the same
        _log.error("spool_not_taken_over", spool=str(file.path.parent), reason=str(error))
    await delivery.run()


if __name__ == "__main__":
    run_child(lambda order, budget: delivering(order.settings, budget))
