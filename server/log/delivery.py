"""Moves the spool to MongoDB in the background."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

import structlog

from server.backoff import backoff_s
from server.errors import OutcomeConflictError, StorageUnavailableError, UnknownPredictionError
from server.log.mongo.store import Refusal
from server.log.record import Outcome, PredictionRecord
from server.log.spool.file import SpoolFile
from server.log.spool.spool import Spool

# Large enough to amortise a round trip, small enough that encoding a batch does not hold up predictions.
BATCH_RECORDS = 100
_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 2.0
# How often an idle spool is looked at: looking costs a microsecond, and a document may be so much later.
_POLL_S = 0.05
_CANCEL_AGAIN_S = 0.1
# A batch that takes so long at the end waits in the spool for the next start: a MongoDB that hangs must not
# keep the server.
_STALLED_AFTER_S = 1.5
# How often, and how long, a held outcome's prediction is looked for: another machine's spool may still have
# it.
_LOOK_AGAIN_S = 10.0
_GIVE_UP_AFTER_S = 3600.0
_LOOK_FOR_DUE_S = 1.0  # how soon the file is asked again when none of them was due
# While more comes than goes, calls come first: delivery, whose database may be on the same cores, takes this
# share of the time, and more the more waits, up to all of it once so many do.
_LEAST_SHARE = 0.1
_AMPLE_RECORDS = 200_000
_LONGEST_REST_S = 1.0

_log = structlog.get_logger("server.log.delivery")


class _Store(Protocol):
    async def connect(self) -> None: ...
    async def add(self, records: Sequence[PredictionRecord]) -> list[Refusal]: ...
    async def add_outcome(self, prediction_id: str, outcome: Outcome) -> None: ...


class Delivery:
    """Delivers what the spool holds, as long as it takes.

    It knows the spool by what it does with its file, so that any process could do it.
    """

    def __init__(self, spool: Spool, store: _Store) -> None:
        """Sets both ends; `start` begins the work."""
        self._spool = spool
        self._store = store
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._look_for_due_at = 0.0

    def start(self) -> None:
        """Begins to deliver in the background."""
        self._task = asyncio.create_task(self._run(), name="delivery")

    async def stop(self, within_s: float) -> None:
        """Delivers what is left, and ends; what takes longer, or meets no MongoDB, waits in the spool."""
        # The flag, because PyMongo can swallow a cancellation; the cancellation, because a flag ends no wait.
        self._stopping = True
        if self._task is not None:
            # Safe at any point: a batch cut off is delivered again, and duplicates count as stored.
            while not self._task.done():
                self._task.cancel()
                await asyncio.wait([self._task], timeout=_CANCEL_AGAIN_S)
        with contextlib.suppress(StorageUnavailableError, TimeoutError):
            await self._flush(asyncio.get_running_loop().time() + within_s)
        if self._spool.depth:
            _log.warning("spool_not_flushed", waiting=self._spool.depth)

    async def _flush(self, deadline: float) -> None:
        loop, flushing = asyncio.get_running_loop(), asyncio.current_task()
        assert flushing is not None
        more = True
        # The count of cancellations, since PyMongo can swallow one.
        while more and loop.time() < deadline and not flushing.cancelling():
            async with asyncio.timeout_at(min(deadline, loop.time() + _STALLED_AFTER_S)):
                more = await self._deliver_batch()
                if not more:
                    await self._deliver_outcomes()

    async def _run(self) -> None:
        """Delivers batch after batch; waits longer and longer while MongoDB is away."""
        failures, connected = 0, False
        while not self._stopping:
            began, depth = time.monotonic(), self._spool.depth
            try:
                if not connected:
                    await self._store.connect()
                    connected = True
                moved = await self._deliver_batch()
                await self._deliver_outcomes()
            except StorageUnavailableError as error:
                if failures == 0:
                    _log.warning("storage_unavailable", reason=error.reason, waiting=self._spool.depth)
                pause_s = backoff_s(failures, first_s=_FIRST_DELAY_S, longest_s=_LONGEST_DELAY_S)
                failures += 1
            except Exception:
                # A bug must not end the delivery for good: the rows are safe, so try again, slowly.
                _log.exception("delivery_failed", waiting=self._spool.depth)
                pause_s = _LONGEST_DELAY_S
            else:
                if failures:
                    _log.info("storage_available", waiting=self._spool.depth)
                failures = 0
                pause_s = _rest_s(time.monotonic() - began, depth, self._spool.depth) if moved else _POLL_S
            await asyncio.sleep(pause_s)

    async def _deliver_batch(self) -> bool:
        """Moves one batch; returns False when the spool is empty."""
        if not self._spool.depth:
            return False
        records = await self._spool.run(lambda file: file.oldest(BATCH_RECORDS))
        if not records:
            return False
        refusals = await self._store.add(records)
        for refusal in refusals:
            _log_dead_letter(refusal.prediction_id, refusal.reason)

        def forget(file: SpoolFile) -> None:
            for prediction_id, reason, late_outcome in refusals:
                if late_outcome is None:
                    file.dead_letter(prediction_id, reason)
                else:
                    file.dead_letter_outcome(prediction_id, late_outcome, reason)
            file.remove(records)

        await self._spool.run(forget)
        return True

    async def _deliver_outcomes(self) -> None:
        """Finds the predictions of held outcomes."""
        if not self._spool.held_outcomes or time.monotonic() < self._look_for_due_at:
            return
        held = await self._spool.run(lambda file: file.held_outcomes(BATCH_RECORDS))
        if not held:
            self._look_for_due_at = time.monotonic() + _LOOK_FOR_DUE_S
            return
        give_up = datetime.now(UTC).timestamp() - _GIVE_UP_AFTER_S
        unknown, dead = [], {}
        for prediction_id, outcome in held.items():
            try:
                await self._store.add_outcome(prediction_id, outcome)
            except OutcomeConflictError:
                dead[prediction_id] = "another outcome was recorded first"
            except UnknownPredictionError:
                if outcome.recorded_at.timestamp() < give_up:
                    dead[prediction_id] = "no such prediction was logged"
                else:
                    unknown.append(prediction_id)
        for prediction_id, reason in dead.items():
            _log_dead_letter(prediction_id, reason)

        def forget(file: SpoolFile) -> None:
            for prediction_id, reason in dead.items():
                file.dead_letter_outcome(prediction_id, held[prediction_id], reason)
            file.postpone_outcomes(unknown, _LOOK_AGAIN_S)
            file.remove_outcomes(held.keys() - set(unknown))

        await self._spool.run(forget)


def _log_dead_letter(prediction_id: str, reason: str) -> None:
    _log.error("dead_letter", prediction_id=prediction_id, reason=reason)


def _rest_s(worked_s: float, waited: int, waiting: int) -> float:
    """Returns how long to leave the cores to the calls after a batch; so many waited before and after it."""
    if waiting <= max(waited, BATCH_RECORDS):
        return 0.0
    share = min(1.0, max(_LEAST_SHARE, waiting / _AMPLE_RECORDS))
    return min(_LONGEST_REST_S, worked_s * (1 / share - 1))
