"""Moves the spool into MongoDB, and joins outcomes to their predictions, as long as it takes."""

import asyncio
import contextlib
import sqlite3
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import structlog

from server.backoff import backoff_s
from server.errors import StorageUnavailableError
from server.log.delivery.counting import count_outcomes, count_predictions
from server.log.mongo.store import Joined, Stored
from server.log.record import Outcome, PredictionRecord
from server.log.spool.counts import Count, add_counts
from server.log.spool.file import SpoolFile
from server.log.spool.rows import DeadLetter, Kind, Reason, Row
from server.log.spool.takeover import take_over

# Large enough to amortise a round trip and a wait for the disk.
BATCH_ROWS = 500
LOOK_EVERY_S = 10.0
"""How long to wait before an outcome's prediction is looked for again: another machine may still have it."""

LOOKS = 360
"""After so many looks that MongoDB answered in vain, an hour of them at least, an outcome is given up."""

_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 2.0
# How often an idle spool is looked at: looking costs some microseconds, and a document may be so much later.
_POLL_S = 0.1
_PRUNE_EVERY_S = 1.0
STALLED_AFTER_S = 3.0
"""At the end, a step that takes so long is left to the next start: a hung MongoDB must not keep a server."""

_log = structlog.get_logger("server.log.delivery")


class Store(Protocol):
    """Where delivery goes; `server.log.mongo.store.MongoStore` is one."""

    async def connect(self) -> None:
        """Sees whether MongoDB is there, and prepares it once."""
        ...

    async def add(self, records: Mapping[str, PredictionRecord]) -> Stored:
        """Stores predictions by id, in any order and as often as one likes."""
        ...

    async def join(self, outcomes: Mapping[str, Outcome]) -> Joined:
        """Gives predictions their outcomes by id, unless they have one."""
        ...


class Delivery:
    """Delivers what the spool file holds."""

    def __init__(self, file: SpoolFile, store: Store) -> None:
        """Sets both ends."""
        self._file = file
        self._store = store
        self._stopping = asyncio.Event()
        self._prune_at = 0.0

    async def run(self) -> None:
        """Delivers batch after batch until stopped; waits longer and longer while MongoDB is away."""
        failures = 0
        begun = False
        while not self._stopping.is_set():
            try:
                if not begun:
                    await self._begin()
                begun = True
                moved = await self.deliver()
            except StorageUnavailableError as error:
                self._note_failure("unavailable")
                if failures == 0:
                    _log.warning("storage_unavailable", reason=error.reason)
                    self._note_away(time.time())
                pause_s = backoff_s(failures, first_s=_FIRST_DELAY_S, longest_s=_LONGEST_DELAY_S)
                failures += 1
            except Exception as error:
                # A bug, or a full disk, must not end the delivery for good: the rows are safe, so try again.
                _log_failure(error)
                self._note_failure("error")
                pause_s = _LONGEST_DELAY_S
            else:
                if failures:
                    _log.info("storage_available")
                    self._note_away(None)
                failures = 0
                pause_s = 0.0 if moved else _POLL_S
            if pause_s:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), pause_s)

    async def _begin(self) -> None:
        """Finds out at once, and not with the first record, whether MongoDB is away."""
        self._change(self._file.look_now)
        await self._store.connect()
        self._note_away(None)  # as an earlier process may have left it

    async def flush(self, within_s: float) -> None:
        """Delivers what is left; what takes longer, or meets no MongoDB, waits for the next start."""
        deadline = time.monotonic() + within_s
        try:
            more = True
            while more and (left_s := deadline - time.monotonic()) > 0:
                async with asyncio.timeout(min(left_s, STALLED_AFTER_S)):
                    more = await self.deliver()
        except (StorageUnavailableError, TimeoutError):
            pass
        except Exception as error:
            _log_failure(error)
        with contextlib.suppress(sqlite3.Error):
            if waiting := self._file.waiting():
                _log.warning("spool_not_flushed", waiting=waiting)

    def stop(self) -> None:
        """Makes `run` end after the batch under way."""
        self._stopping.set()

    def close(self) -> None:
        """Closes the spool file."""
        self._file.close()

    async def deliver(self) -> bool:
        """Moves a batch of predictions, then one of outcomes; returns whether there may be more.

        Raises:
            StorageUnavailableError: When MongoDB does not answer. Nothing is lost: a batch that was cut off
                is delivered again, and what is there counts as stored.
        """
        self._follow_file()
        predictions = await self._deliver_predictions()
        outcomes = await self._deliver_outcomes()
        if not predictions and time.monotonic() >= self._prune_at:
            self._prune_at = time.monotonic() + _PRUNE_EVERY_S
            self._change(self._file.prune)
        return predictions or outcomes

    async def _deliver_predictions(self) -> bool:
        rows = self._file.next_predictions(BATCH_ROWS)
        if not rows:
            return False
        firsts = self._file.first_outcomes(row.prediction_id for row in rows)
        records, dead = _read(rows, firsts)
        stored = await self._store.add(records)
        by_id = {row.prediction_id: row for row in rows}
        for prediction_id, detail in stored.refused.items():
            dead.append(DeadLetter(Kind.PREDICTION, by_id[prediction_id], Reason.REFUSED, detail))
            if prediction_id in firsts:
                dead.append(DeadLetter(Kind.OUTCOME, firsts[prediction_id], Reason.REFUSED, detail))
        joined = [
            firsts[prediction_id]
            for prediction_id in stored.inserted
            if records[prediction_id].outcome is not None
        ]
        delivered = {key: record for key, record in records.items() if key not in stored.refused}
        counts = count_predictions(delivered, stored.inserted)

        def forget() -> None:
            add_counts(self._file.connection, counts)
            self._file.add_dead_letters(dead)
            self._file.remove_outcomes(joined)
            self._file.advance(rows)
            self._file.prune()

        self._change(forget)
        _log_dead_letters(dead)
        return True

    async def _deliver_outcomes(self) -> bool:
        """Looks for the predictions of a batch of outcomes; returns whether any of them got on."""
        rows = self._file.due_outcomes(BATCH_ROWS)
        if not rows:
            return False
        outcomes, dead = _read_outcomes(rows)
        found = await self._store.join(outcomes)
        dead += _dead_outcomes(rows, found, self._file.looks(rows))
        given_up = {letter.row for letter in dead}
        joined = [row for row in rows if row.prediction_id in found.joined]
        unknown = [row for row in rows if row.prediction_id in found.unknown and row not in given_up]
        counts = count_outcomes(outcomes, found)

        def forget() -> None:
            add_counts(self._file.connection, counts)
            self._file.add_dead_letters(dead)
            self._file.remove_outcomes(joined)
            self._file.postpone_outcomes(unknown, LOOK_EVERY_S)

        self._change(forget)
        _log_dead_letters(dead)
        return bool(joined or unknown or dead)

    def _change(self, change: Callable[[], object]) -> None:
        with self._file.transaction():
            change()

    def _note_away(self, since: float | None) -> None:
        with contextlib.suppress(sqlite3.Error, OSError):  # a full disk: it is a sign, no more
            self._change(lambda: self._file.set_away_since(since))

    def _note_failure(self, reason: str) -> None:
        with contextlib.suppress(sqlite3.Error, OSError):  # as above
            self._change(lambda: add_counts(self._file.connection, {(Count.FAILURES, reason): 1}))

    def _follow_file(self) -> None:
        """Goes over to a new file, with all that waits, when this one was deleted under who has it open."""
        if self._file.is_in_place():
            return
        _log.error("spool_deleted", spool=str(self._file.path), reason="what it holds goes to a new file")
        fresh = SpoolFile(self._file.path, expendable=True)
        try:
            take_over(self._file, fresh)
        except BaseException:
            fresh.close()
            raise
        self._file.close()
        self._file = fresh


