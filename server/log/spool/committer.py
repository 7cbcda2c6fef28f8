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

from server.errors import OutcomeConflictError, SpoolFullError, StorageUnavailableError
from server.log.spool.file import SpoolFile
from server.log.spool.folder import free_bytes

T = TypeVar("T")
Row = tuple[str, str]

# Where a disk answers faster than calls come in, groups stay small, and each costs the event loop the
# interpreter and a wake-up. So much later the next one is larger; a caller alone never waits for company.
_PAUSE_S = 0.004
_COMPACT_INTERVAL_S = 1.0

_log = structlog.get_logger("server.log.spool.spool")


@dataclass(frozen=True, slots=True)
class _Operation:
    """What somebody asked for; see `GroupCommitter.submit`."""

    run: Callable[[SpoolFile], Any]
    grows: bool
    done: Callable[[Any], None]
    future: "asyncio.Future[Any]"


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
        self._operations: list[_Operation] = []
        self._unanswered_rows = 0
        self._wake = threading.Condition()
        self._closing = False
        self._refusing: str | None = None
        self._compact_next = 0.0
        self._thread = threading.Thread(target=self._run, name=f"spool-{file.path.stem}", daemon=True)
        self._thread.start()

    @property
    def unanswered_rows(self) -> int:
        """Returns how many rows `inserted` has not been told of, those that are being committed included."""
        return self._unanswered_rows

    def insert(self, row: Row) -> "asyncio.Future[None]":
        """Queues a prediction for the next transaction; the future is done once it is on disk."""
        future: asyncio.Future[None] = self._loop.create_future()
        with self._wake:
            self._check_open()
            self._rows.append((row, future))
            self._unanswered_rows += 1
            self._wake.notify()
        return future

    def submit(
        self,
        operation: Callable[[SpoolFile], T],
        *,
        grows: bool = False,
        done: Callable[[T], None] = lambda result: None,
    ) -> "asyncio.Future[T]":
        """Queues an operation for the next transaction, after its rows.

        Args:
            operation: What to do with the file.
            grows: Whether it is refused when the disk is nearly full.
            done: Told the result on the event loop once it is on disk, even if the caller has gone.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        with self._wake:
            self._check_open()
            self._operations.append(_Operation(operation, grows, done, future))
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
            refusal = self._refusal()
            self._tell(refusal)
            results = self._commit([row for row, _ in rows], operations, growing=refusal is None)
            self._loop.call_soon_threadsafe(self._answer, rows, operations, results)
            if len(rows) > 1 and not self._closing:
                time.sleep(_PAUSE_S)

    def _commit(self, rows: Sequence[Row], operations: Sequence[_Operation], *, growing: bool) -> list[Any]:
        """Writes a group in one transaction; returns each one's result, or the error it is to raise."""
        connection = self._file.connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            if rows and growing:
                self._file.insert(rows)
            results = [
                _attempt(each.run, self._file) if growing or not each.grows else SpoolFullError()
                for each in operations
            ]
            connection.execute("COMMIT")
        except Exception as error:
            # Nothing of the group is on disk: nobody in it may be told otherwise.
            with contextlib.suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):  # the disk is full, or fails
                _log.error("spool_not_written", reason=str(error))
                return [SpoolFullError() for _ in (*rows, *operations)]
            return [error for _ in (*rows, *operations)]
        return [None if growing else SpoolFullError() for _ in rows] + results

    def _answer(
        self,
        rows: Sequence[tuple[Row, "asyncio.Future[None]"]],
        operations: Sequence[_Operation],
        results: Sequence[Any],
    ) -> None:
        """Counts what is on disk, and answers the callers of one group (on the event loop)."""
        self._unanswered_rows -= len(rows)
        if rows and results[0] is None:  # a group's rows are all on disk, or none
            self._inserted(len(rows))
        for each, result in zip(operations, results[len(rows) :], strict=True):
            if not isinstance(result, BaseException):
                each.done(result)
        futures = [*(future for _, future in rows), *(each.future for each in operations)]
        for future, result in zip(futures, results, strict=True):
            if future.done():  # its caller has gone
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)

    def _refusal(self) -> str | None:
        """Says why nothing may be added now, or None. Whatever happens here, the thread goes on."""
        try:
            self._file.check_place()
            return "the disk is nearly full" if self._is_full() else None
        except (OSError, sqlite3.Error) as error:
            return str(error)

    def _is_full(self) -> bool:
        """Says whether the disk has too little room left, what the file can use again included."""
        if self._room() >= self._min_free_bytes:
            return False
        now = time.monotonic()
        if now >= self._compact_next:
            self._compact_next = now + _COMPACT_INTERVAL_S
            with contextlib.suppress(sqlite3.OperationalError):  # no room even for that: it counts as full
                self._file.compact()
        return self._room() + self._file.spare_bytes() < self._min_free_bytes

    def _room(self) -> int:
        """Returns how much is free on the disk once the write-ahead log has been copied into the file."""
        return free_bytes(self._file.path) - self._file.log_bytes()

    def _tell(self, refusal: str | None) -> None:
        """Logs when the spool begins to refuse, and when it takes records again."""
        if refusal == self._refusing:
            return
        self._refusing = refusal
        if refusal is None:
            _log.info("spool_accepts", spool=str(self._file.path))
        else:
            _log.error("spool_refuses", spool=str(self._file.path), reason=refusal)


def _attempt(operation: Callable[[SpoolFile], Any], file: SpoolFile) -> Any:
    """Runs an operation; a refusal belongs to its caller alone, any other error to the whole group."""
    try:
        return operation(file)
    except OutcomeConflictError as refusal:
        return refusal
