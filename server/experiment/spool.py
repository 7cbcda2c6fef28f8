"""The local durable log of predictions that MongoDB does not have yet.

One SQLite file in WAL mode, written by one thread. Callers that wait at the same time share one transaction
and one fsync, and each is answered after it: what was answered survives a kill -9 and a power cut. A row
leaves only once MongoDB has confirmed it, so that a crash at any moment repeats work and never loses any.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from server.errors import OutcomeConflictError, SpoolFullError, StartError, StorageUnavailableError
from server.experiment.records import Outcome, PredictionRecord

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS predictions (
    prediction_id TEXT PRIMARY KEY, body TEXT NOT NULL, outcome TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead_letters (
    prediction_id TEXT PRIMARY KEY, body TEXT NOT NULL, outcome TEXT, reason TEXT NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class SpooledRow:
    """A prediction as the spool keeps it, still in JSON.

    Attributes:
        prediction_id: Names the prediction.
        body: `PredictionRecord.to_json`.
        outcome: `Outcome.to_json`, or None while it is unknown.
    """

    prediction_id: str
    body: str
    outcome: str | None


class Spool:
    """Keeps predictions until MongoDB has them. Its methods belong to one event loop.

    Attributes:
        filled: Set when there may be something to move to MongoDB.
    """

    def __init__(self, path: Path, *, max_records: int) -> None:
        """Opens the file, or creates it, and starts the thread that writes it.

        Args:
            path: The SQLite file.
            max_records: How many predictions may wait at most.

        Raises:
            StartError: When the file cannot be opened.
        """
        try:
            self._connection = _open(path)
            count = self._connection.execute("SELECT count(*) FROM predictions").fetchone()
        except sqlite3.Error as error:
            raise StartError(f"cannot open the spool {path}: {error}") from error
        self._stored: int = count[0]
        self.filled = asyncio.Event()
        if self._stored:
            self.filled.set()
        self._max_records = max_records
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[Callable[[], Any], asyncio.Future[Any]]] = []
        self._wake = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    @property
    def depth(self) -> int:
        """Returns how many predictions wait for MongoDB."""
        return self._stored

    async def append(self, record: PredictionRecord) -> None:
        """Returns once the record is on disk.

        Raises:
            SpoolFullError: When too many records wait, or the disk is full.
        """
        if self._stored + len(self._waiting) >= self._max_records:
            raise SpoolFullError
        row = (record.prediction_id, record.to_json())
        await self._submit(lambda: self._insert(row))

    async def add_outcome(self, prediction_id: str, outcome: Outcome) -> bool:
        """Joins an outcome to a prediction that is still here, durably.

        Returns:
            False when the prediction is not here (any more): then it is in MongoDB, or nowhere.

        Raises:
            OutcomeConflictError: When another outcome was recorded first.
            SpoolFullError: When the disk is full.
        """
        return await self._submit(lambda: self._update(prediction_id, outcome))

    async def read(self, limit: int) -> list[SpooledRow]:
        """Returns the oldest predictions, at most `limit`; without any, `filled` is clear then."""
        self.filled.clear()
        return await self._submit(lambda: self._select(limit))

    async def remove(self, rows: Sequence[SpooledRow]) -> None:
        """Forgets rows that MongoDB has; one that got an outcome since it was read stays."""
        await self._submit(lambda: self._delete(rows))

    async def bury(self, row: SpooledRow, reason: str) -> None:
        """Moves a row that can never be stored to the dead letters, with the reason."""
        await self._submit(lambda: self._move_to_dead_letters(row, reason))

    async def close(self) -> None:
        """Finishes what waits and closes the file."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        await asyncio.to_thread(self._thread.join)
        self._connection.close()

    def _submit(self, operation: Callable[[], T]) -> "asyncio.Future[T]":
        """Queues an operation for the next transaction."""
        future: asyncio.Future[T] = self._loop.create_future()
        with self._wake:
            if self._closing:
                raise StorageUnavailableError("the spool is closed")
            self._waiting.append((operation, future))
            self._wake.notify()
        return future

    def _run(self) -> None:
        """Commits what waits, group by group, until closed (the thread's body)."""
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting or self._closing)
                group, self._waiting = self._waiting, []
            if not group:
                return
            results = self._commit([operation for operation, _ in group])
            futures = [future for _, future in group]
            self._loop.call_soon_threadsafe(self._answer, futures, results)

    def _commit(self, operations: Sequence[Callable[[], Any]]) -> list[Any]:
        """Runs operations in one transaction; returns each one's result, or the error it is to raise."""
        stored_before = self._stored
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            results = [_attempt(operation) for operation in operations]
            self._connection.execute("COMMIT")
        except Exception as error:
            # Nothing of the group is on disk: nobody in it may be told otherwise.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._stored = stored_before
            full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
            return [SpoolFullError() if full else error for _ in operations]
        return results

    def _answer(self, futures: Sequence["asyncio.Future[Any]"], results: Sequence[Any]) -> None:
        """Answers the callers of one group (on the event loop)."""
        if self._stored:
            self.filled.set()
        for future, result in zip(futures, results, strict=True):
            if future.done():  # its caller has gone
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)

    def _insert(self, row: tuple[str, str]) -> None:
        self._connection.execute("INSERT INTO predictions (prediction_id, body) VALUES (?, ?)", row)
        self._stored += 1

    def _update(self, prediction_id: str, outcome: Outcome) -> bool:
        query = "SELECT outcome FROM predictions WHERE prediction_id = ?"
        row = self._connection.execute(query, (prediction_id,)).fetchone()
        if row is None:
            return False
        if row[0] is None:
            change = "UPDATE predictions SET outcome = ? WHERE prediction_id = ?"
            self._connection.execute(change, (outcome.to_json(), prediction_id))
        elif not outcome.agrees_with(Outcome.from_json(row[0])):
            raise OutcomeConflictError(prediction_id)
        return True

    def _select(self, limit: int) -> list[SpooledRow]:
        query = "SELECT prediction_id, body, outcome FROM predictions ORDER BY prediction_id LIMIT ?"
        return [SpooledRow(*row) for row in self._connection.execute(query, (limit,))]

    def _delete(self, rows: Sequence[SpooledRow]) -> None:
        change = "DELETE FROM predictions WHERE prediction_id = ? AND outcome IS ?"
        keys = [(row.prediction_id, row.outcome) for row in rows]
        self._stored -= self._connection.executemany(change, keys).rowcount

    def _move_to_dead_letters(self, row: SpooledRow, reason: str) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO dead_letters SELECT prediction_id, body, outcome, ? FROM predictions"
            " WHERE prediction_id = ?",
            (reason, row.prediction_id),
        )
        change = "DELETE FROM predictions WHERE prediction_id = ?"
        self._stored -= self._connection.execute(change, (row.prediction_id,)).rowcount


def count_spooled(path: Path) -> tuple[int, int]:
    """Counts what a spool file holds, without disturbing the server that may be writing it.

    Args:
        path: The SQLite file; it need not exist.

    Returns:
        How many predictions wait for MongoDB, and how many are dead letters.

    Raises:
        StartError: When the file cannot be read.
    """
    if not path.exists():
        return 0, 0
    query = "SELECT (SELECT count(*) FROM predictions), (SELECT count(*) FROM dead_letters)"
    try:
        with closing(_open(path)) as connection:
            waiting, dead = connection.execute(query).fetchone()
    except sqlite3.Error as error:
        raise StartError(f"cannot read the spool {path}: {error}") from error
    return int(waiting), int(dead)


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL makes each commit in WAL mode wait for the disk; NORMAL would lose answered records to a
        # power cut.
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(_SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _attempt(operation: Callable[[], Any]) -> Any:
    """Runs an operation; a refusal belongs to its caller alone, any other error to the whole group."""
    try:
        return operation()
    except OutcomeConflictError as refusal:
        return refusal