def _read(
    rows: Sequence[Row], outcomes: Mapping[str, Row]
) -> tuple[dict[str, PredictionRecord], list[DeadLetter]]:
    """Returns the predictions with the outcomes that wait for them, and what cannot be read."""
    records, dead = {}, []
    for row in rows:
        try:
            record = row.record()
        except ValueError as error:
            dead.append(DeadLetter(Kind.PREDICTION, row, Reason.UNREADABLE, type(error).__name__))
            continue
        # An outcome that cannot be read is no concern of its prediction.
        with contextlib.suppress(KeyError, ValueError):
            record = record.with_outcome(outcomes[row.prediction_id].outcome())
        records[row.prediction_id] = record
    return records, dead


def _read_outcomes(rows: Sequence[Row]) -> tuple[dict[str, Outcome], list[DeadLetter]]:
    """Returns outcomes by their predictions' ids, and what cannot be read."""
    outcomes, dead = {}, []
    for row in rows:
        try:
            outcomes[row.prediction_id] = row.outcome()
        except ValueError as error:
            dead.append(DeadLetter(Kind.OUTCOME, row, Reason.UNREADABLE, type(error).__name__))
    return outcomes, dead


def _dead_outcomes(rows: Sequence[Row], found: Joined, looks: Mapping[int, int]) -> Iterator[DeadLetter]:
    """Yields the outcomes that are never joined; `looks` were in vain before, by number."""
    for row in rows:
        if row.prediction_id in found.conflicting:
            yield DeadLetter(Kind.OUTCOME, row, Reason.CONFLICT)
        elif row.prediction_id in found.refused:
            yield DeadLetter(Kind.OUTCOME, row, Reason.REFUSED)
        elif row.prediction_id in found.unknown and looks.get(row.number, 0) + 1 >= LOOKS:
            yield DeadLetter(Kind.OUTCOME, row, Reason.UNKNOWN_PREDICTION)


def _log_failure(error: Exception) -> None:
    # Not its text: the driver's and Pydantic's quote what was logged.
    where = traceback.format_tb(error.__traceback__)[-1].split("\n")[0].strip()
    _log.error("delivery_failed", reason=type(error).__name__, where=where)


def _log_dead_letters(letters: Sequence[DeadLetter]) -> None:
    for letter in letters:
        _log.error(
            "dead_letter", kind=letter.kind, prediction_id=letter.row.prediction_id, reason=letter.reason
        )
