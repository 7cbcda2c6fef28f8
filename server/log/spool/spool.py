"""The local durable log of predictions that MongoDB does not have yet.

Each worker has one file in the spool folder. Callers that wait at the same time share one transaction and one
wait for the disk, and each is answered after it: what was answered survives a kill -9 and a power cut. A row
leaves only once MongoDB has confirmed it, so that a crash at any moment repeats work and never loses any.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import structlog

from server.errors import SpoolFullError, StartError, StorageUnavailableError
from server.log.record import Outcome, PredictionRecord
from server.log.spool.adoption import adopt, count_moves
from server.log.spool.committer import Committer, SpoolReplacedError
from server.log.spool.file import SpoolFile
from server.log.spool.folder import files_in

T = TypeVar("T")

_log = structlog.get_logger("server.log.spool.spool")

DEFAULT_MIN_FREE_BYTES = 64 << 20
_OWNER_ENDS_WITHIN_S = 10.0


class Spool:
    """Keeps predictions until MongoDB has them. Its methods belong to one event loop."""

    def __init__(self, path: Path, *, max_records: int, min_free_bytes: int = DEFAULT_MIN_FREE_BYTES) -> None:
        """Opens the file, or creates it, adopts what ended workers left, and starts to write.

        Args:
            path: The SQLite file; others in its folder belong to other workers.
            max_records: How many predictions may wait at most.
            min_free_bytes: What has to stay free on the disk. Delivery needs room too: a disk that the spool
                fills to the last byte could never be emptied again.

        Raises:
            StartError: When the file cannot be opened, or another process has it.
        """
        self._path = path
        self._min_free_bytes = min_free_bytes
        self._max_records = max_records
        file = SpoolFile(path, own=True, within_s=_OWNER_ENDS_WITHIN_S)
        try:
            adopt(file)
            file.count()
        except BaseException:
            file.close()
            raise
        self._committer = Committer(file, min_free_bytes=min_free_bytes)
        self._siblings: dict[Path, Committer] = {}
        self._unreadable: set[Path] = set()

    @property
    def depth(self) -> int:
        """Returns how many predictions wait for MongoDB."""
        return self._committer.file.waiting

    @property
    def held_outcomes(self) -> int:
        """Returns how many outcomes wait for MongoDB to know their prediction."""
        return self._committer.file.held

    async def append(self, record: PredictionRecord) -> None:
        """Returns once the record is on disk.

        Raises:
            SpoolFullError: When too many records wait, or the disk is full.
        """
        if self.depth + self._committer.unanswered >= self._max_records:
            raise SpoolFullError
        await self._committer.insert(record)

    async def add_outcome(self, prediction_id: str, outcome: Outcome) -> bool:
        """Joins an outcome to a prediction in this file, or in another worker's, durably.

        Returns:
            False when the prediction is in none (any more): then it is in MongoDB, or nowhere on this
            machine.

        Raises:
            OutcomeConflictError: When another outcome was recorded first.
            SpoolFullError: When the disk is full.
        """
        if await self._committer.submit(lambda file: file.join(prediction_id, outcome), grows=True):
            return True
        folder, seen = self._path.parent, -1
        while seen != (seen := count_moves(folder)):  # else it may have moved to a file where it was not yet
            # A file that was deleted counts as well: its owner is about to write it anew.
            for path in sorted({*files_in(folder), *self._siblings} - {self._path}):
                if await self._join_elsewhere(path, prediction_id, outcome):
                    return True
        return False

    async def hold_outcome(self, prediction_id: str, outcome: Outcome) -> None:
        """Keeps an outcome, durably, until MongoDB knows its prediction.

        Raises:
            OutcomeConflictError: When another outcome is kept already.
            SpoolFullError: When the disk is full, or as many outcomes are held as predictions may be.
        """
        if self.held_outcomes >= self._max_records:
            raise SpoolFullError
        await self._committer.submit(lambda file: file.hold(prediction_id, outcome), grows=True)

    async def run(self, operation: Callable[[SpoolFile], T]) -> T:
        """Returns an operation's result once it is on disk; what delivery does with the file."""
        return await self._committer.submit(operation)

    async def close(self) -> None:
        """Finishes what waits and closes the files."""
        for committer in (self._committer, *self._siblings.values()):
            await committer.close()

    async def _join_elsewhere(self, path: Path, prediction_id: str, outcome: Outcome) -> bool:
        """Joins an outcome in another worker's file; SQLite's locks keep its owner and us apart."""
        while (committer := await self._sibling(path)) is not None:
            try:
                # Only who has something to write takes the file's one write lock from its owner.
                if not await asyncio.to_thread(committer.file.has, prediction_id):
                    return False
                return await committer.submit(lambda file: file.join(prediction_id, outcome), grows=True)
            except SpoolReplacedError:
                continue
            except (StorageUnavailableError, sqlite3.ProgrammingError):
                if self._siblings.get(path) is committer:  # else another call has closed it meanwhile
                    raise
        return False

    async def _sibling(self, path: Path) -> Committer | None:
        """Returns what writes another worker's file, as it is now; None for one that cannot be read."""
        committer = self._siblings.get(path)
        if committer is not None and committer.file.is_replaced():
            del self._siblings[path]
            await committer.close()
            committer = self._siblings.get(path)  # another call may have opened it meanwhile
        if committer is None and path not in self._unreadable:
            try:
                file = SpoolFile(path, create=False)
            except StartError as error:
                if path in files_in(path.parent):  # else it was deleted this moment
                    self._unreadable.add(path)
                    _log.error("spool_not_readable", reason=str(error))
                return None
            committer = self._siblings[path] = Committer(file, min_free_bytes=self._min_free_bytes)
        return committer
