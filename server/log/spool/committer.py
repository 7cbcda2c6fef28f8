"""Shares one transaction, and one wait for the disk, among all who wait at the same time."""

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from server.errors import OutcomeConflictError, SpoolFullError, StartError, StorageUnavailableError
from server.log.record import PredictionRecord
from server.log.spool.file import SpoolFile
from server.log.spool.folder import free_bytes

T = TypeVar("T")

# Where a disk answers faster than calls come in, groups stay small, and each costs the event loop the
# interpreter and a wake-up. So much later the next one is larger; a caller alone never waits for company.
_PAUSE_S = 0.004
_COMPACT_INTERVAL_S = 1.0
_NEARLY_FULL = "the disk is nearly full"
_CANNOT_BE_WRITTEN = "cannot be written: see the server's log"

_log = structlog.get_logger("server.log.spool.committer")


class SpoolReplacedError(Exception):
    """Another worker's file was replaced while it was written: what was committed may be gone with it."""


@dataclass(frozen=True, slots=True)
class _Operation:
    """What a caller asked for; see `Committer.submit`."""

    run: Callable[[SpoolFile], Any]
    grows: bool
    future: "asyncio.Future[Any]"


class Committer:
    """A thread that writes one spool file. Its methods belong to one event loop.

    Records and operations that are submitted while a transaction is being committed make up the next one, and
    each caller is answered after the commit that it was part of.

    Attributes:
        file: What it writes; closed at the end.
        unanswered: How many records are on the way into the file.
    """

    def __init__(self, file: SpoolFile, *, min_free_bytes: int) -> None:
        """Starts the thread; with fewer than `min_free_bytes` on the disk, it takes nothing that grows."""
        self.file = file
        self.unanswered = 0
        self._min_free_bytes = min_free_bytes
        self._loop = asyncio.get_running_loop()
        self._records: list[tuple[PredictionRecord, asyncio.Future[None]]] = []
        self._operations: list[_Operation] = []
        self._wake = threading.Condition()
        self._closing = False
        self._refusing: str | None = None
        self._compact_next = 0.0
        self._thread = threading.Thread(target=self._run, name=f"spool-{file.path.stem}", daemon=True)
        self._thread.start()

    def insert(self, record: PredictionRecord) -> "asyncio.Future[None]":
        """Queues a prediction for the next transaction; the future is done once it is on disk."""
        future: asyncio.Future[None] = self._loop.create_future()
        with self._wake:
            self._check_open()
            self._records.append((record, future))
            self.unanswered += 1
            self._wake.notify()
        return future

    def submit(self, operation: Callable[[SpoolFile], T], *, grows: bool = False) -> "asyncio.Future[T]":
        """Queues an operation for the next transaction, after its records.

        One that `grows` the file is refused when the disk is nearly full. On another worker's file, the
        future may raise `SpoolReplacedError`: the operation is then to be repeated on what is there now.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        with self._wake:
            self._check_open()
            self._operations.append(_Operation(operation, grows, future))
            self._wake.notify()
        return future

    async def close(self) -> None:
        """Finishes what waits and closes the file."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        await asyncio.to_thread(self._thread.join)
        self.file.close()

    def _check_open(self) -> None:
        if self._closing:
            raise StorageUnavailableError("the spool is closed")

    def _run(self) -> None:
        """Commits what waits, group by group, until closed (the thread's body)."""
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._records or self._operations or self._closing)
                records, self._records = self._records, []
                operations, self._operations = self._operations, []
            if not records and not operations:
                return
            refusal = self._refusal()
            self._log_refusal(refusal)
            results = self._commit([record for record, _ in records], operations, growing=refusal is None)
            with self._wake:  # after the commit, so that a record is never in neither count
                self.unanswered -= len(records)
            futures = [*(future for _, future in records), *(each.future for each in operations)]
            self._loop.call_soon_threadsafe(_answer, futures, results)
            if len(records) > 1 and not self._closing:
                time.sleep(_PAUSE_S)

    def _commit(
        self, records: Sequence[PredictionRecord], operations: Sequence[_Operation], *, growing: bool
    ) -> list[Any]:
        """Writes a group in one transaction; returns each one's result, or the error it is to raise."""
        refused = SpoolFullError("is full" if self._refusing == _NEARLY_FULL else _CANNOT_BE_WRITTEN)
        try:
            with self.file.transaction():
                if growing:
                    self.file.insert(records)
                results = [
                    _attempt(each.run, self.file) if growing or not each.grows else refused
                    for each in operations
                ]
            # Its owner, which copies what it can see before it puts the copy here, may have copied before.
            if growing and not self.file.is_own and not self.file.is_in_place():
                raise SpoolReplacedError
        except Exception as error:
            # Nothing of the group is on disk: nobody in it may be told otherwise.
            if isinstance(error, sqlite3.OperationalError):  # the disk is full, or fails
                _log.error("spool_not_written", reason=str(error))
                error = SpoolFullError(_CANNOT_BE_WRITTEN)
            return [error for _ in (*records, *operations)]
        return [None if growing else refused for _ in records] + results

    def _refusal(self) -> str | None:
        """Returns why nothing may be added now, or None. Whatever happens here, the thread goes on."""
        try:
            if not self.file.is_in_place():
                self.file.restore()
                _log.error("spool_restored", spool=str(self.file.path), reason="its file was deleted")
            return _NEARLY_FULL if self._is_full() else None
        except (OSError, sqlite3.Error, StartError) as error:
            return str(error)

    def _is_full(self) -> bool:
        """Returns whether the disk has too little room left, what the file can use again included."""
        if self._room() >= self._min_free_bytes:
            return False
        now = time.monotonic()
        if now >= self._compact_next:
            self._compact_next = now + _COMPACT_INTERVAL_S
            with contextlib.suppress(sqlite3.OperationalError):  # no room even for that: it counts as full
                self.file.compact()
        return self._room() + self.file.spare_bytes() < self._min_free_bytes

    def _room(self) -> int:
        """Returns how much is free on the disk once the write-ahead log has been copied into the file."""
        return free_bytes(self.file.path) - self.file.log_bytes()

    def _log_refusal(self, refusal: str | None) -> None:
        """Logs when the spool begins to refuse, and when it takes records again."""
        if refusal == self._refusing:
            return
        self._refusing = refusal
        if refusal is None:
            _log.info("spool_accepts", spool=str(self.file.path))
        else:
            _log.error("spool_refuses", spool=str(self.file.path), reason=refusal)


def _attempt(operation: Callable[[SpoolFile], Any], file: SpoolFile) -> Any:
    """Runs an operation; a refusal belongs to its caller alone, any other error to the whole group."""
    try:
        return operation(file)
    except OutcomeConflictError as refusal:
        return refusal


def _answer(futures: Sequence["asyncio.Future[Any]"], results: Sequence[Any]) -> None:
    """Answers the callers of one group (on the event loop)."""
    for future, result in zip(futures, results, strict=True):
        if future.done():  # its caller has gone
            continue
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)
