"""Moves the spool to MongoDB in the background."""

import asyncio
import contextlib
import random
import time
from collections.abc import Sequence
from typing import Protocol

import structlog

from server.errors import StorageUnavailableError
from server.log.mongo.refusals import Refusal
from server.log.mongo.store import JoinedOutcomes
from server.log.spool.rows import HeldOutcome, SpooledRow
from server.log.spool.spool import Spool

# Large enough to amortise a round trip, small enough that encoding a batch does not hold up predictions.
BATCH_RECORDS = 100
_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 2.0
# How often, and how long, a held outcome's prediction is looked for: another machine's spool may still have
# it.
_LOOK_AGAIN_S = 10.0
_GIVE_UP_AFTER_S = 3600.0
# While more comes than goes, calls come first: delivery, whose database may be on the same cores, takes this
# share of the time, and more the more waits, up to all of it once so many do.
_LEAST_SHARE = 0.1
_AMPLE_RECORDS = 200_000
_LONGEST_REST_S = 1.0

_log = structlog.get_logger("server.log.delivery")


class Store(Protocol):
    """Where predictions end up."""

    async def add(self, rows: Sequence[SpooledRow]) -> list[Refusal]:
        """Stores rows idempotently and returns what can never be stored."""
        ...

    async def add_outcomes(self, held: Sequence[HeldOutcome]) -> JoinedOutcomes:
        """Joins outcomes to stored predictions; the first one of a prediction wins."""
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
                await self._deliver_outcomes()
        except (StorageUnavailableError, TimeoutError):
            _log.warning("spool_not_flushed", waiting=self._spool.depth)

    async def _run(self) -> None:
        """Delivers batch after batch; waits longer and longer while MongoDB is away."""
        failures = 0
        while not self._stopping:
            with contextlib.suppress(TimeoutError):  # a held outcome may have become due
                await asyncio.wait_for(self._spool.filled.wait(), _LOOK_AGAIN_S)
            began, depth = time.monotonic(), self._spool.depth
            try:
                await self._deliver_batch()
                await self._deliver_outcomes()
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
                await asyncio.sleep(_rest_s(time.monotonic() - began, depth, self._spool.depth))

    async def _deliver_batch(self) -> bool:
        """Moves one batch; returns False when the spool is empty."""
        rows = await self._spool.read(BATCH_RECORDS)
        if not rows:
            return False
        refusals = await self._store.add(rows)
        refused = {each.dead.prediction_id for each in refusals if isinstance(each.dead, SpooledRow)}
        await self._spool.remove([row for row in rows if row.prediction_id not in refused])
        for refusal in refusals:
            await self._bury(refusal.dead, refusal.reason)
        return True

    async def _deliver_outcomes(self) -> None:
        """Finds the predictions of held outcomes."""
        held = await self._spool.read_outcomes(BATCH_RECORDS)
        if not held:
            return
        found = await self._store.add_outcomes(held)
        await self._spool.remove_outcomes(found.joined)
        for late in found.conflicting:
            await self._bury(late, "another outcome was recorded first")
        give_up = time.time() - _GIVE_UP_AFTER_S
        for stray in found.unknown:
            if stray.held_at < give_up:
                await self._bury(stray, "no such prediction was logged")
        waiting = [stray for stray in found.unknown if stray.held_at >= give_up]
        await self._spool.postpone_outcomes(waiting, _LOOK_AGAIN_S)

    async def _bury(self, dead: SpooledRow | HeldOutcome, reason: str) -> None:
        _log.error("dead_letter", prediction_id=dead.prediction_id, reason=reason)
        await self._spool.bury(dead, reason)


def _delay_s(failures: int) -> float:
    """Returns how long to wait after so many failures in a row: twice as long each time, with jitter."""
    longest = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0 ** min(failures, 16))
    return longest * random.uniform(0.5, 1.0)


def _rest_s(worked_s: float, waited: int, waiting: int) -> float:
    """Returns how long to leave the cores to the calls after a batch.

    Args:
        worked_s: How long the batch took, in seconds.
        waited: How many records waited before it.
        waiting: How many wait after it.
    """
    if waiting <= max(waited, BATCH_RECORDS):
        return 0.0
    share = min(1.0, max(_LEAST_SHARE, waiting / _AMPLE_RECORDS))
    return min(_LONGEST_REST_S, worked_s * (1 / share - 1))
