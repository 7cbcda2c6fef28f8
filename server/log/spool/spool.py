"""The local durable log: what was answered and MongoDB does not have yet.

All processes of a machine append to one file in the spool folder, and delivery, a process of its own, moves
it to MongoDB. What was answered survives a kill -9 and a power cut; a row leaves only once MongoDB has
confirmed it, so that a crash at any moment repeats work and never loses any.
"""

from pathlib import Path

from server.errors import SpoolFullError
from server.log.record import Outcome, PredictionRecord
from server.log.spool.committer import Committer
from server.log.spool.file import FILE_NAME, SpoolFile

DEFAULT_MIN_FREE_BYTES = 64 << 20


class Spool:
    """Appends to the spool file. Its methods belong to one event loop."""

    def __init__(
        self, directory: Path, *, max_records: int, min_free_bytes: int = DEFAULT_MIN_FREE_BYTES
    ) -> None:
        """Opens the file in a folder, or creates it, and starts to write.

        Args:
            directory: The folder.
            max_records: How many predictions, and how many outcomes, may wait at most.
            min_free_bytes: What has to stay free on the disk. Delivery needs room too: a disk that the spool
                fills to the last byte could never be emptied again.

        Raises:
            StartError: When the file cannot be opened.
        """
        self._max_records = max_records
        self._committer = Committer(SpoolFile(directory / FILE_NAME), min_free_bytes=min_free_bytes)

    async def append(self, record: PredictionRecord, *, retried: bool = False) -> PredictionRecord:
        """Returns what is logged under a prediction's id once it is on disk.

        Args:
            record: The prediction.
            retried: Whether its caller may ask for it again: then what is here under its id already is
                returned, and it is kept for a while after MongoDB has it.

        Raises:
            SpoolFullError: When too many records wait, or the disk is full.
        """
        if self._committer.waiting + self._committer.unanswered >= self._max_records:
            self._committer.look()
            raise SpoolFullError
        return await self._committer.insert(record, retried=retried)

    async def append_outcome(self, prediction_id: str, outcome: Outcome) -> None:
        """Returns once an outcome is on disk.

        Raises:
            SpoolFullError: When too many outcomes wait, or the disk is full.
        """
        if self._committer.waiting_outcomes >= self._max_records:
            self._committer.look()
            raise SpoolFullError
        await self._committer.insert_outcome(prediction_id, outcome)

    async def close(self) -> None:
        """Finishes what waits and closes the file."""
        await self._committer.close()
