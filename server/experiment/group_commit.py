"""Shares one transaction, and one wait for the disk, among all who wait at the same time."""

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import structlog

from server.errors import OutcomeConflictError, SpoolFullError, StorageUnavailableError
from server.experiment.spool_file import SpoolFile
from server.experiment.spool_folder import free_bytes

T = TypeVar("T")
Row = tuple[str, str]

# Where a disk answers faster than calls come in, groups stay small, and each costs the event loop the
# interpreter and a wake-up. So much later the next one is larger; a caller alone never waits for company.
_PAUSE_S = 0.004
_COMPACT_INTERVAL_S = 1.0

_log = structlog.get_logger("server.experiment.spool")


class GroupCommitter:
    """A thread that writes one spool file. Its methods belong to one event loop.

    Rows and operations that are submitted while a transaction is being committed make up the next one, and
    each caller is answered after the commit that it was part of.
    """

    def __init__(
        self, file: SpoolFile, *, min_free_bytes: int, inserted: Callable[[int], None] = lambda n: None
    ) -> None:
        """Starts the thread.

        Args:
            file: What to write; closed at the end.
            min_free_bytes: What has to stay free on the disk: below it, nothing that grows the file is taken.
            inserted: Told on the event loop after each commit how many rows it has put on disk.
        """
        self._file = file
        self._min_free_bytes = min_free_bytes
        self._inserted = inserted
        self._loop = asyncio.get_running_loop()
        self._rows: list[tuple[Row, asyncio.Future[None]]] = []
        self._operations: list[tuple[Callable[[SpoolFile], Any], bool, asyncio.Future[Any]]] = []
        self._wake = threading.Condition()
        self._closing = False
        self._refusing = False
        self._compact_next = 0.0
        self._thread = threading.Thread(target=self._run, name=f"spool-{file.path.stem}", daemon=True)
        self._thread.start()

    @property
    def waiting_rows(self) -> int:
        """Returns how many rows are not committed yet."""
        return len(self._rows)

    def insert(self, row: Row) -> "asyncio.Future[None]":
        """Queues a prediction for the next transaction; the future is done once it is on disk."""
        future: asyncio.Future[None] = self._loop.create_future()
        with self._wake:
            self._check_open()
            self._rows.append((row, future))
            self._wake.notify()
        return future

    def submit(self, operation: Callable[[SpoolFile], T], *, grows: bool = False) -> "asyncio.Future[T]":
        """Queues an operation for the next transaction, after its rows.

        Args:
            operation: What to do with the file.
            grows: Whether it is refused when the disk is nearly full.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        with self._wake:
            self._check_open()
            self._operations.append((operation, grows, future))
            self._wake.notify()
        return future

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
                self._wake.wait_for(lambda: self._rows or self._operations or self._closing)
                rows, self._rows = self._rows, []
                operations, self._operations = self._operations, []
            if not rows and not operations:
                return
            full = self._is_full()
            self._tell(full)
            results = self._commit([] if full else [row for row, _ in rows], operations, full=full)
            futures = [*(future for _, future in rows), *(future for _, _, future in operations)]
            refused: list[Any] = [SpoolFullError() for _ in rows] if full else []
            self._loop.call_soon_threadsafe(self._answer, futures, refused + results, len(rows))
            if len(futures) > 1 and not self._closing:
                time.sleep(_PAUSE_S)

    def _commit(
        self,
        rows: Sequence[Row],
        operations: Sequence[tuple[Callable[[SpoolFile], Any], bool, Any]],
        *,
        full: bool,
    ) -> list[Any]:
        """Writes a group in one transaction; returns each one's result, or the error it is to raise."""
        connection = self._file.connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            if rows:
                self._file.insert(rows)
            results = [
                SpoolFullError() if full and grows else _attempt(operation, self._file)
                for operation, grows, _ in operations
            ]
            connection.execute("COMMIT")
        except Exception as error:
            # Nothing of the group is on disk: nobody in it may be told otherwise.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):  # the disk is full, or fails
                _log.error("spool_not_written", reason=str(error))
                return [SpoolFullError() for _ in (*rows, *operations)]
            return [error for _ in (*rows, *operations)]
        return [None] * len(rows) + results

    def _answer(self, futures: Sequence["asyncio.Future[Any]"], results: Sequence[Any], n_rows: int) -> None:
        """Answers the callers of one group (on the event loop)."""
        if n_rows and results[0] is None:  # a group's rows are all on disk, or none
            self._inserted(n_rows)
        for future, result in zip(futures, results, strict=True):
            if future.done():  # its caller has gone
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)

    def _is_full(self) -> bool:
        """Says whether the disk has too little room left, what the file can use again included."""
        if free_bytes(self._file.path) >= self._min_free_bytes:
            return False
        now = time.monotonic()
        if now >= self._compact_next:
            self._compact_next = now + _COMPACT_INTERVAL_S
            with contextlib.suppress(sqlite3.OperationalError):  # no room even for that: it counts as full
                self._file.compact()
        return free_bytes(self._file.path) + self._file.spare_bytes() < self._min_free_bytes

    def _tell(self, full: bool) -> None:
        """Logs when the disk becomes too full, and when it has room again."""
        if full != self._refusing:
            self._refusing = full
            event = "disk_nearly_full" if full else "disk_has_room"
            (_log.error if full else _log.info)(event, spool=str(self._file.path))


def _attempt(operation: Callable[[SpoolFile], Any], file: SpoolFile) -> Any:
    """Runs an operation; a refusal belongs to its caller alone, any other error to the whole group."""
    try:
        return operation(file)
    except OutcomeConflictError as refusal:
        return refusal
