"""Shares one transaction, and one wait for the disk, among all callers of a process who wait at a time."""

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import structlog

from server.errors import SpoolFullError, StartError, StorageUnavailableError
from server.log.record import Outcome, PredictionRecord
from server.log.spool.file import SpoolFile
from server.log.spool.rows import Row

# Where a disk answers faster than calls come in, groups stay small, and each costs the event loop the
# interpreter and a wake-up. So much later the next one is larger; a caller alone never waits for company.
_PAUSE_S = 0.004
_COMPACT_INTERVAL_S = 1.0
_COUNT_INTERVAL_S = 1.0
_LOOK_INTERVAL_S = 0.1
# Of what predictions leave free on the disk, outcomes leave this much: delivery needs room, too.
_OUTCOMES_LEAVE = 1 / 4
_NEARLY_FULL = "the disk is nearly full"
_CANNOT_BE_WRITTEN = "cannot be written: see the server's log"

_log = structlog.get_logger("server.log.spool.committer")


class _Prediction(NamedTuple):
    """A prediction to append, and who waits for it."""

    record: PredictionRecord
    retried: bool
    future: "asyncio.Future[Any]"


class _Outcome(NamedTuple):
    """An outcome to append, and who waits for it."""

    prediction_id: str
    outcome: Outcome
    future: "asyncio.Future[Any]"


_Answer = tuple["asyncio.Future[Any]", object]
"""Who waits, and the result or error that they get."""


