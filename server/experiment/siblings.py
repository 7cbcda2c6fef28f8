"""The spools of several workers, which share one folder: each writes its own, and reads the others' last.

A worker may be told the outcome of a prediction that another one logged. SQLite lets it join the two in the
other's file; that worker's delivery notices, since it removes a row only in the state in which it was read.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import structlog

from server.errors import OutcomeConflictError, StartError, StorageUnavailableError
from server.experiment.log import OutcomeStore
from server.experiment.records import Outcome

_BUSY_TIMEOUT_S = 5.0

_log = structlog.get_logger("server.experiment.siblings")


class SiblingSpools:
    """Finds the prediction of an outcome in the other workers' spools, and in MongoDB after that."""

    def __init__(self, paths: Sequence[Path], store: OutcomeStore) -> None:
        """Takes the other workers' files, and the store behind them."""
        self._paths = tuple(paths)
        self._store = store

    async def add_outcome(self, prediction_id: str, outcome: Outcome) -> None:
        """Joins an outcome to a prediction that this worker's spool lacks; the first one wins.

        In this order it finds every prediction that was ever answered: one leaves a spool only after MongoDB
        has it.

        Raises:
            UnknownPredictionError: When no such prediction was logged.
            OutcomeConflictError: When another outcome was recorded first.
            StorageUnavailableError: When no spool has it and MongoDB does not answer, or a spool is stuck.
        """
        for path in self._paths:
            if await asyncio.to_thread(_join, path, prediction_id, outcome):
                return
        await self._store.add_outcome(prediction_id, outcome)


def spool_path(first: Path, worker: int) -> Path:
    """Returns the file of a worker's spool: the first's is the one of a server without workers."""
    return first if worker == 0 else first.with_stem(f"{first.stem}-{worker}")


def all_spool_paths(first: Path) -> list[Path]:
    """Returns every worker's spool there is, also of workers that are no more; the first's comes first."""
    others = first.parent.glob(f"{first.stem}-*{first.suffix}")
    return [first, *sorted(path for path in others if path.stem.rpartition("-")[2].isdigit())]


def adopt_leftovers(first: Path, workers: int) -> None:
    """Moves what workers left behind that are not there any more into the first worker's spool.

    Args:
        first: The first worker's file.
        workers: How many workers there are now.

    Raises:
        StartError: When a file cannot be read or written.
    """
    kept = {spool_path(first, worker) for worker in range(workers)}
    for path in all_spool_paths(first):
        if path not in kept:
            try:
                moved = _adopt(first, path)
            except (sqlite3.Error, OSError) as error:
                raise StartError(f"cannot take over the spool {path}: {error}") from error
            _log.info("spool_adopted", path=str(path), waiting=moved)


def _adopt(first: Path, leftover: Path) -> int:
    """Copies a file's rows, then deletes it; a crash in between repeats what does no harm twice."""
    from server.experiment.spool import open_spool

    connection = open_spool(first)
    try:
        open_spool(leftover).close()  # its tables are there, and its journal is folded in
        connection.execute("ATTACH DATABASE ? AS leftover", (str(leftover),))
        connection.execute("BEGIN IMMEDIATE")
        moved = connection.execute(
            "INSERT OR IGNORE INTO predictions SELECT * FROM leftover.predictions"
        ).rowcount
        connection.execute("INSERT OR IGNORE INTO dead_letters SELECT * FROM leftover.dead_letters")
        connection.execute("COMMIT")
        connection.execute("DETACH DATABASE leftover")
    finally:
        connection.close()
    for suffix in ("", "-wal", "-shm"):
        leftover.with_name(leftover.name + suffix).unlink(missing_ok=True)
    return moved


def _join(path: Path, prediction_id: str, outcome: Outcome) -> bool:
    """Joins an outcome in another worker's file; False when the prediction is not there."""
    if not path.exists():
        return False
    try:
        connection = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_TIMEOUT_S)
        try:
            connection.execute("PRAGMA synchronous = FULL")
            query = "SELECT outcome FROM predictions WHERE prediction_id = ?"
            if connection.execute(query, (prediction_id,)).fetchone() is None:
                return False
            change = "UPDATE predictions SET outcome = ? WHERE prediction_id = ? AND outcome IS NULL"
            if connection.execute(change, (outcome.to_json(), prediction_id)).rowcount:
                return True
            row = connection.execute(query, (prediction_id,)).fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StorageUnavailableError(str(error)) from error
    if row is None:  # delivered in this moment
        return False
    if not outcome.agrees_with(Outcome.from_json(row[0])):
        raise OutcomeConflictError(prediction_id)
    return True
