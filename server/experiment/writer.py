"""Moves the spool to MongoDB in the background."""

import asyncio
import random
from collections.abc import Sequence
from typing import Protocol

import structlog

from server.errors import StorageUnavailableError
from server.experiment.spool import Spool, SpooledRow
from server.experiment.store import Refusal

# Large enough to amortise a round trip, small enough that encoding a batch does not hold up predictions.
BATCH_RECORDS = 100
_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 10.0

_log = structlog.get_logger("server.experiment.writer")


class Store(Protocol):
    """Where predictions end up."""

    async def add(self, rows: Sequence[SpooledRow]) -> list[Refusal]:
        """Stores rows idempotently and returns those that can never be stored."""
        ...


class SpoolWriter:
    """Delivers what the spool holds, as long as it takes."""

    def __init__(self, spool: Spool, store: Store) -> None:
        """Takes both ends; `start` begins the work."""
        self._spool = spool
        self._store = store
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        """Begins to deliver in the background."""
        self._task = asyncio.create_task(self._run(), name="spool-writer")

    async def stop(self, within_s: float) -> None:
        """Stops the background work and delivers what is left, unless MongoDB is away or the time is up.

        Args:
            within_s: How long that may take, in seconds; what is left waits for the next start.
        """
        # The flag, because PyMongo can swallow a cancellation; the cancellation, because a flag ends no wait.
        self._stopping = True
        if self._task is not None:
            # Safe at any point: a batch cut off is delivered again, and duplicates count as stored.
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        try:
            async with asyncio.timeout_at(deadline):
                while loop.time() < deadline and await self._deliver_batch():
                    pass
        except (StorageUnavailableError, TimeoutError):
            _log.warning("spool_not_flushed", waiting=self._spool.depth)

    async def _run(self) -> None:
        """Delivers batch after batch; waits longer and longer while MongoDB is away."""
        failures = 0
        while not self._stopping:
            await self._spool.filled.wait()
            try:
                await self._deliver_batch()
            except StorageUnavailableError as error:
                if failures == 0:
                    _log.warning("storage_unavailable", reason=error.reason, waiting=self._spool.depth)
                await asyncio.sleep(_delay_s(failures))
                failures += 1
            except Exception:
                # A bug must not end the delivery for good: the rows are safe, so try again, slowly.
                _log.exception("delivery_failed", waiting=self._spool.depth)
                await asyncio.sleep(_LONGEST_DELAY_S)
            else:
                if failures:
                    _log.info("storage_available", waiting=self._spool.depth)
                failures = 0

    async def _deliver_batch(self) -> bool:
        """Moves one batch; returns False when the spool is empty."""
        rows = await self._spool.read(BATCH_RECORDS)
        if not rows:
            return False
        refusals = await self._store.add(rows)
        refused = {refusal.row.prediction_id for refusal in refusals}
        await self._spool.remove([row for row in rows if row.prediction_id not in refused])
        for refusal in refusals:
            _log.error("dead_letter", prediction_id=refusal.row.prediction_id, reason=refusal.reason)
            await self._spool.bury(refusal.row, refusal.reason)
        return True


def _delay_s(failures: int) -> float:
    """Returns how long to wait after so many failures in a row: twice as long each time, with jitter."""
    longest = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0 ** min(failures, 16))
    return longest * random.uniform(0.5, 1.0)