class Committer:
    """A thread that appends to the spool file. Its methods belong to one event loop.

    What is submitted while a transaction is being committed makes up the next one, and each caller is
    answered after the commit that it was part of.

    Attributes:
        waiting: How many predictions of all processes waited for MongoDB at the last commit.
        waiting_outcomes: How many outcomes did, at some commit of the last second.
        unanswered: How many predictions are on the way into the file.
    """

    def __init__(self, file: SpoolFile, *, min_free_bytes: int) -> None:
        """Starts the thread.

        Args:
            file: What it writes; closed at the end.
            min_free_bytes: With less on the disk no prediction is taken, and with a quarter of it no outcome.

        Raises:
            StartError: When the file cannot be read.
        """
        self._file = file
        self.unanswered = 0
        try:
            self.waiting, self.waiting_outcomes = file.waiting(), file.waiting_outcomes()
        except sqlite3.Error as error:
            file.close()
            raise StartError(f"cannot read the spool {file.path}: {error}") from error
        self._min_free_bytes = min_free_bytes
        self._loop = asyncio.get_running_loop()
        self._predictions: list[_Prediction] = []
        self._outcomes: list[_Outcome] = []
        self._wake = threading.Condition()
        self._closing = False
        self._refusing: str | None = None
        self._compact_next = self._counted_at = 0.0
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    def insert(self, record: PredictionRecord, *, retried: bool) -> "asyncio.Future[PredictionRecord]":
        """Queues a prediction; the result is what is on disk under its id: this one, or an earlier one."""
        entry = _Prediction(record, retried, self._loop.create_future())
        with self._wake:
            self._check_open()
            self._predictions.append(entry)
            self.unanswered += 1
            self._wake.notify()
        return entry.future

    def insert_outcome(self, prediction_id: str, outcome: Outcome) -> "asyncio.Future[None]":
        """Queues an outcome; the future is done once it is on disk."""
        entry = _Outcome(prediction_id, outcome, self._loop.create_future())
        with self._wake:
            self._check_open()
            self._outcomes.append(entry)
            self._wake.notify()
        return entry.future

    def look(self) -> None:
        """Has the counts brought up to date soon, without a commit."""
        if time.monotonic() - self._counted_at > _LOOK_INTERVAL_S:
            with self._wake:
                self._counted_at = 0.0
                self._wake.notify()

    async def close(self) -> None:
        """Finishes what waits and closes the file."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        await asyncio.to_thread(self._thread.join)
        self._file.close()

    def _check_open(self) -> None:
        if self._closing:
            raise StorageUnavailableError("the spool is closed")

    def _run(self) -> None:
        """Commits what waits, group by group, until closed (the thread's body)."""
        while True:
            with self._wake:
                self._wake.wait_for(
                    lambda: self._predictions or self._outcomes or self._closing or not self._counted_at
                )
                predictions, self._predictions = self._predictions, []
                outcomes, self._outcomes = self._outcomes, []
            if predictions or outcomes:
                self._answer_group(predictions, outcomes)
            elif self._closing:
                return
            self._count()
            if len(predictions) > 1 and not self._closing:
                time.sleep(_PAUSE_S)

    def _answer_group(self, predictions: list[_Prediction], outcomes: list[_Outcome]) -> None:
        """Commits a group and answers those who wait; those that the disk has no room for are refused."""
        of_prediction, of_outcome = self._refusals()
        self._log_refusal(of_prediction)
        answers: list[_Answer] = []
        submitted = len(predictions)
        if of_prediction is not None:
            answers += [(entry.future, _error_of(of_prediction)) for entry in predictions]
            predictions = []
        if of_outcome is not None:
            answers += [(entry.future, _error_of(of_outcome)) for entry in outcomes]
            outcomes = []
        if predictions or outcomes:
            answers += self._commit(predictions, outcomes)
        with self._wake:  # after the commit, so that a record is never in neither count
            self.unanswered -= submitted
        self._loop.call_soon_threadsafe(_answer, answers)

    def _commit(self, predictions: Sequence[_Prediction], outcomes: Sequence[_Outcome]) -> list[_Answer]:
        """Writes a group in one transaction; returns who waits, and each one's result or error."""
        everyone = [*(entry.future for entry in predictions), *(entry.future for entry in outcomes)]
        retried = {entry.record.prediction_id for entry in predictions if entry.retried}
        try:
            while True:
                with self._file.transaction():
                    known = self._file.find(retried) if retried else {}
                    fresh = _fresh(predictions, known)
                    self._file.insert(list(fresh.values()), retried)
                    self._file.insert_outcomes(entry[:2] for entry in outcomes)
                if self._file.is_in_place():
                    break
                # What was written to a deleted file may be gone: again, into what is in its place.
                self._reopen()
        except Exception as error:
            # Nothing of the group is on disk for sure: nobody in it may be told otherwise.
            if isinstance(error, sqlite3.Error | OSError):  # the disk is full, or fails
                _log.error("spool_not_written", reason=str(error))
                error = SpoolFullError(_CANNOT_BE_WRITTEN)
            return [(future, error) for future in everyone]
        with contextlib.suppress(sqlite3.Error):
            self.waiting = self._file.waiting()  # after the commit: nobody else waits for it
        logged = (_logged(entry.record.prediction_id, fresh, known) for entry in predictions)
        return list(zip(everyone, [*logged, *(None for _ in outcomes)], strict=True))

    def _refusals(self) -> tuple[str | None, str | None]:
        """Returns why no prediction, and why no outcome, may be added now; None where one may.

        Whatever happens here, the thread goes on.
        """
        try:
            if not self._file.is_in_place():
                self._reopen()
            room = self._room()
        except (OSError, sqlite3.Error) as error:
            return str(error), str(error)
        least = self._min_free_bytes
        return (
            _NEARLY_FULL if room < least else None,
            _NEARLY_FULL if room < least * _OUTCOMES_LEAVE else None,
        )

    def _reopen(self) -> None:
        self._file.reopen()
        _log.error(
            "spool_deleted", spool=str(self._file.path), reason="its file was deleted: a new one is used"
        )

    def _room(self) -> int:
        """Returns how much more the disk takes, where it is little; what the file can use again counts."""
        room = self._file.room_bytes()
        if room >= self._min_free_bytes:
            return room
        now = time.monotonic()
        if now >= self._compact_next:
            self._compact_next = now + _COMPACT_INTERVAL_S
            with contextlib.suppress(sqlite3.OperationalError):  # no room even for that: it counts as full
                self._file.compact()
        return self._file.room_bytes() + self._file.spare_bytes()

    def _count(self) -> None:
        """Counts what waits; the outcomes only every so often, since that takes a look at each."""
        if time.monotonic() - self._counted_at < _COUNT_INTERVAL_S:
            return
        self._counted_at = time.monotonic()
        with contextlib.suppress(sqlite3.Error, OSError):
            if not self._file.is_in_place():  # a full one is not written to, and would be full for good
                self._reopen()
            self.waiting, self.waiting_outcomes = self._file.waiting(), self._file.waiting_outcomes()

    def _log_refusal(self, refusal: str | None) -> None:
        """Logs when the spool begins to refuse, and when it takes records again."""
        if refusal == self._refusing:
            return
        self._refusing = refusal
        if refusal is None:
            _log.info("spool_accepts", spool=str(self._file.path))
        else:
            _log.error("spool_refuses", spool=str(self._file.path), reason=refusal)


def _fresh(predictions: Sequence[_Prediction], known: Collection[str]) -> dict[str, PredictionRecord]:
    """Returns what is not in the file yet, by id: of a request that came twice in one group the first."""
    fresh: dict[str, PredictionRecord] = {}
    for entry in predictions:
        if entry.record.prediction_id not in known:
            fresh.setdefault(entry.record.prediction_id, entry.record)
    return fresh


def _logged(
    prediction_id: str, fresh: Mapping[str, PredictionRecord], known: Mapping[str, Row]
) -> PredictionRecord | ValueError:
    """Returns what is in the file under an id; the error, for its caller alone, when it cannot be read."""
    if prediction_id in fresh:
        return fresh[prediction_id]
    try:
        return known[prediction_id].record()
    except ValueError as error:
        return error


def _error_of(refusal: str) -> SpoolFullError:
    return SpoolFullError("is full" if refusal == _NEARLY_FULL else _CANNOT_BE_WRITTEN)


def _answer(answers: Sequence[_Answer]) -> None:
    """Answers the callers of one group (on the event loop)."""
    for future, answer in answers:
        if future.done():  # its caller has gone
            continue
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(answer)
