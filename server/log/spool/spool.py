"""The local durable log of predictions that MongoDB does not have yet.

Each worker has one file in the spool folder. Callers that wait at the same time share one transaction and one
wait for the disk, and each is answered after it: what was answered survives a kill -9 and a power cut. A row
leaves only once MongoDB has confirmed it, so that a crash at any moment repeats work and never loses any.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import structlog

from server.errors import SpoolFullError, StartError
from server.log.record import Outcome, PredictionRecord
from server.log.spool.adoption import adopt, moves
from server.log.spool.committer import GroupCommitter
from server.log.spool.file import SpoolFile
from server.log.spool.folder import claim, files_in
from server.log.spool.rows import HeldOutcome, SpooledRow

_log = structlog.get_logger("server.log.spool.spool")

DEFAULT_MIN_FREE_BYTES = 64 << 20


class Spool:
    """Keeps predictions until MongoDB has them. Its methods belong to one event loop.

    Attributes:
        filled: Set when there may be something to move to MongoDB.
    """

    def __init__(self, path: Path, *, max_records: int, min_free_bytes: int = DEFAULT_MIN_FREE_BYTES) -> None:
        """Opens the file, or creates it, takes over what ended workers left, and starts to write.

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
        self._lock = claim(path)
        try:
            file = SpoolFile(path)
            adopt(file)
        except BaseException:
            self._lock.close()
            raise
        counts = file.counts()
        self._stored, self._held = counts.waiting, counts.held_outcomes
        self.filled = asyncio.Event()
        self._committer = GroupCommitter(file, min_free_bytes=min_free_bytes, inserted=self._count_rows)
        self._siblings: dict[Path, tuple[SpoolFile, GroupCommitter]] = {}
        self._unreadable: set[Path] = set()
        self._signal()

    @property
    def depth(self) -> int:
        """Returns how many predictions wait for MongoDB."""
        return self._stored

    @property
    def held_outcomes(self) -> int:
        """Returns how many outcomes wait for MongoDB to say whose they are."""
        return self._held

    async def append(self, record: PredictionRecord) -> None:
        """Returns once the record is on disk.

        Raises:
            SpoolFullError: When too many records wait, or the disk is full.
        """
        if self._stored + self._committer.unanswered_rows >= self._max_records:
            raise SpoolFullError
        await self._committer.insert((record.prediction_id, record.to_json()))

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
        while seen != (seen := moves(folder)):  # else it may have moved to a file where it was not yet
            for path in files_in(folder):
                if path != self._path and await self._join_elsewhere(path, prediction_id, outcome):
                    return True
        return False

    async def hold_outcome(self, prediction_id: str, outcome: Outcome) -> None:
        """Keeps an outcome, durably, until MongoDB can tell whose it is.

        Raises:
            OutcomeConflictError: When another outcome is kept already.
            SpoolFullError: When the disk is full, or as many outcomes are held as predictions may be.
        """
        if self._held >= self._max_records:
            raise SpoolFullError
        await self._committer.submit(
            lambda file: file.hold(prediction_id, outcome), grows=True, done=self._count_held
        )

    async def read(self, limit: int) -> list[SpooledRow]:
        """Returns the oldest predictions, at most `limit`; without any, `filled` is clear then."""
        self.filled.clear()
        rows = await self._committer.submit(lambda file: file.oldest(limit))
        if rows:  # they may come to nothing
            self.filled.set()
        return rows

    async def read_outcomes(self, limit: int) -> list[HeldOutcome]:
        """Returns held outcomes whose prediction may be looked for now, at most `limit`."""
        if not self._held:
            return []
        held = await self._committer.submit(lambda file: file.due_outcomes(limit))
        if held:
            self.filled.set()
        return held

    async def remove(self, rows: Sequence[SpooledRow]) -> None:
        """Forgets rows that MongoDB has; one that got an outcome since it was read stays."""
        await self._committer.submit(lambda file: file.remove(rows), done=self._forget_rows)
        self._signal()

    async def remove_outcomes(self, held: Sequence[HeldOutcome]) -> None:
        """Forgets outcomes that MongoDB has."""
        await self._committer.submit(lambda file: file.remove_outcomes(held), done=self._forget_held)

    async def postpone_outcomes(self, held: Sequence[HeldOutcome], delay_s: float) -> None:
        """Keeps outcomes whose prediction is unknown so far from being read for a while."""
        await self._committer.submit(lambda file: file.postpone_outcomes(held, delay_s))

    async def bury(self, dead: SpooledRow | HeldOutcome, reason: str) -> None:
        """Moves what can never be stored to the dead letters, with the reason."""
        if isinstance(dead, HeldOutcome):
            await self._committer.submit(lambda file: file.bury_outcome(dead, reason), done=self._forget_held)
        else:
            await self._committer.submit(lambda file: file.bury(dead, reason), done=self._forget_rows)

    async def close(self) -> None:
        """Finishes what waits and closes the files."""
        await self._committer.close()
        for _, committer in self._siblings.values():
            await committer.close()
        self._lock.close()

    async def _join_elsewhere(self, path: Path, prediction_id: str, outcome: Outcome) -> bool:
        """Joins an outcome in another worker's file; SQLite's locks keep its owner and us apart."""
        if path in self._unreadable:
            return False
        if path not in self._siblings:
            try:
                file = SpoolFile(path)
            except StartError as error:
                self._unreadable.add(path)
                _log.error("spool_not_readable", reason=str(error))
                return False
            self._siblings[path] = file, GroupCommitter(file, min_free_bytes=self._min_free_bytes)
        file, committer = self._siblings[path]
        # Only who has something to write takes the file's one write lock from its owner.
        if not await asyncio.to_thread(file.has, prediction_id):
            return False
        return await committer.submit(lambda file: file.join(prediction_id, outcome), grows=True)

    # Called with what is on disk, in the order in which it came there, whether or not its caller still waits.
    # Never `self._stored -= await …`: that reads the count first, and forgets what is counted meanwhile.
    def _count_rows(self, n: int) -> None:
        self._stored += n
        self.filled.set()

    def _forget_rows(self, n: int) -> None:
        self._stored -= n

    def _count_held(self, n: int) -> None:
        self._held += n
        self._signal()

    def _forget_held(self, n: int) -> None:
        self._held -= n

    def _signal(self) -> None:
        if self._stored or self._held:
            self.filled.set()
